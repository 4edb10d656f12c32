"""The judge's memory of one rollout: small, and whole: a restart goes on with the same verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slipway.domain.checks import Check
from slipway.domain.counters import Counters
from slipway.domain.judging import counts
from slipway.domain.judging.classes import ClassEvidence
from slipway.domain.judging.counts import CountEvidence
from slipway.domain.judging.drift import DriftEvidence
from slipway.domain.judging.means import MeanEvidence
from slipway.domain.judging.paired import PairEvidence
from slipway.domain.judging.quantiles import QuantileEvidence
from slipway.domain.judging.route import RouteEvidence
from slipway.domain.judging.shared_faults import SharedFault
from slipway.domain.readings import Cursor, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One part per question, each a value of its own module under `judging`."""

    rates: Mapping[Check, CountEvidence] = field(default_factory=dict)
    """Shares of requests: errors, slow answers, wrong answers, ..."""
    threshold_milliseconds: float | None = None
    """From where an answer counts as slow; None: not known yet."""
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
    """Where the last look at each source stood."""

    def rate(self, check: Check) -> CountEvidence:
        """Return one share's evidence; nothing where nothing was counted."""
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


def carried(before: Evidence) -> Evidence:
    """Return what the next rollout of a model may know: how stable behaves, nothing of a canary.

    Stable is then the one that served at this rollout's end: its errors were counted last.
    """
    return Evidence(
        rates={check: CountEvidence(dispersion=rate.dispersion) for check, rate in before.rates.items()},
        fault=replace(before.fault, now=False),
    )
