"""Counters per revision."""

from collections.abc import Sequence
from typing import Protocol

from slipway.domain.counters import Counters
from slipway.domain.shadow import Answer


class MetricSource(Protocol):
    """What was counted, per revision. No answer is MetricsUnavailable, never zero."""

    def counters(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return cumulative counters of live requests by revision, shadow copies left out.

        A revision that the router knows and that had no request yet has zeros; one that it does not know is left out.
        """
        ...

    def answers(self, model: str, revision: str) -> list[Answer]:
        """Return the revision's recent answers to requests that were copied (shadow), oldest first."""
        ...
