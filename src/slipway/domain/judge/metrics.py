"""The judge's metrics, a row each: what is counted at a look, its guard, and how its evidence is scored.

A share of requests is a `RateMetric`: a row below, its guard in `spec.judge`, its name in `checks`, its words in
`statistics.wording`. Any other one is a `Metric`: a row, a module of `statistics`, a field of `evidence`.
No other code depends on single metrics.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.readings import Reading, Source
from slipway.domain.judge.statistics import classes, counts, drift, means, paired, quantiles, wording
from slipway.domain.spec.judge import Guard, JudgeSpec, RateGuard
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome

INTERVAL_ALPHA = 0.05
"""Intervals in sentences hold at all looks at once with a probability of 95 %."""
Found = TypeVar("Found")
Tell = Callable[[Outcome], tuple[str, dict[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric's evidence, on the scale that decides."""

    check: Check
    evidence_against: float
    """Log e-value against "the canary is healthy"."""
    evidence_for: float
    """Log e-value against "the canary is worse than tolerated"."""
    alpha: float
    """Its share of alpha."""
    required: bool
    seen: bool
    """Whether anything was counted."""
    tell: Tell
    """Puts it into words, with the numbers behind them."""

    def outcome(self, beta: float) -> Outcome:
        """Return the outcome of the evidence; NO_DATA if nothing was counted."""
        if self.evidence_against >= -math.log(self.alpha):
            return Outcome.FAIL
        if not self.seen:
            return Outcome.NO_DATA
        return Outcome.PASS if self.evidence_for >= -math.log(beta) else Outcome.INCONCLUSIVE


# shares of requests

Count = Callable[[Reading, float | None], Counters | None]
"""Returns the requests of one arm and how many of them are events (as `errors`); the number is the latency in
milliseconds from which an answer is slow. None: not known at this look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateMetric:
    """A share of requests, of canary and stable."""

    check: Check
    source: Source
    """What it is counted from."""
    count: Count
    guard: Callable[[JudgeSpec], RateGuard | None]
    """None: the spec does not ask for it."""
    spec_path: str
    """Path of the guard in a release spec."""
    of_cold_replicas: bool = False
    """Whether a cold replica may look bad in it."""


def _count_answers(kind: str) -> Count:
    def count(reading: Reading, _slow_from: float | None) -> Counters | None:
        seen = reading.requests
        return None if seen is None else Counters(requests=seen.requests, errors=getattr(seen, kind))

    return count


def _count_nonfinite(reading: Reading, _slow_from: float | None) -> Counters | None:
    seen = reading.summary
    return None if seen is None else Counters(requests=seen.requests, errors=seen.nonfinite)


def _count_slow(reading: Reading, slow_from: float | None) -> Counters | None:
    seen = reading.latencies
    if seen is None or slow_from is None or slow_from not in seen.edges_milliseconds:
        return None  # the threshold is no edge of this histogram
    return Counters(requests=seen.requests, errors=seen.slower_than(slow_from))


RATES = (
    RateMetric(
        check=Check.ERRORS,
        source=Source.REQUESTS,
        count=_count_answers("errors"),
        guard=lambda judge: judge.errors,
        spec_path="judge.errors",
        of_cold_replicas=True,
    ),
    RateMetric(
        check=Check.REFUSED,
        source=Source.REQUESTS,
        count=_count_answers("refused"),
        guard=lambda judge: judge.refused,
        spec_path="judge.refused",
    ),
    RateMetric(
        check=Check.SHED,
        source=Source.REQUESTS,
        count=_count_answers("shed"),
        guard=lambda judge: judge.shed,
        spec_path="judge.shed",
        of_cold_replicas=True,
    ),
    RateMetric(
        check=Check.NONFINITE,
        source=Source.SUMMARIES,
        count=_count_nonfinite,
        guard=lambda judge: judge.nonfinite,
        spec_path="judge.nonfinite",
    ),
    RateMetric(
        check=Check.LATENCY,
        source=Source.LATENCIES,
        count=_count_slow,
        guard=lambda judge: judge.latency,
        spec_path="judge.latency",
        of_cold_replicas=True,
    ),
    RateMetric(
        check=Check.LABELS,
        source=Source.LABELS,
        count=lambda reading, _: reading.labels,
        guard=lambda judge: judge.labels,
        spec_path="judge.labels",
    ),
)
"""Errors first: if the spec requires no metric, errors must still pass."""


def rate_guards(judge: JudgeSpec) -> dict[Check, RateGuard]:
    """Return the shares of requests that the spec asks for; errors first."""
    return {one.check: guard for one in RATES if (guard := one.guard(judge)) is not None}


# other metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Anything that is no share of requests: means, mixes, whole distributions, answers to the same request."""

    check: Check
    guard: Callable[[ReleaseSpec], Guard | None]
    """Its weight and whether it must pass; None: the spec does not ask for it."""
    score: Callable[[Evidence, ReleaseSpec, float], Score]
    """Returns its evidence; the number is its share of alpha."""
    source: Source | None = None
    """What it is updated from at a look at live requests; None: from copies alone, or not at all."""
    update: Callable[[Evidence, JudgeSpec, Reading, Reading], Evidence] | None = None
    """Returns the evidence after a look: what canary and stable did since the last one, if the spec asks for it."""


def _update_scores(evidence: Evidence, judge: JudgeSpec, canary: Reading, stable: Reading) -> Evidence:
    ours, theirs = (one.summary.scores if one.summary else None for one in (canary, stable))
    if judge.scores is None or ours is None or theirs is None:
        return evidence
    return replace(evidence, scores=means.update_means(evidence.scores, ours, theirs))


def _score_means(evidence: Evidence, spec: ReleaseSpec, alpha: float) -> Score:
    guard = _require_guard(spec.judge.scores)
    return Score(
        check=Check.SCORES,
        evidence_against=log_of(means.mean_evidence_against(evidence.scores, guard.margin, guard.worse)),
        evidence_for=log_of(means.mean_evidence_for(evidence.scores, guard.tolerance, guard.worse)),
        alpha=alpha,
        required=guard.required,
        seen=evidence.scores.canary_requests > 0,
        tell=partial(wording.tell_scores, evidence.scores, INTERVAL_ALPHA),
    )


def _update_classes(evidence: Evidence, judge: JudgeSpec, canary: Reading, stable: Reading) -> Evidence:
    if judge.classes is None or canary.summary is None or stable.summary is None:
        return evidence
    return replace(
        evidence, classes=classes.update_class_mix(evidence.classes, canary.summary.classes, stable.summary.classes)
    )


def _score_classes(evidence: Evidence, spec: ReleaseSpec, alpha: float) -> Score:
    guard = _require_guard(spec.judge.classes)
    return Score(
        check=Check.CLASSES,
        evidence_against=log_of(classes.class_evidence_against(evidence.classes, guard.margin)),
        evidence_for=log_of(classes.class_evidence_for(evidence.classes, guard.tolerance)),
        alpha=alpha,
        required=guard.required,
        seen=bool(evidence.classes.labels),
        tell=partial(wording.tell_classes, evidence.classes, guard.margin, INTERVAL_ALPHA),
    )


def _update_quantiles(evidence: Evidence, judge: JudgeSpec, canary: Reading, stable: Reading) -> Evidence:
    ours, theirs = canary.latencies, stable.latencies
    asked = judge.latency is not None and judge.latency.any_quantile
    if not asked or ours is None or theirs is None:
        return evidence
    edges = evidence.quantiles.edges_milliseconds or theirs.edges_milliseconds
    if not ours.edges_milliseconds == theirs.edges_milliseconds == edges:
        return evidence
    return replace(evidence, quantiles=quantiles.update_quantiles(evidence.quantiles, ours, theirs))


def _score_quantiles(evidence: Evidence, _spec: ReleaseSpec, alpha: float) -> Score:
    return Score(
        check=Check.QUANTILES,
        evidence_against=log_of(quantiles.quantile_evidence_against(evidence.quantiles)),
        evidence_for=0.0,
        alpha=alpha,
        required=False,
        seen=evidence.quantiles.canary_requests > 0,
        tell=partial(wording.tell_quantiles, evidence.quantiles, alpha),
    )


def _guard_quantiles(spec: ReleaseSpec) -> Guard | None:
    latency = spec.judge.latency
    return latency if latency is not None and latency.any_quantile else None


def _guard_disagreement(spec: ReleaseSpec) -> Guard | None:
    shadow = spec.rollout.shadow
    return Guard() if shadow is not None and shadow.disagreement_limit is not None else None


def _score_disagreement(evidence: Evidence, spec: ReleaseSpec, alpha: float) -> Score:
    limit = _require_guard(_require_guard(spec.rollout.shadow).disagreement_limit)
    return Score(
        check=Check.DISAGREEMENT,
        evidence_against=log_of(paired.disagreement_evidence_against(evidence.pairs, limit)),
        evidence_for=log_of(paired.disagreement_evidence_for(evidence.pairs, limit)),
        alpha=alpha,
        required=False,
        seen=evidence.pairs.pairs > 0,
        tell=partial(wording.tell_disagreement, evidence.pairs, limit, INTERVAL_ALPHA),
    )


def _guard_slowdown(spec: ReleaseSpec) -> Guard | None:
    shadow = spec.rollout.shadow
    if shadow is None or spec.slowdown_limit is None:
        return None
    aside = spec.judge.latency if shadow.slowdown_limit is None else None
    return Guard(weight=aside.weight / 3 if aside else 1.0)


def _score_slowdown(evidence: Evidence, spec: ReleaseSpec, alpha: float) -> Score:
    limit = _require_guard(spec.slowdown_limit)
    return Score(
        check=Check.SLOWDOWN,
        evidence_against=log_of(paired.slowdown_evidence_against(evidence.pairs, limit)),
        evidence_for=log_of(paired.slowdown_evidence_for(evidence.pairs, limit)),
        alpha=alpha,
        required=False,
        seen=evidence.pairs.log_ratios.count > 0,
        tell=partial(wording.tell_slowdown, evidence.pairs, limit, INTERVAL_ALPHA),
    )


OTHERS = (
    Metric(
        check=Check.SCORES,
        guard=lambda spec: spec.judge.scores,
        score=_score_means,
        source=Source.SUMMARIES,
        update=_update_scores,
    ),
    Metric(
        check=Check.CLASSES,
        guard=lambda spec: spec.judge.classes,
        score=_score_classes,
        source=Source.SUMMARIES,
        update=_update_classes,
    ),
    Metric(
        check=Check.QUANTILES,
        guard=_guard_quantiles,
        score=_score_quantiles,
        source=Source.LATENCIES,
        update=_update_quantiles,
    ),
    # copies end when live requests begin, so none of these is required to pass
    Metric(check=Check.DISAGREEMENT, guard=_guard_disagreement, score=_score_disagreement),
    Metric(check=Check.SLOWDOWN, guard=_guard_slowdown, score=_score_slowdown),
)


def find_others(spec: ReleaseSpec) -> Iterator[tuple[Metric, Guard]]:
    """Yield the metrics that are no share of requests and that the spec asks for."""
    for one in OTHERS:
        guard = one.guard(spec)
        if guard is not None:
            yield one, guard


def update_input_drift(evidence: Evidence, judge: JudgeSpec, canary: Reading, stable: Reading) -> Evidence:
    """Return the evidence on drift after a look, from stable's inputs: the canary gets the same requests."""
    if judge.drift is None or canary.summary is None or stable.summary is None:
        return evidence
    return replace(evidence, drift=drift.add_rows(evidence.drift, stable.summary.inputs, stable.summary.requests))


def log_of(value: float) -> float:
    """Return the log of an e-value; finite for 0 too."""
    return math.log(value) if value > 0 else -counts.LARGEST_LOG


def _require_guard(guard: Found | None) -> Found:
    if guard is None:
        message = "a metric is scored only if the spec requires it"
        raise ValueError(message)
    return guard
