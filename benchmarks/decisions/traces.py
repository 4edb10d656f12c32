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
from scipy.stats import norm

from benchmarks.decisions.channels import Channel, Counts, LateCounts, cumulative
from benchmarks.decisions.scenario import (
    LATENCY_MEDIAN,
    LATENCY_SIGMA,
    OUTAGE_SECONDS,
    OUTAGE_SHARE,
    SLOW_SHARE,
    Metric,
    Scenario,
)
from benchmarks.decisions.schedule import TICK_SECONDS, TICKS, TICKS_PER_MINUTE, WEIGHTS

HISTORY_MINUTES = 60
HISTORY_TICKS = HISTORY_MINUTES * TICKS_PER_MINUTE
LABEL_DELAY_SECONDS = 300.0
OVER_500_MS = "over_500ms"
"""Channel beside SLOW: answers over half a second, which is what a limit of 500 ms on the 99th percentile counts."""
Floats = NDArray[np.float64]
Cells = NDArray[Any]
"""(ticks, traces, bins)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The stable version's hour before the rollout, by tick: (HISTORY_TICKS, traces) each."""

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
    scratch: dict[str, Any] = field(default_factory=dict)
    """What rules worked out of these traces once and use again."""


def draw(scenario: Scenario, count: int, *, chunk: int = 0, purpose: str = "figures") -> Traces:
    """Return traces of a scenario; the same arguments give the same traces. `purpose` keeps tuning's traces apart."""
    seeds = [zlib.crc32(scenario.name.encode()), zlib.crc32(purpose.encode()), chunk]
    rng = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seeds)))
    levels = _levels(scenario, rng, count)
    requests = _requests(scenario, rng, count)
    served = cumulative(requests)
    if scenario.metric is Metric.SCORES:
        channel, harm, truth, history = _scores(scenario, rng, (requests, served), levels)
    else:
        channel, harm, truth, history = _events(scenario, rng, (requests, served), levels)
    channels: dict[str, Channel] = {scenario.metric: channel}
    if scenario.metric is Metric.SLOW:
        channels[OVER_500_MS] = _over_500_ms(scenario, rng, (requests, served), levels)
    past: dict[str, History] = {scenario.metric: history}
    if scenario.metric is not Metric.ERRORS:
        errors = cumulative(rng.binomial(requests, scenario.error_share))
        channels[Metric.ERRORS] = Counts.of(served, errors, errors)
        failed = rng.binomial(history.requests, scenario.error_share)
        past[Metric.ERRORS] = History(requests=history.requests, events=failed, squares=failed)
    return Traces(
        scenario=scenario,
        count=count,
        channels=channels,
        history=past,
        truth=truth,
        harm=harm,
    )


def _levels(scenario: Scenario, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Return the factor on the share by minute, canary's and stable's: (HISTORY_MINUTES + 60, count or 1)."""
    minutes = HISTORY_MINUTES + TICKS // TICKS_PER_MINUTE
    base = (
        1 + scenario.cycle_at(60.0 * np.arange(-HISTORY_MINUTES, minutes - HISTORY_MINUTES, dtype=np.float64))[:, None]
    )
    if not scenario.bursts:
        return base, base
    stable = _gusts(scenario, rng, (minutes, count))
    canary = stable if scenario.bursts_shared else _gusts(scenario, rng, (minutes, count))
    return base * canary, base * stable


def _gusts(scenario: Scenario, rng: np.random.Generator, size: tuple[int, int]) -> Floats:
    """Draw gamma factors by minute and trace; each holds for the scenario's minutes."""
    minutes, count = size
    shape, length = scenario.bursts**-2, scenario.burst_minutes
    if length == 1:
        return rng.gamma(shape, 1 / shape, size)
    drawn = rng.gamma(shape, 1 / shape, (minutes // length + 2, count))
    number = (np.arange(minutes)[:, None] + rng.integers(0, length, count)) // length
    return np.take_along_axis(drawn, number, axis=0)


def _requests(scenario: Scenario, rng: np.random.Generator, count: int) -> Cells:
    widths = np.diff(WEIGHTS)
    requests = rng.poisson(scenario.requests_per_second * TICK_SECONDS * widths, (TICKS, count, len(widths)))
    if scenario.stops_at is not None:
        requests[scenario.stops_at // TICK_SECONDS :] = 0
    return requests


def _by_tick(levels: Floats) -> Floats:
    return np.repeat(levels[HISTORY_MINUTES:], TICKS_PER_MINUTE, axis=0)


def _history(levels: Floats) -> Floats:
    return np.repeat(levels[:HISTORY_MINUTES], TICKS_PER_MINUTE, axis=0)


def _shares(scenario: Scenario, levels: tuple[Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    """Return the share by tick in the canary, in a canary that is equal, and in stable: (TICKS, traces or 1)."""
    seconds = TICK_SECONDS * np.arange(TICKS, dtype=np.float64)[:, None]
    base, changed = scenario.shares
    canary, equal, stable = (
        np.clip(share * _by_tick(level), 0, 1)
        for share, level in ((changed, levels[0]), (base, levels[0]), (base, levels[1]))
    )
    canary = np.clip(canary * scenario.ratios(seconds), 0, 1)
    if scenario.outage:
        down = (seconds >= OUTAGE_SECONDS[0]) & (seconds < OUTAGE_SECONDS[1])
        canary, equal, stable = (np.where(down, np.maximum(one, OUTAGE_SHARE), one) for one in (canary, equal, stable))
    return canary, equal, stable


def _events(
    scenario: Scenario, rng: np.random.Generator, asked: tuple[Cells, Cells], levels: tuple[Floats, Floats]
) -> tuple[Channel, Harm, Truth, History]:
    """Draw what is counted. An equal canary answers as the stable version does, unless a burst hits one arm alone."""
    requests, served = asked
    changed, equal, base = _shares(scenario, levels)
    stable = rng.binomial(requests, base[..., None])
    canary = rng.binomial(requests, changed[..., None]) if scenario.arms_apart else stable
    past = rng.poisson(TICK_SECONDS * scenario.requests_per_second, (HISTORY_TICKS, requests.shape[1]))
    past_events = rng.binomial(past, np.clip(scenario.shares[0] * _history(levels[1]), 0, 1))
    base_sums = cumulative(stable)
    sums = base_sums if canary is stable else cumulative(canary), base_sums
    channel: Channel
    if scenario.metric is Metric.LABELS:
        delays = rng.exponential(LABEL_DELAY_SECONDS / TICK_SECONDS, requests.shape)
        channel = LateCounts.of((requests, canary, stable), delays)
    else:
        channel = Counts.of(served, *sums)
    bad = served if scenario.metric is Metric.CLASSES else sums[0]
    return (
        channel,
        Harm(requests=served, bad=bad, excess=sums[0] - sums[1]),
        Truth(canary=changed, equal=equal),
        _latest(scenario, History(requests=past, events=past_events, squares=past_events)),
    )


def _latest(scenario: Scenario, history: History) -> History:
    """Return the last minutes of an hour, as many as the scenario says."""
    begin = HISTORY_TICKS - scenario.history_minutes * TICKS_PER_MINUTE
    return History(requests=history.requests[begin:], events=history.events[begin:], squares=history.squares[begin:])


def _scores(
    scenario: Scenario, rng: np.random.Generator, asked: tuple[Cells, Cells], levels: tuple[Floats, Floats]
) -> tuple[Channel, Harm, Truth, History]:
    """Draw sums and sums of squares of standard normal scores; the canary's are the same ones, moved by the shift."""
    requests, served = asked
    means = _by_tick(levels[1]) - 1
    total, squares = _sums(rng, requests, means[..., None])
    shift = scenario.score_shift
    plain = cumulative(total), cumulative(squares)
    moved = plain[0] + shift * served, plain[1] + 2 * shift * plain[0] + shift**2 * served
    past = rng.poisson(TICK_SECONDS * scenario.requests_per_second, (HISTORY_TICKS, requests.shape[1]))
    past_total, past_squares = _sums(rng, past, _history(levels[1]) - 1)
    return (
        Counts.of(served, moved[0], plain[0], squares=(moved[1], plain[1])),
        Harm(requests=served, bad=served, excess=served if shift else np.zeros_like(served)),
        Truth(canary=means + shift, equal=means),
        History(requests=past, events=past_total, squares=past_squares),
    )


def _sums(rng: np.random.Generator, requests: Cells, means: Floats) -> tuple[Floats, Floats]:
    """Return sum and sum of squares of that many normal numbers with variance 1."""
    noise = rng.standard_normal(requests.shape) * np.sqrt(requests)
    spread = 2 * rng.standard_gamma(np.maximum(requests - 1, 0) / 2)
    centred = spread + noise**2 / np.maximum(requests, 1)
    return noise + requests * means, centred + 2 * means * noise + requests * means**2


def _over_500_ms(
    scenario: Scenario, rng: np.random.Generator, asked: tuple[Cells, Cells], levels: tuple[Floats, Floats]
) -> Counts:
    """Count answers over half a second: a fixed part of the slow ones. Drawn apart from SLOW, for one default only."""
    requests, served = asked
    far = np.log(500 / LATENCY_MEDIAN) / LATENCY_SIGMA
    canary, _, stable = _shares(scenario, levels)
    slow = scenario.shares
    share = norm.sf(far - np.log(scenario.latency_factor) / LATENCY_SIGMA) / slow[1], norm.sf(far) / SLOW_SHARE
    return Counts.of(
        served,
        cumulative(rng.binomial(requests, share[0] * canary[..., None])),
        cumulative(rng.binomial(requests, share[1] * stable[..., None])),
    )
