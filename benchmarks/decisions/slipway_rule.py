"""Slipway on many traces at once: the domain's own arithmetic, a trace per row, and the rollout's steps.

Shares of requests (errors, slow answers, labels) are weighed by `judging.rates` and `judging.bursts`, whose functions
take any leading dimensions; scores and class mixes trace by trace by `judging.means` and `judging.classes`, a look
every 20 seconds. `tests/benchmarks` drives the real state machine along some traces and finds the same decisions.

Not simulated: latency in scenarios without it, and the shadow phase; their shares of alpha are set aside all the same.
"""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.decisions import Decision, Decisions, Rule, settle
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import EVERYTHING, TICK_SECONDS, TICKS, TICKS_PER_MINUTE, index_of
from benchmarks.decisions.slipway_sums import ALPHA, SUMMED, usual_guards, walk
from benchmarks.decisions.traces import History, Traces
from slipway.domain.counters import Counters
from slipway.domain.judge import (
    BEARABLE_ERRORS,
    SMOOTHING,
    UNKNOWN_PERCENT,
    WORST_RATIO,
    WORST_SHARE,
)
from slipway.domain.judge_spec import Guard, JudgeSpec, LabelsSpec, RateGuard
from slipway.domain.judging import bursts, counts, dispersion, rates, shared_faults
from slipway.domain.judging.bursts import Gusts, Tally
from slipway.domain.judging.dispersion import KNOWN_BLOCKS
from slipway.domain.judging.rates import Floats, Grid
from slipway.domain.looking import CROWDED_PERCENT
from slipway.domain.spec import RolloutSpec
from slipway.domain.warming import COLD_SHARE, WELL_SHARE, WORSE_SHARES

STEPS = RolloutSpec().steps
COLD_SECONDS = np.array([min(RolloutSpec().warm_up_seconds, step.duration_seconds / 2) for step in STEPS])
"""After a step began, by step: looks do not weigh, replicas may be cold."""
SPEC = JudgeSpec(labels=LabelsSpec(required=True))


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
        self._usual, self._known = self._shares[0].learned.known.rate, self._shares[0].learned.known.counted[:, 0]
        self._fault = np.zeros(self._count, dtype=bool)
        self._per_look = np.zeros(self._count)
        self._came = np.zeros((self._count, 4))
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
        cold = (tick + 1 - self._entered) * TICK_SECONDS < COLD_SECONDS[self._step]
        before = self._fault
        self._note_fault(errors, ~cold)
        paused = before | self._fault | cold
        for share in self._shares:
            seen = _look(self._traces.channels[share.metric].window(tick, tick + 1, path))
            share.look(seen, tick, paused if share.metric is not Metric.LABELS else np.zeros_like(paused))
        failed = np.any([share.against >= -math.log(share.alpha) for share in self._shares], axis=0)
        passed = np.all([share.favour >= -math.log(SPEC.beta) for share in self._shares if share.required], axis=0)
        passed &= self._none_refused()
        failed |= self._too_bad_for_cold(errors, tick, cold)
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
            over |= may & ~self._gusts_unknown() & np.where(last | crowded, passed, self._may_rise())
        on = under_way & ~back & ~self._fault & over
        promoted = on & last & passed
        for chosen, decision in ((back, Decision.ROLL_BACK), (promoted, Decision.PROMOTE)):
            self.decision[chosen], self.ended[chosen] = decision, now
        rises = on & ~last
        self._step[rises] += 1
        self._entered[rises] = now

    def _none_refused(self) -> NDArray[np.bool_]:
        """Return where checks of what never happens in these traces pass: refused and shed requests."""
        requests = self._shares[0].canary[0]
        passed = np.ones(self._count, dtype=bool)
        for guard in (SPEC.refused, SPEC.shed):
            if guard is not None and guard.required:
                small = rates.small_likelihoods(
                    np.zeros_like(requests), requests, np.full(self._count, guard.negligible)
                )
                favour = rates.log_either(np.zeros_like(requests), rates.log_mean(small))
                passed &= favour >= -math.log(SPEC.beta)
        return passed

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

    def _gusts_unknown(self) -> NDArray[np.bool_]:
        """See `slipway.domain.judge.knows_bursts`: no step over a small weight begins early before."""
        weights = np.array([step.weight_percent for step in (*STEPS[1:], STEPS[0])])[self._step]
        unknown: NDArray[np.bool_] = self._shares[0].learned.known.blocks[:, 0, 2] < KNOWN_BLOCKS
        return (weights > UNKNOWN_PERCENT) & unknown

    def _too_bad_for_cold(self, look: Floats, tick: int, cold: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """See `slipway.domain.warming.more_than_cold`; the first look of all is where it begins to count."""
        self._came = np.where(cold[:, None], self._came + look, 0.0) if tick else np.zeros_like(look)
        n_c, x, n_s, y = self._came.T
        shares = np.array(WORSE_SHARES)
        logs = x[:, None] * np.log(shares / COLD_SHARE) + (n_c - x)[:, None] * np.log((1 - shares) / (1 - COLD_SHARE))
        bad: NDArray[np.bool_] = (x > COLD_SHARE * n_c) & (y <= WELL_SHARE * n_s)
        return cold & bad & (rates.log_mean(logs) >= -math.log(SPEC.alpha))

    def _note_fault(self, look: Floats, weighed: NDArray[np.bool_]) -> None:
        now = shared_faults.failing(self._usual, self._known, self._fault, look)
        followed = shared_faults.followed(self._usual, self._known, look)
        here = weighed & (look[:, 2] > 0)
        quiet = ~now & here
        self._usual = np.where(quiet, followed, self._usual)
        self._known = self._known + np.where(quiet, look[:, 2], 0)
        self._fault = np.where(here, now, self._fault)
        whole = look[:, 0] + look[:, 2]
        smoothed = self._per_look + SMOOTHING * (whole - self._per_look)
        self._per_look = np.where(weighed, np.where(self._per_look > 0, smoothed, whole), self._per_look)


class Learned:
    """How stable's events come together, as `dispersion.Dispersion`: arrays by trace."""

    def __init__(self, history: History, defence: Defence) -> None:
        """Learn from the hour before, look by look."""
        self._defence, traces = defence, history.requests.shape[1]
        self._lengths = np.array(dispersion.SPANS)[:, None]
        spans = len(dispersion.SPANS)
        self.known = dispersion.Learned(
            looks=np.zeros((traces, 3)),
            blocks=np.zeros((traces, 1 + spans, 3)),
            counted=np.zeros((traces, 2)),
            recent=np.zeros((traces, dispersion.RECENT, 2)),
        )
        self._here, self._last = np.zeros((3, traces)), np.zeros((2, traces))
        self._block, self._before = np.zeros((2, traces)), np.zeros((2, traces))
        self._span, self._span_before = np.zeros((spans, 3, traces)), np.zeros((spans, 2, traces))
        looks = zip(history.requests.astype(float), history.events.astype(float), strict=True)
        for number, (requests, events) in enumerate(looks, start=1):
            self.look(np.stack([requests, events]))
            if number % TICKS_PER_MINUTE == 0:
                self.end_block(np.ones(traces, dtype=bool))

    def look(self, stable: Floats) -> None:
        """Take a look at stable: requests and events, (2, traces)."""
        both = (stable[0] > 0) & (self._last[0] > 0)
        pair = (np.maximum(self._last[0], 1), self._last[1], np.maximum(stable[0], 1), stable[1])
        self._here += both * np.stack([*dispersion.within(*pair), np.ones_like(both, dtype=float)])
        self._last = np.where(stable[0] > 0, stable, self._last)
        self._block += stable

    def end_block(self, ends: NDArray[np.bool_]) -> None:
        """End the block under way in some traces."""
        known, block = self.known, ends * self._block
        known.looks[...] += (ends * self._here).T
        known.counted[...] += block.T
        known.blocks[:, 0] += _pairs(self._before, block)
        seen = ends & (block[0] > 0)
        known.recent[seen] = np.roll(known.recent[seen], -1, axis=1)
        known.recent[seen, -1] = block.T[seen]
        self._span += np.stack([ends.astype(float), *block])
        full = (self._span[:, 0] == self._lengths) & seen
        for number in range(len(dispersion.SPANS)):
            whole = full[number] * self._span[number, 1:]
            known.blocks[:, 1 + number] += _pairs(self._span_before[number], whole)
            self._span_before[number] = np.where(full[number], whole, self._span_before[number])
        self._span *= ~full[:, None]
        silent = ends & (block[0] == 0)
        self._span *= ~silent
        self._span_before *= ~silent
        self._before = np.where(ends, block, self._before)
        self._block, self._here, self._last = (~ends * one for one in (self._block, self._here, self._last))

    def expects(self, look: Floats) -> Gusts:
        """Return what is expected of the block that begins with this look."""
        share = look[:, 2] / np.maximum(look[:, 0] + look[:, 2], 1)
        size = self._before[0] / np.maximum(share, 0.01)
        found = bursts.expected(self._squared_cv, self.known.rate, (size * (1 - share), size * share), self._clusters)
        return found if self._defence is Defence.LEARNED else replace(found, gusty=np.zeros_like(found.gusty))

    @property
    def _squared_cv(self) -> Floats:
        if self._defence is Defence.NONE:
            return np.zeros(len(self.known.looks))
        return dispersion.squared_cv(self.known, SPEC.burst_cv)

    @property
    def _clusters(self) -> Floats:
        return np.ones(len(self.known.looks)) if self._defence is Defence.NONE else dispersion.clusters(self.known)


def _pairs(before: Floats, here: Floats) -> Floats:
    """Return what two neighbours, (2, traces) each, add to the sums of `dispersion.Learned`: (traces, 3)."""
    known = ((before[0] > 0) & (here[0] > 0)).astype(float)
    return np.stack([*dispersion.excess_and_scale(*before, *here), known], axis=1)


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
        self._gusts = self.learned.expects(np.zeros((traces.count, 4)))
        self._rare = self.learned.known.rate < self._negligible
        self._begins = np.ones(traces.count, dtype=bool)
        self.canary, self.stable = np.zeros((2, traces.count)), np.zeros((2, traces.count))
        self.against = self.favour = np.zeros(traces.count)
        self._total = self._tally.closed

    def look(self, look: Floats, tick: int, paused: NDArray[np.bool_]) -> None:
        """Weigh one look: canary's requests and events, stable's requests and events, (traces, 4).

        Nothing happens where it is `paused`; a block then begins with the first look that is not.
        """
        if tick % TICKS_PER_MINUTE == 0:
            self._begins[:] = True
        begins = self._begins & ~paused
        if begins.any():
            self._begin_block(look, begins, first=tick < TICKS_PER_MINUTE)
        look = np.where(paused[:, None], 0.0, look)
        self.stable, self.canary = self.stable + look[:, 2:].T, self.canary + look[:, :2].T
        self.learned.look(look[:, 2:].T)
        bursts.count(self._tally, np.column_stack([look, look[:, 1]]), self._grid, self._negligible)
        self._total = bursts.total(self._tally, self._gusts, self._grid)
        self.against = rates.log_against(self._total, self._grid)
        ratio = rates.log_passing(bursts.total_favour(self._tally, self._gusts, self._grid), self._grid)
        small = rates.log_mean(bursts.small_total(self._tally, self._gusts))
        self.favour = rates.log_pass(ratio, small, self._rare)

    def _begin_block(self, look: Floats, begins: NDArray[np.bool_], *, first: bool) -> None:
        """End the block before in these traces, and say how the one that begins is weighed."""
        self._begins &= ~begins
        if not first:
            ended = copy.deepcopy(self._tally)
            bursts.close(ended, self._gusts, self._grid, self._negligible, self.learned.known.recent)
            for field in fields(Tally):
                np.copyto(getattr(self._tally, field.name), getattr(ended, field.name), where=begins[:, None])
            self.learned.end_block(begins)
        now = self.learned.expects(look)
        self._gusts = Gusts(
            **{
                field.name: np.where(begins, getattr(now, field.name), getattr(self._gusts, field.name))
                for field in fields(Gusts)
            }
        )

    def under(self, ratios: Floats) -> Floats:
        """Return the log e-value against "the canary fails at least so many times as often"."""
        return rates.log_under(self._total, self._grid, ratios)


def error_alpha() -> float:
    """Return the error rate's share of alpha where a scenario is about errors."""
    return ALPHA * SPEC.errors.weight / sum(one.weight for one in usual_guards())


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
    return [*usual_guards(), *([] if more is None else [more])]


def _look(arms: Arms) -> Floats:
    return np.stack([arms.canary_requests, arms.canary, arms.stable_requests, arms.stable], axis=1).astype(float)
