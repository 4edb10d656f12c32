"""The judge's state of one rollout: small and complete, so that verdicts are the same after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Cursor, Source
from slipway.domain.judge.statistics import counts
from slipway.domain.judge.statistics.classes import ClassEvidence
from slipway.domain.judge.statistics.counts import CountEvidence
from slipway.domain.judge.statistics.drift import DriftEvidence
from slipway.domain.judge.statistics.means import MeanEvidence
from slipway.domain.judge.statistics.paired import PairEvidence
from slipway.domain.judge.statistics.quantiles import QuantileEvidence
from slipway.domain.judge.statistics.route import RouteEvidence
from slipway.domain.judge.statistics.shared_faults import SharedFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One part per question, each a value of its own module under `judge.statistics`."""

    rates: Mapping[Check, CountEvidence] = field(default_factory=dict)
    """Shares of requests: errors, slow answers, wrong answers, ..."""
    threshold_milliseconds: float | None = None
    """Latency from which an answer counts as slow; None: not known yet."""
    quantiles: QuantileEvidence = field(default_factory=QuantileEvidence)
    scores: MeanEvidence = field(default_factory=MeanEvidence)
    classes: ClassEvidence = field(default_factory=ClassEvidence)
    pairs: PairEvidence = field(default_factory=PairEvidence)
    drift: DriftEvidence = field(default_factory=DriftEvidence)
    route: RouteEvidence = field(default_factory=RouteEvidence)
    fault: SharedFault = field(default_factory=SharedFault)
    requests_per_look: float = 0.0
    """Of both arms, smoothed."""
    cursors: dict[Source, Cursor] = field(default_factory=dict)
    """Readings of the last look, by source."""

    def rate(self, check: Check) -> CountEvidence:
        """Return one share's evidence; empty evidence if nothing was counted."""
        return self.rates.get(check, counts.NOTHING)

    @property
    def canary(self) -> Counters:
        """The canary's requests and errors, live ones."""
        return self.rate(Check.ERRORS).canary

    @property
    def stable(self) -> Counters:
        """Stable's requests and errors, live ones."""
        return self.rate(Check.ERRORS).stable


NO_EVIDENCE = Evidence()


def prior_for_next_rollout(before: Evidence) -> Evidence:
    """Return the prior for the next rollout of a model: how stable behaves, nothing about a canary.

    Stable is then the revision that served at the end of this rollout: its errors were counted last.
    """
    return Evidence(
        rates={check: CountEvidence(dispersion=rate.dispersion) for check, rate in before.rates.items()},
        fault=replace(before.fault, now=False),
    )
