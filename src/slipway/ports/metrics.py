"""Counters, latencies and summaries per revision."""

from collections.abc import Sequence
from typing import Protocol

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Latencies, Summary
from slipway.domain.rollout.shadow import ShadowAnswer


class MetricSource(Protocol):
    """What was counted, per revision. No answer is MetricsUnavailable, never zero."""

    def read_counters(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return cumulative counters of live requests by revision, shadow copies left out.

        A revision that the router knows and that had no request yet has zeros; one that it does not know is left out.
        """
        ...

    def read_latencies(self, model: str, revisions: Sequence[str]) -> dict[str, Latencies]:
        """Return cumulative histograms of live requests' time by revision, shadow copies left out.

        Edges are the same for all revisions. A revision that the router knows and that had no request yet has zeros;
        one that it does not know is left out. They may show a request some seconds after `read_counters` does.
        """
        ...

    def read_summaries(self, model: str, revisions: Sequence[str]) -> dict[str, Summary]:
        """Return what each revision reports on its own predictions and inputs, cumulative since its process began.

        A revision that is not there is left out.
        """
        ...

    def read_shadow_answers(self, model: str, revision: str) -> list[ShadowAnswer]:
        """Return the revision's recent answers to requests that were copied (shadow), oldest first."""
        ...
