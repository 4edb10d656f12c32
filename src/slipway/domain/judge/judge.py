"""The judge: compares the canary with the stable version, look by look, and returns PASS, FAIL or "not yet".

Every metric has two e-processes: against "the canary is healthy" and against "it is worse than tolerated". Each starts
at 1 and is a supermartingale under its hypothesis, so by Ville's inequality it ever reaches 1/a with a probability of
at most a, however often it is checked. A metric fails at 1/(its share of alpha), and passes at 1/beta. The release is
rolled back when any fails, and may be promoted when all that are required pass.

The statistics are in `statistics`, one module per kind of metric. This module updates them at every look; `decision`
combines them and puts them into words.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.metrics import OTHERS, RATES, rate_guards, update_input_drift
from slipway.domain.judge.readings import NOTHING_READ, Cursor, Latencies, Reading, Readings, Source, delta_since
from slipway.domain.judge.statistics import counts, paired, rates, route, shared_faults
from slipway.domain.judge.statistics.counts import CountDelta, CountEvidence
from slipway.domain.judge.statistics.dispersion import has_known_blocks
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.spec.judge import JudgeSpec, RateGuard

FEWEST_FOR_A_THRESHOLD = 100
"""Answers of stable after which its slowest ones are known well enough."""
UNKNOWN_PERCENT = 5
"""Largest weight of a canary while stable's bursts are not known."""
SMOOTHING = 0.2
"""Weight of the newest look in the mean number of requests per look."""
BEARABLE_ERRORS = 12.0
"""Errors of the canary that it takes to find a doubling: log(1/alpha) over the nats per error, 2 log 2 - 1."""
WORST_RATIO = 16.0
"""Beyond it a canary is broken: its evidence grows by several nats per error."""
WORST_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Names of the two revisions that are compared."""

    canary: str
    stable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The moment of a look."""

    at: float
    """Unix seconds."""
    weight_percent: int = 0
    """Share of live requests that the router is configured to give the canary."""


ArmDeltas = tuple[Reading, Reading]
"""Differences since the last look: canary's, stable's."""


def copies_guard(spec: JudgeSpec) -> RateGuard:
    """Return the guard on errors on shadow copies: as for live ones, at a third of the weight; they need not pass."""
    errors = spec.errors
    return RateGuard(
        weight=errors.weight / 3,
        required=False,
        margin=errors.margin,
        tolerance=errors.tolerance,
        negligible=errors.negligible,
    )


def update_evidence(evidence: Evidence, arms: Arms, read: Readings, spec: JudgeSpec, when: When) -> Evidence:
    """Return the evidence after one look at live requests.

    The first look at a source only stores its readings, and so does one at which anything went backwards. What happens
    while both arms fail together is not weighed: it says nothing about the model. Labels are weighed: they arrive late,
    for answers given at other times. The latency threshold is fixed before the look at which it is used.
    """
    slow_from, before = evidence.threshold_milliseconds, evidence.fault.now
    evidence, came = _take_deltas(evidence, arms, read, spec)
    evidence = _update_route(evidence, came, when)
    if before or evidence.fault.now:  # in its first look too: a thousand shared errors look like proof
        came = {source: pairs for source, pairs in came.items() if source is Source.LABELS}
    evidence = _update_rates(evidence, _count_deltas(came, slow_from), spec, int(when.at // spec.burst_seconds))
    return _update_others(evidence, came, spec)


def update_while_cold(evidence: Evidence, arms: Arms, read: Readings, spec: JudgeSpec, when: When) -> Evidence:
    """Return the evidence after a look at which replicas may be cold: what that explains is stored, not weighed.

    A cold replica is slow, fails or sheds. It refuses no request that a warm one takes, and its answers are the same.
    """
    evidence, came = _take_deltas(evidence, arms, read, spec)
    looks = _count_deltas(came, None, cold=True)
    evidence = _update_rates(evidence, looks, spec, int(when.at // spec.burst_seconds))
    return _update_others(
        evidence, {source: pairs for source, pairs in came.items() if source is not Source.LATENCIES}, spec
    )


def advance_cursors(evidence: Evidence, arms: Arms, read: Readings, spec: JudgeSpec) -> Evidence:
    """Return the evidence with these readings as the start of the next look; nothing is weighed."""
    return _take_deltas(evidence, arms, read, spec)[0]


def update_from_copies(
    evidence: Evidence, came: ShadowComparison | None, spec: JudgeSpec, when: When, *, patient: bool = False
) -> Evidence:
    """Return the evidence after one look at shadow pairs: the same request, answered by both. None: no look.

    It is a check of its own because copies that pass would delay finding a canary that fails live.
    Requests on which both fail carry no information; those on which one fails are compared (McNemar's pairs). With a
    margin over 1 they count for both, as live ones do: a ratio of failures within it may be any among those of one.
    No client gets these answers: with `patient` they count against the canary only once stable's bursts are known.
    """
    if came is None or not came.compared:
        return evidence
    both = came.both_failed if spec.errors.margin == 1 else 0
    one = CountDelta(
        canary=Counters(requests=came.compared, errors=came.canary_failed - both),
        stable=Counters(requests=came.compared, errors=came.stable_failed - both),
        canary_alone=came.canary_failed,
        patient=patient,
    )
    block = int(when.at // spec.burst_seconds)
    copied = evidence.rate(Check.COPIES)
    if not copied.tally:  # copies of an earlier rollout are older than what stable does now
        copied = CountEvidence(dispersion=evidence.rate(Check.ERRORS).dispersion)
    copies = counts.update_counts([copied], [one], [copies_guard(spec)], block, spec.burst_cv)[0]
    pairs = paired.update_pairs(
        evidence.pairs, pairs=came.answered, disagreeing=came.disagreed, log_ratios=came.log_latency_ratios
    )
    return replace(evidence, rates={**evidence.rates, Check.COPIES: copies}, pairs=pairs)


def learn_bursts(evidence: Evidence, alone: str, read: Readings, spec: JudgeSpec, when: When) -> Evidence:
    """Return the evidence after a look at a revision that serves alone: the overdispersion of its errors is learned.

    `alone` is its name; without its counters nothing is learned or stored.
    """
    now = read.get(Source.REQUESTS, {}).get(alone)
    if now is None:
        return evidence
    came, cursor = delta_since(evidence.cursors.get(Source.ALONE, Cursor()), {alone: now})
    evidence = replace(evidence, cursors=evidence.cursors | {Source.ALONE: cursor})
    for reading in (came or {}).values():
        if reading.requests is not None:
            block = int(when.at // spec.burst_seconds)
            fault = shared_faults.update_fault(evidence.fault, ZERO, reading.requests)
            learned = {
                one.check: counts.learn_dispersion(evidence.rate(one.check), counted, block)
                for one in RATES
                if one.source is Source.REQUESTS and (counted := one.count(reading, None)) is not None
            }
            evidence = replace(evidence, rates={**evidence.rates, **learned}, fault=fault)
    return evidence


def knows_bursts(evidence: Evidence, spec: JudgeSpec) -> bool:
    """Return whether enough is known of stable's own bursts to give the canary more than `UNKNOWN_PERCENT`.

    A model's second release without shadow knows nothing yet: bursts then look as if the canary caused them. Blocks
    count in which stable had requests and which are adjacent: `KNOWN_BLOCKS` of them take that many times
    `burst_seconds` and one more. With fewer looks than one per block nothing is ever learned, so the caller must limit
    the wait. With `burst_cv` the spec gives the value to expect.
    """
    return has_known_blocks(evidence.rate(Check.ERRORS).dispersion, spec.burst_cv)


def may_rise(evidence: Evidence, spec: JudgeSpec, weight_percent: int) -> bool:
    """Return whether the canary may get this weight before the duration of its step is over.

    The errors of a bad canary until it is found hardly depend on its weight: more requests fail per second, and it is
    found sooner. Only the errors between two looks grow with the weight. So what must be excluded first is a canary
    so bad that one look's errors at the new weight exceed those needed to find it anyway (`BEARABLE_ERRORS`): by its
    ratio to stable, or by its own share of errors.
    """
    if evidence.canary == ZERO:
        return False
    ratio, share = bearable_errors(
        evidence.stable, evidence.requests_per_look * weight_percent / 100, spec.errors.tolerance
    )
    by_ratio = counts.log_evidence_under(evidence.rate(Check.ERRORS), spec.errors, float(ratio), spec.burst_cv)
    by_share = log_share_under(evidence.canary, float(share))
    return float(rates.log_either(np.array(by_ratio), np.array(by_share))) >= -math.log(spec.beta)


def bearable_errors(stable: Counters, requests: float, tolerance: float) -> tuple[float, float]:
    """Return the ratio and the share of errors that a canary must be under to get this many requests per look."""
    usual = (stable.errors + 1) / (stable.requests + 100)
    share = BEARABLE_ERRORS / max(requests, 1e-9)
    return min(max(share / usual, tolerance * 1.25), WORST_RATIO), min(share, WORST_SHARE)


def log_share_under(canary: Counters, share: float) -> float:
    """Return the log e-value against "the canary fails on at least this share of its requests"."""
    looked = rates.small_likelihoods(np.array(float(canary.errors)), np.array(float(canary.requests)), np.array(share))
    return float(rates.log_mean(looked))


def _take_deltas(
    evidence: Evidence, arms: Arms, read: Readings, spec: JudgeSpec
) -> tuple[Evidence, dict[Source, ArmDeltas]]:
    came: dict[Source, ArmDeltas] = {}
    cursors = dict(evidence.cursors)
    names = sorted((arms.canary, arms.stable))
    for source, found in read.items():
        if all(name in found for name in names):  # of both or of none
            now = {name: found[name] for name in names}
            since, cursors[source] = delta_since(cursors.get(source, Cursor()), now)
            if since is not None:
                came[source] = since[arms.canary], since[arms.stable]
    stable = read.get(Source.LATENCIES, {}).get(arms.stable, NOTHING_READ)
    threshold = evidence.threshold_milliseconds or _find_threshold(stable.latencies, spec)
    return replace(evidence, cursors=cursors, threshold_milliseconds=threshold), came


def _find_threshold(stable: Latencies | None, spec: JudgeSpec) -> float | None:
    """Return the latency from which an answer is slow: the service level, or the quantile of stable's own latencies.

    It is an edge of the histogram: nothing is known between two of them.
    """
    if stable is None or spec.latency is None or not stable.edges_milliseconds:
        return None
    if spec.latency.threshold_milliseconds is not None:
        level = math.log(spec.latency.threshold_milliseconds)
        return min(stable.edges_milliseconds, key=lambda edge: abs(math.log(edge) - level))
    if stable.requests < FEWEST_FOR_A_THRESHOLD:
        return None
    share = 1 - spec.latency.quantile
    return min(
        stable.edges_milliseconds,
        key=lambda edge: abs(stable.slower_than(edge) / stable.requests - share),
    )


def _update_route(evidence: Evidence, came: Mapping[Source, ArmDeltas], when: When) -> Evidence:
    canary, stable = (one.requests for one in came[Source.REQUESTS]) if Source.REQUESTS in came else (None, None)
    if canary is None or stable is None:
        return evidence
    seen = evidence.requests_per_look
    whole = canary.requests + stable.requests
    return replace(
        evidence,
        route=route.update_route(evidence.route, when.weight_percent, canary.requests, stable.requests, when.at),
        fault=shared_faults.update_fault(evidence.fault, canary, stable),
        requests_per_look=seen + SMOOTHING * (whole - seen) if seen else float(whole),
    )


def _update_rates(evidence: Evidence, looks: Mapping[Check, CountDelta], spec: JudgeSpec, block: int) -> Evidence:
    """Weigh every share of requests of this look in one pass."""
    guards = rate_guards(spec)
    checks = [check for check in guards if check in looks]
    if not checks:
        return evidence
    before, chosen = [evidence.rate(check) for check in checks], [guards[check] for check in checks]
    grown = counts.update_counts(before, [looks[check] for check in checks], chosen, block, spec.burst_cv)
    return replace(evidence, rates={**evidence.rates, **dict(zip(checks, grown, strict=True))})


def _count_deltas(
    came: Mapping[Source, ArmDeltas], slow_from: float | None, *, cold: bool = False
) -> dict[Check, CountDelta]:
    """Return the counts of both arms since the last look, by metric; without those that a cold replica explains."""
    looks: dict[Check, CountDelta] = {}
    for one in RATES:
        if one.source in came and not (cold and one.of_cold_replicas):
            canary, stable = (one.count(reading, slow_from) for reading in came[one.source])
            if canary is not None and stable is not None:
                looks[one.check] = CountDelta(canary=canary, stable=stable)
    return looks


def _update_others(evidence: Evidence, came: Mapping[Source, ArmDeltas], spec: JudgeSpec) -> Evidence:
    """Weigh the metrics that are no share of requests: scores, classes, inputs and whole latency distributions."""
    for one in OTHERS:
        if one.update is not None and one.source is not None and one.source in came:
            evidence = one.update(evidence, spec, *came[one.source])
    return update_input_drift(evidence, spec, *came[Source.SUMMARIES]) if Source.SUMMARIES in came else evidence
