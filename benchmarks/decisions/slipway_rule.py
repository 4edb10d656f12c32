"""Slipway on many traces at once: the domain's own arithmetic, a trace per row, and the rollout's steps.

Shares of requests (errors, slow answers, labels) are weighed by `judging.rates` and `judging.bursts`, whose functions
take any leading dimensions; scores and class mixes trace by trace by `judging.means` and `judging.classes`, a look
every 20 seconds. `tests/benchmarks` drives the real state machine along some traces and finds the same decisions.

Not simulated: latency in scenarios without it, and the shadow phase; their shares of alpha are set aside all the same.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.decisions import Decision, Decisions, Rule, settle
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import EVERYTHING, TICK_SECONDS, TICKS, TICKS_PER_MINUTE, index_of
from benchmarks.decisions.slipway_sums import SUMMED, walk
from benchmarks.decisions.traces import History, Traces
from slipway.domain.counters import Counters
from slipway.domain.judge import BEARABLE_ERRORS, SMOOTHING, WORST_RATIO, WORST_SHARE, copies_guard
from slipway.domain.judge_spec import Guard, JudgeSpec, LabelsSpec, RateGuard
from slipway.domain.judging import bursts, counts, rates, shared_faults
from slipway.domain.judging.bursts import Gusts, Tally
from slipway.domain.judging.rates import Floats, Grid
from slipway.domain.looking import CROWDED_PERCENT
from slipway.domain.spec import RolloutSpec

STEPS = RolloutSpec().steps
SPEC = JudgeSpec(labels=LabelsSpec(required=True))
SLOWDOWN = Guard(weight=(SPEC.latency.weight if SPEC.latency else 0.0) / 3)
"""Times of copies: a third of the weight of live ones."""
ALPHA = SPEC.alpha * (1 - RolloutSpec().part_of_alpha_while_baking)
"""What is compared after promotion has a part of its own."""


class Defence(StrEnum):
    """What is done about bursts that hit one arm alone."""

    NONE = "none"
    """Errors count as independent."""
    TEMPERED = "tempered"
    """The likelihood is tempered by the over-dispersion learned, whatever its size."""
    LEARNED = "learned"
    """Slipway's: tempered while calm, by the block when gusty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipwaySetting:
    """The spec's defaults; there is nothing to tune."""

    adaptive: bool
    """Whether steps end as soon as the evidence allows."""
    defence: Defence


class Slipway:
    """See the module."""

    def __init__(self, name: str, *, adaptive: bool, defence: Defence = Defence.LEARNED) -> None:
        """Take the name on the page, whether steps may end early, and what is done about bursts."""
        self.name, self._adaptive, self._defence = name, adaptive, defence

    def default(self, traces: Traces) -> SlipwaySetting:  # noqa: ARG002 - the same for every service
        """Return what the spec's defaults say."""
        return SlipwaySetting(adaptive=self._adaptive, defence=self._defence)

    def decide(self, traces: Traces, setting: SlipwaySetting) -> Decisions:
        """Decide on every trace."""
        path = np.full((TICKS, traces.count), index_of(STEPS[0].weight_percent / 100), dtype=np.int8)
        rollouts = Rollouts(traces, setting)
        for tick in range(TICKS):
            path[tick] = rollouts.weights
            rollouts.look(tick, path)
        return settle(traces, path, rollouts.decision, rollouts.ended)

    def sweep(self, traces: Traces) -> Iterator[tuple[SlipwaySetting, Decisions]]:  # noqa: ARG002 - nothing to tune
        """Try nothing."""
        return iter(())


def rules() -> tuple[Rule, ...]:
    """Return Slipway with the default spec, and with the same steps at their full length."""
    return (Slipway("slipway", adaptive=True), Slipway("slipway-fixed-steps", adaptive=False))


class Rollouts:
    """All traces' rollouts, a row each."""

    def __init__(self, traces: Traces, setting: SlipwaySetting) -> None:
        """Begin at the first step, knowing stable's hour before."""
        self._traces, self._adaptive, self._count = traces, setting.adaptive, traces.count
        self._shares = [Shares(traces, metric, guard, setting.defence) for metric, guard in _guards(traces)]
        self._sums = walk(traces) if traces.scenario.metric in SUMMED else None
        self._step = np.zeros(self._count, dtype=np.int64)
        self._entered = np.zeros(self._count, dtype=np.int64)
        self._usual, self._known = self._shares[0].learned.rate, self._shares[0].learned.requests
        self._fault = np.zeros(self._count, dtype=bool)
        self._per_look = np.zeros(self._count)
        self.decision = np.full(self._count, Decision.UNDECIDED, dtype=np.int8)
        self.ended = np.full(self._count, TICKS, dtype=np.int64)

    @property
    def weights(self) -> NDArray[np.int8]:
        """Indices of the weights by trace."""
        steps = np.array([index_of(step.weight_percent / 100) for step in STEPS], dtype=np.int8)
        return np.where(self.decision == Decision.PROMOTE, np.int8(EVERYTHING), steps[self._step])

    def look(self, tick: int, path: NDArray[np.int8]) -> None:
        """See what came in this tick, judge, and move on."""
        errors = _look(self._traces.channels[Metric.ERRORS].window(tick, tick + 1, path))
        before = self._fault
        self._note_fault(errors)
        paused = before | self._fault
        for share in self._shares:
            seen = _look(self._traces.channels[share.metric].window(tick, tick + 1, path))
            share.look(np.where(paused[:, None], 0.0, seen), tick)
        failed = np.any([share.against >= -math.log(share.alpha) for share in self._shares], axis=0)
        passed = np.all([share.favour >= -math.log(SPEC.beta) for share in self._shares if share.required], axis=0)
        if self._sums is not None:
            failed |= self._sums.failed(tick, path, self.decision == Decision.UNDECIDED)
            passed &= self._sums.passed
        self._decide(failed, passed, tick + 1)

    def _decide(self, failed: NDArray[np.bool_], passed: NDArray[np.bool_], now: int) -> None:
        under_way = self.decision == Decision.UNDECIDED
        late = [share.against >= -math.log(share.alpha) for share in self._shares if share.metric is Metric.LABELS]
        baking = (self.decision == Decision.PROMOTE) & np.any(late, axis=0) if late else np.zeros_like(under_way)
        back = (under_way & failed) | baking
        waited = (now - self._entered) * TICK_SECONDS
        over = waited >= np.array([step.duration_seconds for step in STEPS])[self._step]
        last = self._step == len(STEPS) - 1
        if self._adaptive:
            may = waited >= np.array([step.at_least_seconds or step.duration_seconds for step in STEPS])[self._step]
            crowded = np.array([step.weight_percent for step in (*STEPS[1:], STEPS[-1])])[self._step] > CROWDED_PERCENT
            over |= may & np.where(last | crowded, passed, self._may_rise())
        on = under_way & ~back & ~self._fault & over
        promoted = on & last & passed
        for chosen, decision in ((back, Decision.ROLL_BACK), (promoted, Decision.PROMOTE)):
            self.decision[chosen], self.ended[chosen] = decision, now
        rises = on & ~last
        self._step[rises] += 1
        self._entered[rises] = now

    def _may_rise(self) -> NDArray[np.bool_]:
        """See `slipway.domain.judge.may_rise`."""
        errors = self._shares[0]
        weights = np.array([step.weight_percent / 100 for step in STEPS])[np.minimum(self._step + 1, len(STEPS) - 1)]
        usual = (errors.stable[1] + 1) / (errors.stable[0] + 100)
        share = BEARABLE_ERRORS / np.maximum(self._per_look * weights, 1e-9)
        ratio = np.clip(share / usual, SPEC.errors.tolerance * 1.25, WORST_RATIO)
        alone = rates.small_likelihoods(errors.canary[1], errors.canary[0], np.minimum(share, WORST_SHARE))
        risen: NDArray[np.bool_] = rates.log_either(errors.under(ratio), rates.log_mean(alone)) >= -math.log(SPEC.beta)
        return risen & (errors.canary[0] > 0)

    def _note_fault(self, look: Floats) -> None:
        now = shared_faults.failing(self._usual, self._known, self._fault, look)
        followed = shared_faults.followed(self._usual, self._known, look)
        quiet = ~now & (look[:, 2] > 0)
        self._usual = np.where(quiet, followed, self._usual)
        self._known = self._known + np.where(quiet, look[:, 2], 0)
        self._fault = np.where(look[:, 2] > 0, now, self._fault)
        whole = look[:, 0] + look[:, 2]
        smoothed = self._per_look + SMOOTHING * (whole - self._per_look)
        self._per_look = np.where(self._per_look > 0, smoothed, whole)


class Learned:
    """Stable's gusts, as `bursts.Dispersion`: arrays by trace."""

    def __init__(self, history: History, defence: Defence) -> None:
        """Learn from the hour before."""
        self._defence = defence
        requests, events = history.requests.astype(float), history.events.astype(float)
        excess, scale = bursts.excess_and_scale(requests[:-1], events[:-1], requests[1:], events[1:])
        self._excess, self._scale = excess.sum(axis=0), scale.sum(axis=0)
        self._pairs = ((requests[:-1] > 0) & (requests[1:] > 0)).sum(axis=0).astype(float)
        self._before = np.stack([requests[-1], events[-1]])
        self.requests, self._events = requests.sum(axis=0), events.sum(axis=0)

    @property
    def rate(self) -> Floats:
        """Events per request."""
        return self._events / np.maximum(self.requests, 1)

    def block(self, stable: Floats) -> None:
        """Take a block that is over: its requests and events, (2, traces)."""
        excess, scale = bursts.excess_and_scale(*self._before, *stable)
        self._excess, self._scale = self._excess + excess, self._scale + scale
        self._pairs = self._pairs + ((self._before[0] > 0) & (stable[0] > 0))
        self.requests, self._events = self.requests + stable[0], self._events + stable[1]
        self._before = stable

    def expects(self, share: Floats) -> Gusts:
        """Return what is expected of a block in which stable gets this share of requests."""
        whole = self._before[0] / np.maximum(share, 0.01)
        gusts = bursts.expected(self._squared_cv, self.rate, whole * (1 - share), whole * share)
        return gusts if self._defence is Defence.LEARNED else self.weighs(np.zeros_like(gusts.gusty))

    def weighs(self, gusty: Floats) -> Gusts:
        """Return what is known of the block under way."""
        return Gusts(squared_cv=self._squared_cv, rate=self.rate, gusty=gusty)

    @property
    def _squared_cv(self) -> Floats:
        if self._defence is Defence.NONE:
            return np.zeros_like(self._excess)
        return np.maximum(bursts.squared_cv(self._excess, self._scale, self._pairs), SPEC.burst_cv**2)


class Shares:
    """One share of requests on all traces, as `judging.counts`."""

    def __init__(self, traces: Traces, metric: Metric, guard: RateGuard, defence: Defence) -> None:
        """Begin with nothing counted."""
        self.metric, self.required = metric, guard.required
        self.alpha = ALPHA * guard.weight / sum(one.weight for one in _all_guards(traces))
        self.learned = Learned(traces.history[metric], defence)
        self._grid: Grid = rates.grid_of(guard.margin, guard.tolerance)
        self._negligible = np.full(traces.count, guard.negligible)
        self._tally: Tally = bursts.nothing((traces.count,), len(self._grid.ratios))
        self._gusts = self.learned.weighs(np.zeros(traces.count))
        self._block = np.zeros((2, traces.count))
        self.canary, self.stable = np.zeros((2, traces.count)), np.zeros((2, traces.count))
        self.against = self.favour = np.zeros(traces.count)
        self._total = self._tally.closed

    def look(self, look: Floats, tick: int) -> None:
        """Weigh one look: canary's requests and events, stable's requests and events, (traces, 4)."""
        if tick % TICKS_PER_MINUTE == 0:
            if tick:
                bursts.close(self._tally, self._gusts, self._grid, self._negligible)
                self.learned.block(self._block)
                self._block = np.zeros_like(self._block)
            share = look[:, 2] / np.maximum(look[:, 0] + look[:, 2], 1)
            self._gusts = self.learned.expects(share)
        stable = look[:, 2:].T
        self._block, self.stable, self.canary = self._block + stable, self.stable + stable, self.canary + look[:, :2].T
        bursts.count(self._tally, np.column_stack([look, look[:, 1]]), self._grid, self._negligible)
        self._total = bursts.total(self._tally, self._gusts)
        self.against = rates.log_against(self._total, self._grid)
        small = bursts.small_total(self._tally, self._gusts)
        self.favour = rates.log_either(rates.log_passing(self._total, self._grid), rates.log_mean(small))

    def under(self, ratios: Floats) -> Floats:
        """Return the log e-value against "the canary fails at least so many times as often"."""
        return rates.log_under(self._total, self._grid, ratios)


def error_alpha() -> float:
    """Return the error rate's share of alpha where a scenario is about errors."""
    return ALPHA * SPEC.errors.weight / sum(one.weight for one in _usual_guards())


def look_milliseconds(metrics: int = 20, looks: int = 300) -> float:
    """Return the median time of one look at so many metrics: new counts weighed, evidence on both sides read."""
    guards = [RateGuard(margin=1 + number / 100) for number in range(metrics)]
    one = counts.Look(canary=Counters(requests=100, errors=3), stable=Counters(requests=900, errors=20))
    state, took = [counts.NOTHING] * metrics, []
    for number in range(looks):
        began = time.perf_counter()
        state = counts.grow(state, [one] * metrics, guards, number // TICKS_PER_MINUTE, 0.0)
        counts.logs(state, guards, 0.0)
        took.append(time.perf_counter() - began)
    return round(1000 * float(np.median(took)), 3)


def _guards(traces: Traces) -> Iterator[tuple[Metric, RateGuard]]:
    """Return the shares that there is something to see of; errors first."""
    yield Metric.ERRORS, SPEC.errors
    if Metric.SLOW in traces.channels and SPEC.latency is not None:
        yield Metric.SLOW, SPEC.latency
    if Metric.LABELS in traces.channels and SPEC.labels is not None:
        yield Metric.LABELS, SPEC.labels


def _all_guards(traces: Traces) -> list[Guard]:
    """Return what alpha is split over: what the default spec has, and what the scenario is about."""
    more = {Metric.LABELS: SPEC.labels, **SUMMED}.get(traces.scenario.metric)
    return [*_usual_guards(), *([] if more is None else [more])]


def _usual_guards() -> list[Guard]:
    """Return what the default spec has."""
    usual = (SPEC.errors, copies_guard(SPEC), SPEC.refused, SPEC.shed, SPEC.nonfinite, SPEC.latency, SLOWDOWN)
    return [one for one in usual if one is not None]


def _look(arms: Arms) -> Floats:
    return np.stack([arms.canary_requests, arms.canary, arms.stable_requests, arms.stable], axis=1).astype(float)
