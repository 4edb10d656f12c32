"""Traces: what happens to every request under either version, drawn once, seen by every rule.

Each request has a mark u, uniform in [0, 1), and goes to the canary when u < weight; how each version would answer it
is fixed before any rule looks. Requests are kept as counts per tick and per bin of marks, with bins that end at the
weights that rules use: what a rule sees at a weight is the sum over the bins below it (canary) and above it (stable).
"""

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, norm

from benchmarks.decisions.channels import Channel, Cold, Counts, LateCounts, cumulative
from benchmarks.decisions.copies import Copies
from benchmarks.decisions.levels import HISTORY_TICKS, Floats, Levels, levels
from benchmarks.decisions.scenario import (
    ALIKE,
    COLD_ERRORS,
    COLD_SECONDS,
    LATENCY_MEDIAN,
    LATENCY_SIGMA,
    OUTAGE_SECONDS,
    OUTAGE_SHARE,
    SLOW_SHARE,
    Metric,
    Scenario,
)
from benchmarks.decisions.schedule import TICK_SECONDS, TICKS, TICKS_PER_MINUTE, WEIGHTS

LABEL_DELAY_SECONDS = 300.0
OVER_500_MS = "over_500ms"
"""Channel beside SLOW: answers over half a second, which is what a limit of 500 ms on the 99th percentile counts."""
Cells = NDArray[Any]
"""(ticks, traces, bins)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The stable version before the rollout, by tick, as long as it was watched: (ticks, traces) each."""

    requests: NDArray[Any]
    events: NDArray[Any]
    """Events; for scores, their sum."""
    squares: NDArray[Any]
    """Sum of squares; for events the same as `events`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The metric's share (for scores: mean) in the canary, and in one that is equal: (TICKS, traces or 1)."""

    canary: Floats
    equal: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What canary requests cost, by tick, trace and weight: (TICKS, traces, len(WEIGHTS)) each."""

    requests: NDArray[Any]
    bad: NDArray[Any]
    """Bad answers; where answers are scores or classes, every answer of a changed canary."""
    excess: NDArray[Any]
    """Bad answers less those that the stable version would have given to the same requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """N traces of one scenario."""

    scenario: Scenario
    count: int
    channels: dict[str, Channel]
    """By metric; errors are always there."""
    history: dict[str, History]
    """By metric, as the channels."""
    truth: Truth
    harm: Harm
    copies: Copies
    scratch: dict[str, Any] = field(default_factory=dict)
    """What rules worked out of these traces once and use again."""


def draw(scenario: Scenario, count: int, *, chunk: int = 0, purpose: str = "figures") -> Traces:
    """Return traces of a scenario; the same arguments give the same traces. `purpose` keeps tuning's traces apart."""
    seeds = [zlib.crc32(scenario.name.encode()), zlib.crc32(purpose.encode()), chunk]
    rng = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seeds)))
    disturbed = levels(scenario, rng, count)
    requests = _requests(scenario, rng, count)
    if scenario.metric is Metric.SCORES:
        channel, harm, truth, history = _scores(scenario, rng, requests, disturbed)
    else:
        channel, harm, truth, history = _events(scenario, rng, requests, disturbed)
    channels: dict[str, Channel] = {scenario.metric: channel}
    if scenario.metric is Metric.SLOW:
        channels[OVER_500_MS] = _over_500_ms(scenario, rng, requests, disturbed)
    past: dict[str, History] = {scenario.metric: history}
    if scenario.metric in {Metric.REFUSED, Metric.SHED}:
        channels[Metric.ERRORS] = _errors_of_the_rest(scenario, rng, harm)
    elif scenario.metric is not Metric.ERRORS:
        errors = rng.binomial(requests, scenario.error_share)
        channels[Metric.ERRORS] = _cold(scenario, rng, requests, errors, COLD_ERRORS)
    if scenario.metric is not Metric.ERRORS:
        failed = rng.binomial(history.requests, scenario.error_share)
        past[Metric.ERRORS] = History(requests=history.requests, events=failed, squares=failed)
    return Traces(
        scenario=scenario,
        count=count,
        channels=channels,
        history={metric: _latest(scenario, one) for metric, one in past.items()},
        truth=truth,
        harm=harm,
        copies=_copies(scenario, rng, requests, disturbed),
    )


def _requests(scenario: Scenario, rng: np.random.Generator, count: int) -> Cells:
    widths = np.diff(WEIGHTS)
    requests = rng.poisson(scenario.requests_per_second * TICK_SECONDS * widths, (TICKS, count, len(widths)))
    if scenario.stops_at is not None:
        requests[scenario.stops_at // TICK_SECONDS :] = 0
    return requests


def _shares(scenario: Scenario, disturbed: Levels) -> tuple[Floats, Floats, Floats]:
    """Return the share by tick in the canary, in a canary that is equal, and in stable: (TICKS, traces or 1)."""
    seconds = TICK_SECONDS * np.arange(TICKS, dtype=np.float64)[:, None]
    base, changed = scenario.shares
    canary, equal, stable = (
        np.clip(share * level[HISTORY_TICKS:], 0, 1)
        for share, level in ((changed, disturbed[0]), (base, disturbed[0]), (base, disturbed[1]))
    )
    canary = np.clip(canary * scenario.ratios(seconds), 0, 1)
    if scenario.outage:
        down = (seconds >= OUTAGE_SECONDS[0]) & (seconds < OUTAGE_SECONDS[1])
        canary, equal, stable = (np.where(down, np.maximum(one, OUTAGE_SHARE), one) for one in (canary, equal, stable))
    return canary, equal, stable


def _events(
    scenario: Scenario, rng: np.random.Generator, requests: Cells, disturbed: Levels
) -> tuple[Channel, Harm, Truth, History]:
    """Draw what is counted. An equal canary answers as the stable version does, unless a burst hits one arm alone."""
    changed, equal, base = _shares(scenario, disturbed)
    past = rng.poisson(TICK_SECONDS * scenario.requests_per_second, (HISTORY_TICKS, requests.shape[1]))
    before = np.clip(scenario.shares[0] * disturbed[1][:HISTORY_TICKS], 0, 1)
    canary: Cells | None = None
    if scenario.arms_apart:
        canary = _counted(scenario, rng, requests, changed[..., None])[1]
    requests, stable = _counted(scenario, rng, requests, base[..., None])
    past, past_events = _counted(scenario, rng, past, before)
    canary = stable if canary is None else canary
    channel: Channel
    if scenario.metric is Metric.LABELS:
        delays = rng.exponential(LABEL_DELAY_SECONDS / TICK_SECONDS, requests.shape)
        channel = LateCounts.of((requests, canary, stable), delays)
    elif scenario.cold_factor > 1:
        share, usual = _slow(scenario.cold_factor), scenario.shares[0]
        channel = _cold(scenario, rng, requests, stable, (share - usual) / (1 - usual))
    else:
        channel = Counts.of(*map(cumulative, (requests, canary, stable)))
    served, bad, usual_bad = map(cumulative, (requests, canary, stable))
    return (
        channel,
        Harm(requests=served, bad=served if scenario.metric is Metric.CLASSES else bad, excess=bad - usual_bad),
        Truth(canary=changed, equal=equal),
        History(requests=past, events=past_events, squares=past_events),
    )


def _counted(scenario: Scenario, rng: np.random.Generator, requests: Cells, share: Floats) -> tuple[Cells, Cells]:
    """Return requests with the repeats among them, and how many of them are events (rows: their shares, summed)."""
    if scenario.rows > 1:
        return requests, _alike(rng, requests, share, scenario.rows)
    if scenario.repeats == 1:
        return requests, rng.binomial(requests, share)
    first = rng.binomial(requests, share / scenario.repeats)
    again = np.where(first > 0, rng.negative_binomial(np.maximum(first, 1), 1 / scenario.repeats), 0)
    return requests + again, first + again


def _alike(rng: np.random.Generator, requests: Cells, share: Floats, rows: int) -> Floats:
    """Return the sum of shares of class A over requests whose rows are alike: each request's share is a beta variable.

    So many requests have so many of their rows in it: conditional binomials, from none to all of them.
    """
    odds = 1 / ALIKE - 1
    of = betabinom(rows, odds * share, odds * (1 - share))
    left, gone, total = requests, np.zeros_like(share), np.zeros(requests.shape)
    for number in range(rows + 1):
        chance = of.pmf(number)
        here = left if number == rows else rng.binomial(left, np.clip(chance / np.maximum(1 - gone, 1e-12), 0, 1))
        left, gone, total = left - here, gone + chance, total + here * number / rows
    return total


def _cold(scenario: Scenario, rng: np.random.Generator, requests: Cells, stable: Cells, more: float) -> Counts | Cold:
    """Return the counts of an equal canary; where its replicas are cold, some of what was no event is one."""
    served, events = cumulative(requests), cumulative(stable)
    warm = Counts.of(served, events, events)
    if scenario.cold_factor == 1:
        return warm
    cold = cumulative(stable + rng.binomial(requests - stable, more))
    return Cold(warm=warm, cold=Counts.of(served, cold, events), ticks=COLD_SECONDS // TICK_SECONDS)


def _errors_of_the_rest(scenario: Scenario, rng: np.random.Generator, harm: Harm) -> Counts:
    """Draw errors of requests that are neither refused nor shed: an answer is one of them."""
    usual_bad = harm.bad - harm.excess
    failed = (
        cumulative(rng.binomial(np.diff(harm.requests - bad, axis=2), scenario.error_share))
        for bad in (harm.bad, usual_bad)
    )
    return Counts.of(harm.requests, *failed)


def _slow(factor: float) -> float:
    """Return the share of answers over stable's 95th percentile where every answer takes so many times as long."""
    return float(norm.sf(norm.isf(SLOW_SHARE) - np.log(factor) / LATENCY_SIGMA))


def _latest(scenario: Scenario, history: History) -> History:
    """Return the last minutes of an hour, as many as the scenario says."""
    begin = HISTORY_TICKS - scenario.history_minutes * TICKS_PER_MINUTE
    return History(requests=history.requests[begin:], events=history.events[begin:], squares=history.squares[begin:])


def _copies(scenario: Scenario, rng: np.random.Generator, requests: Cells, disturbed: Levels) -> Copies:
    """Draw what copies of all requests would show: failures where the scenario is about them, and times."""
    asked = requests.sum(axis=2)
    changed, usual = np.full((TICKS, 1), scenario.error_share), np.full((TICKS, 1), scenario.error_share)
    if scenario.metric is Metric.ERRORS:
        changed, _, usual = _shares(scenario, disturbed)
    factor = scenario.latency_factor if scenario.metric is Metric.SLOW else None
    return Copies.draw(rng, asked, (changed, usual), repeats=scenario.repeats, latency_factor=factor)


def _scores(
    scenario: Scenario, rng: np.random.Generator, requests: Cells, disturbed: Levels
) -> tuple[Channel, Harm, Truth, History]:
    """Draw sums and sums of squares of normal scores; the canary's are the same ones, moved by the shift."""
    means, served = disturbed[1][HISTORY_TICKS:] - 1, cumulative(requests)
    deviation = np.sqrt((1 + (scenario.rows - 1) * ALIKE) / scenario.rows)
    total, squares = _sums(rng, requests, means[..., None], deviation)
    shift = scenario.score_shift
    plain = cumulative(total), cumulative(squares)
    moved = plain[0] + shift * served, plain[1] + 2 * shift * plain[0] + shift**2 * served
    past = rng.poisson(TICK_SECONDS * scenario.requests_per_second, (HISTORY_TICKS, requests.shape[1]))
    past_total, past_squares = _sums(rng, past, disturbed[1][:HISTORY_TICKS] - 1, deviation)
    return (
        Counts.of(served, moved[0], plain[0], squares=(moved[1], plain[1])),
        Harm(requests=served, bad=served, excess=served if shift else np.zeros_like(served)),
        Truth(canary=means + shift, equal=means),
        History(requests=past, events=past_total, squares=past_squares),
    )


def _sums(rng: np.random.Generator, requests: Cells, means: Floats, deviation: float) -> tuple[Floats, Floats]:
    """Return sum and sum of squares of that many normal numbers with this standard deviation."""
    noise = deviation * rng.standard_normal(requests.shape) * np.sqrt(requests)
    spread = 2 * deviation**2 * rng.standard_gamma(np.maximum(requests - 1, 0) / 2)
    centred = spread + noise**2 / np.maximum(requests, 1)
    return noise + requests * means, centred + 2 * means * noise + requests * means**2


def _over_500_ms(scenario: Scenario, rng: np.random.Generator, requests: Cells, disturbed: Levels) -> Counts | Cold:
    """Count answers over half a second: a fixed part of the slow ones. Drawn apart from SLOW, for one default only."""
    far = np.log(500 / LATENCY_MEDIAN) / LATENCY_SIGMA
    canary, _, stable = _shares(scenario, disturbed)
    slow = scenario.shares
    share = norm.sf(far - np.log(scenario.latency_factor) / LATENCY_SIGMA) / slow[1], norm.sf(far) / SLOW_SHARE
    theirs = rng.binomial(requests, share[1] * stable[..., None])
    if scenario.equal and not scenario.arms_apart:
        return _cold(
            scenario, rng, requests, theirs, float(norm.sf(far - np.log(scenario.cold_factor) / LATENCY_SIGMA))
        )
    return Counts.of(*map(cumulative, (requests, rng.binomial(requests, share[0] * canary[..., None]), theirs)))
