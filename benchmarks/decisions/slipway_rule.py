"""Slipway on many traces at once: the domain's own arithmetic, a trace per row, and the rollout's phases and steps.

Shares of requests (errors, slow answers, labels, what is refused or shed) are weighed in `slipway_shares`, copies under
shadow in `slipway_copies`, scores and class mixes in `slipway_sums`. `driven` plays the real state machine along the
same traces, and finds the same decisions.

Not simulated: latency in scenarios without it (its share of alpha is set aside all the same), and what is compared
after promotion.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.decisions import Decision, Decisions, Rule, settle
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import EVERYTHING, NOTHING, TICK_SECONDS, TICKS, TICKS_PER_MINUTE, index_of
from benchmarks.decisions.slipway_copies import Shadow
from benchmarks.decisions.slipway_guards import SPEC, SUMMED, all_guards, guards_of, share_of_alpha
from benchmarks.decisions.slipway_shares import Defence, Learned, Shares, look_of
from benchmarks.decisions.slipway_sums import walk
from benchmarks.decisions.traces import Traces
from slipway.domain.judge.judge import (
    BEARABLE_ERRORS,
    SMOOTHING,
    UNKNOWN_PERCENT,
    WORST_RATIO,
    WORST_SHARE,
)
from slipway.domain.judge.statistics import rates, shared_faults
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS
from slipway.domain.judge.statistics.rates import Floats
from slipway.domain.rollout.analysis import CROWDED_PERCENT
from slipway.domain.rollout.warming import COLD_SHARE, WELL_SHARE, WORSE_SHARES
from slipway.domain.spec.judge import RateGuard
from slipway.domain.spec.release import RolloutSpec, ShadowSpec

ROLLOUT, COPYING = RolloutSpec(), ShadowSpec()
STEPS = ROLLOUT.steps
COLD_SECONDS = np.array([min(ROLLOUT.warm_up_seconds, step.duration_seconds / 2) for step in STEPS])
"""After a step began, by step: looks do not weigh, replicas may be cold."""
COLD_COPIES_SECONDS = min(ROLLOUT.warm_up_seconds, COPYING.duration_seconds / 2)
"""The same after the shadow began."""
BAD = (Metric.ERRORS, Metric.REFUSED, Metric.SHED)
"""What is no answer to a client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipwaySetting:
    """The spec's defaults; there is nothing to tune."""

    adaptive: bool
    """Whether steps end as soon as the evidence allows."""
    shadow: bool
    """Whether copies come before the first step."""
    defence: Defence


class Slipway:
    """See the module."""

    def __init__(
        self, name: str, *, adaptive: bool = True, shadow: bool = True, defence: Defence = Defence.LEARNED
    ) -> None:
        """Take the name on the page, whether steps may end early, copies come first, and what is done about bursts."""
        self.name, self._adaptive, self._shadow, self._defence = name, adaptive, shadow, defence

    def default(self, traces: Traces) -> SlipwaySetting:
        """Return what the spec's defaults say; some scenarios have no copies."""
        shadow = self._shadow and traces.scenario.shadow
        return SlipwaySetting(adaptive=self._adaptive, shadow=shadow, defence=self._defence)

    def decide(self, traces: Traces, setting: SlipwaySetting) -> Decisions:
        """Decide on every trace."""
        path = np.full((TICKS, traces.count), NOTHING, dtype=np.int8)
        rollouts = Rollouts(traces, setting)
        for tick in range(TICKS):
            path[tick] = rollouts.weights
            rollouts.look(tick, path)
            if rollouts.over:
                break
        return settle(traces, path, rollouts.decision, rollouts.ended)

    def sweep(self, traces: Traces) -> Iterator[tuple[SlipwaySetting, Decisions]]:  # noqa: ARG002 - nothing to tune
        """Try nothing."""
        return iter(())


def rules() -> tuple[Rule, ...]:
    """Return Slipway with the default spec; without a shadow; and without it, with steps of their full length."""
    return (
        Slipway("slipway"),
        Slipway("slipway-no-shadow", shadow=False),
        Slipway("slipway-fixed-steps", shadow=False, adaptive=False),
    )


class Rollouts:
    """All traces' rollouts, a row each."""

    def __init__(self, traces: Traces, setting: SlipwaySetting) -> None:
        """Begin with the shadow, or at the first step, knowing stable's time before."""
        self._traces, self._adaptive, self._count = traces, setting.adaptive, traces.count
        guards = all_guards(traces.scenario, shadow=setting.shadow)
        self._shares = [
            Shares(
                metric,
                guard,
                share_of_alpha(guard, guards),
                Learned(traces.history[metric], setting.defence, SPEC.burst_cv),
            )
            for metric, guard in guards_of(traces)
        ]
        self._sums = walk(traces, guards) if traces.scenario.metric in SUMMED else None
        self._shadow = Shadow(traces.copies, SPEC, guards) if setting.shadow else None
        self._copying = np.full(self._count, setting.shadow)
        self._step, self._entered = np.zeros((2, self._count), dtype=np.int64)
        past = traces.history[Metric.ERRORS]
        self._known = past.requests.sum(axis=0).astype(float)
        self._usual = past.events.sum(axis=0) / np.maximum(self._known, 1)
        self._fault = np.zeros(self._count, dtype=bool)
        self._per_look, self._asked = np.zeros((2, self._count))
        self._came = np.zeros((self._count, 4))
        self.decision = np.full(self._count, Decision.UNDECIDED, dtype=np.int8)
        self.ended = np.full(self._count, TICKS, dtype=np.int64)

    @property
    def over(self) -> bool:
        """Whether nothing can change any more: all are decided, and no label is waited for."""
        return not self._waits_for_labels and bool(np.all(self.decision != Decision.UNDECIDED))

    @property
    def _waits_for_labels(self) -> bool:
        return self._traces.scenario.metric is Metric.LABELS

    @property
    def weights(self) -> NDArray[np.int8]:
        """Indices of the weights by trace."""
        steps = np.array([index_of(step.weight_percent / 100) for step in STEPS], dtype=np.int8)
        here = np.where(self._copying, np.int8(NOTHING), steps[self._step])
        return np.where(self.decision == Decision.PROMOTE, np.int8(EVERYTHING), here)

    def look(self, tick: int, path: NDArray[np.int8]) -> None:
        """See what came in this tick, judge, and move on."""
        looks = {
            metric: look_of(self._traces.channels[metric].window(tick, tick + 1, path))
            for metric in {Metric.ERRORS, *(share.metric for share in self._shares)}
        }
        cold = (tick + 1 - self._entered) * TICK_SECONDS < np.where(
            self._copying, COLD_COPIES_SECONDS, COLD_SECONDS[self._step]
        )
        before = self._fault
        self._note_fault(looks[Metric.ERRORS], cold)
        fault = before | self._fault
        self._weigh(looks, tick, fault, cold)
        failed = np.any([share.evidence_against >= -math.log(share.alpha) for share in self._shares], axis=0)
        failed |= self._too_bad_for_cold(looks, tick, cold | (self._copying & ~self._gusts_known))
        passed = self._passed()
        live = ~self._copying
        if self._sums is not None:
            failed |= self._sums.failed(tick, path, (self.decision == Decision.UNDECIDED) & live)
            passed &= self._sums.passed
        if self._shadow is not None:
            failed |= self._shadow.failed
        self._decide(failed, passed & live, tick + 1)

    def _weigh(self, looks: dict[Metric, Floats], tick: int, fault: NDArray[np.bool_], cold: NDArray[np.bool_]) -> None:
        """Weigh the looks of all shares of requests, and of copies; under shadow stable's own are learned from."""
        minute, live = tick // TICKS_PER_MINUTE, ~self._copying
        self._asked += live * (cold | ~fault) * looks[Metric.ERRORS][:, 0]
        if not self._waits_for_labels:
            rows = np.flatnonzero(self.decision == Decision.UNDECIDED)
            for share in self._shares:
                share.rows = rows if rows.size < self._count else slice(None)
        for share in self._shares:
            match share.metric:
                case Metric.LABELS:
                    here = live
                case Metric.REFUSED:
                    here = live & (cold | ~fault)
                case _:
                    here = live & ~cold & ~fault
            if share.metric in BAD and self._copying.any():
                share.learned.note(looks[share.metric][:, 2:].T, minute, self._copying)
            share.look(looks[share.metric], minute, here)
        if self._shadow is not None and self._copying.any():
            copies_cold = (tick + 1) * TICK_SECONDS < COLD_COPIES_SECONDS
            self._shadow.look(tick, self._copying, cold=copies_cold, errors=self._shares[0].learned)

    def _passed(self) -> NDArray[np.bool_]:
        """Return where all that must pass does."""
        errors, enough = self._shares[0], -math.log(SPEC.beta)
        evidence_for = errors.evidence_for if self._shadow is None else self._shadow.with_live(errors)
        passed: NDArray[np.bool_] = evidence_for >= enough
        for share in self._shares[1:]:
            passed &= (share.evidence_for >= enough) | (not share.guard.required)
        seen = {share.metric for share in self._shares}
        for metric, guard in ((Metric.REFUSED, SPEC.refused), (Metric.SHED, SPEC.shed)):
            if metric not in seen and guard is not None and guard.required:
                passed &= self._none_of(guard) >= enough
        return passed

    def _none_of(self, guard: RateGuard) -> Floats:
        """Return the evidence for a canary of which nothing in these traces is refused or shed."""
        nothing = np.zeros(self._count)
        small = rates.small_likelihoods(nothing, self._asked, np.full(self._count, guard.negligible))
        return rates.log_pass(nothing, rates.log_mean(small), np.ones(self._count, dtype=bool))

    def _decide(self, failed: NDArray[np.bool_], passed: NDArray[np.bool_], now: int) -> None:
        under_way = self.decision == Decision.UNDECIDED
        late = [
            share.evidence_against >= -math.log(share.alpha) for share in self._shares if share.metric is Metric.LABELS
        ]
        baking = (self.decision == Decision.PROMOTE) & np.any(late, axis=0) if late else np.zeros_like(under_way)
        back = (under_way & failed) | baking
        waited = (now - self._entered) * TICK_SECONDS
        over = waited >= np.array([step.duration_seconds for step in STEPS])[self._step]
        last = self._step == len(STEPS) - 1
        if self._adaptive:
            may = waited >= np.array([step.at_least_seconds or step.duration_seconds for step in STEPS])[self._step]
            crowded = np.array([step.weight_percent for step in (*STEPS[1:], STEPS[-1])])[self._step] > CROWDED_PERCENT
            over |= may & ~self._gusts_unknown() & np.where(last | crowded, passed, self._may_rise())
        on = under_way & ~self._copying & ~back & ~self._fault & over
        promoted = on & last & passed
        for chosen, decision in ((back, Decision.ROLL_BACK), (promoted, Decision.PROMOTE)):
            self.decision[chosen], self.ended[chosen] = decision, now
        rises = on & ~last
        self._step[rises] += 1
        self._entered[rises] = now
        if self._shadow is not None:
            enough = (waited >= (COPYING.at_least_seconds or math.inf)) & self._shadow.passed & self._gusts_known
            begins = under_way & self._copying & ~back & (enough | (waited >= COPYING.duration_seconds))
            self._copying &= ~begins
            self._entered[begins] = now

    def _may_rise(self) -> NDArray[np.bool_]:
        """See `slipway.domain.judge.judge.may_rise`."""
        errors = self._shares[0]
        weights = np.array([step.weight_percent / 100 for step in STEPS])[np.minimum(self._step + 1, len(STEPS) - 1)]
        usual = (errors.stable[1] + 1) / (errors.stable[0] + 100)
        share = BEARABLE_ERRORS / np.maximum(self._per_look * weights, 1e-9)
        ratio = np.clip(share / usual, SPEC.errors.tolerance * 1.25, WORST_RATIO)
        rows, risen = errors.rows, np.zeros(self._count, dtype=bool)
        alone = rates.small_likelihoods(
            errors.canary[1][rows], errors.canary[0][rows], np.minimum(share, WORST_SHARE)[rows]
        )
        risen[rows] = rates.log_either(errors.under(ratio), rates.log_mean(alone)) >= -math.log(SPEC.beta)
        return risen & (errors.canary[0] > 0)

    def _gusts_unknown(self) -> NDArray[np.bool_]:
        """See `slipway.domain.judge.judge.knows_bursts`: no step over a small weight begins early before."""
        weights = np.array([step.weight_percent for step in (*STEPS[1:], STEPS[0])])[self._step]
        return (weights > UNKNOWN_PERCENT) & ~self._gusts_known

    @property
    def _gusts_known(self) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = self._shares[0].learned.known.blocks[:, 0, 2] >= KNOWN_BLOCKS
        return known

    def _too_bad_for_cold(self, looks: dict[Metric, Floats], tick: int, cold: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """See `slipway.domain.rollout.warming.more_than_cold`; the first look of all is where it begins to count."""
        look = np.sum([looks[metric] * ([1, 1, 1, 1] if metric is Metric.ERRORS else [0, 1, 0, 1])
                       for metric in BAD if metric in looks], axis=0)  # fmt: skip
        self._came = np.where((cold & ~self._copying)[:, None], self._came + look, 0.0) if tick else np.zeros_like(look)
        came = self._came if self._shadow is None else np.where(self._copying[:, None], self._shadow.came, self._came)
        n_c, x, n_s, y = came.T
        shares = np.array(WORSE_SHARES)
        logs = x[:, None] * np.log(shares / COLD_SHARE) + (n_c - x)[:, None] * np.log((1 - shares) / (1 - COLD_SHARE))
        bad: NDArray[np.bool_] = (x > COLD_SHARE * n_c) & (y <= WELL_SHARE * n_s)
        return cold & bad & (rates.log_mean(logs) >= -math.log(SPEC.alpha))

    def _note_fault(self, look: Floats, cold: NDArray[np.bool_]) -> None:
        """See `slipway.domain.judge.statistics.shared_faults`; under shadow stable's own requests are looked at."""
        now = shared_faults.both_fail(self._usual, self._known, self._fault, look)
        followed = shared_faults.follow_rate(self._usual, self._known, look)
        here = (~cold | self._copying) & (look[:, 2] > 0)
        quiet = ~now & here
        self._usual = np.where(quiet, followed, self._usual)
        self._known = self._known + np.where(quiet, look[:, 2], 0)
        self._fault = np.where(here, now, self._fault)
        whole = look[:, 0] + look[:, 2]
        smoothed = self._per_look + SMOOTHING * (whole - self._per_look)
        grown = np.where(self._per_look > 0, smoothed, whole)
        self._per_look = np.where(cold | self._copying, self._per_look, grown)
