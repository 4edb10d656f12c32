"""What to expect of a release spec: step by step, for bad canaries and for a good one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtri, pdtrc

from slipway.domain.forecast import boundaries
from slipway.domain.forecast.course import Leg, Plan, PredictedMetric, Service, metrics_of, on_copies, plan_of
from slipway.domain.forecast.walk import Chances, Rest, WalkResult, after_copies, ends_after, walk_plan
from slipway.domain.judge.checks import Check
from slipway.domain.rollout.baking import spec_after_promotion
from slipway.domain.spec.release import ReleaseSpec

SEEN = 0.8
"""Probability from which a change counts as seen."""
SHOWN = (1.5, 2.0, 5.0)
"""Ratios that are reported; and a canary that fails everything."""
LATE_RATIO = 5.0
"""The ratio that is reported for faults that begin after promotion."""
DAY = 86400.0
LARGEST = 1e3
CLOSE = 0.02
"""Ratios as near as this to the largest can't be distinguished from it."""
ASIDE = 0.93
"""The logarithm of the smallest ratio that is seen, as a share of that of the ratio that is over the bound at the
end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForecast:
    """One step, or the shadow."""

    name: str
    weight_percent: int
    seconds: float
    at_least_seconds: float | None
    canary_requests: float
    """In its whole duration."""
    smallest_ratio: float | None
    """Found with probability `SEEN` within the duration, by this step alone; None: not even a canary that fails all."""
    seconds_to_double: float | None
    """Seconds in which this step alone finds a doubling with probability `SEEN`; None: not in a day."""
    day_ratio: float | None
    """About the smallest ratio that it would find in a day, alone; None: none."""
    found: dict[str, float]
    """Probability that a canary is found by its end, by name of the ratio: "1.5x", "broken"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The effect of a spec's steps for one service."""

    service: Service
    plan: Plan
    steps: tuple[StepForecast, ...]
    bad: dict[str, WalkResult]
    """Results for bad canaries, by name of the ratio."""
    live_only: WalkResult
    """One that fails twice as often in live requests, and as often as stable on copies."""
    good: WalkResult
    """A canary as good as stable: its errors."""
    late: WalkResult | None
    """One that fails `LATE_RATIO` times as often from its promotion on; None: nothing is held back."""
    held_back: tuple[int, float]
    """Percent of the requests that the old version keeps after promotion, and for how many seconds."""

    @property
    def promotion(self) -> Chances:
        """When a good canary passes everything that is predicted and required, and is promoted."""
        return self.good.promoted


def forecast_rollout(spec: ReleaseSpec, service: Service, ratios: Sequence[float] = SHOWN) -> Forecast:
    """Return what to expect of a spec for a service. Bursts, drift, scores and classes are not predicted."""
    plan, metrics = plan_of(spec, service), metrics_of(spec, service)
    errors = metrics[Check.ERRORS]
    rest = rest_of(plan.live, metrics)
    canaries = _Canaries(plan=plan, metrics=metrics, rest=rest)
    bad = {name_ratio(ratio): canaries.outcome(ratio) for ratio in ratios if ratio < 1 / errors.base}
    bad["broken"] = canaries.outcome(1 / errors.base)
    return Forecast(
        service=service,
        plan=plan,
        steps=tuple(_forecast_step(plan, number, metrics, bad) for number in range(len(plan.legs))),
        bad=bad,
        live_only=canaries.outcome(2.0, ratio_of_copies=1.0),
        good=canaries.outcome(1.0),
        late=_forecast_late_fault(spec, plan, service),
        held_back=(spec.rollout.hold_back_percent, spec.rollout.bake_seconds),
    )


def _forecast_late_fault(spec: ReleaseSpec, plan: Plan, service: Service) -> WalkResult | None:
    """Return the result for a fault that begins at promotion, compared with the requests held back."""
    if not spec.rollout.compares_while_baking or service.error_rate * LATE_RATIO >= 1:
        return None
    errors = metrics_of(spec_after_promotion(spec), service)[Check.ERRORS]
    leg = Leg(share=1 - spec.rollout.hold_back_percent / 100, seconds=spec.rollout.bake_seconds)
    return walk_plan(replace(plan, legs=(leg,), wait_seconds=0.0), errors, LATE_RATIO)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canaries:
    """Results for canaries in one plan; each walk is done once."""

    plan: Plan
    metrics: dict[Check, PredictedMetric]
    rest: Rest | None
    walked: dict[float, WalkResult] = field(default_factory=dict)
    copied: dict[float, WalkResult] = field(default_factory=dict)

    def outcome(self, ratio: float, ratio_of_copies: float | None = None) -> WalkResult:
        if ratio not in self.walked:
            errors = self.metrics[Check.ERRORS]
            rest = self.rest if ratio < errors.guard.tolerance else None  # worse ones hardly pass in any case
            self.walked[ratio] = walk_plan(self.plan.live, errors, ratio, rest=rest)
        shadow, same = self.plan.shadow, ratio if ratio_of_copies is None else ratio_of_copies
        if shadow is None:
            return self.walked[ratio]
        if same not in self.copied:
            self.copied[same] = walk_plan(shadow, *on_copies(self.metrics[Check.COPIES], same), ends_with_pass=True)
        copies = self.copied[same]
        return after_copies(copies.found, self.walked[ratio], ends_after(copies, shadow.seconds))


def name_ratio(ratio: float) -> str:
    """Return the name of a ratio.

    >>> name_ratio(2.0), name_ratio(1.25)
    ('2x', '1.25x')
    """
    return f"{ratio:.3g}x"


def smallest_seen(plan: Plan, leg: Leg, metric: PredictedMetric, seconds: float) -> float | None:
    """Return the smallest ratio that this leg alone finds within `seconds` with probability `SEEN`; None: none.

    The normal quantile of the probability is nearly linear in the logarithm of the ratio: two walks determine it.
    """
    alone = _leg_alone(plan, leg, seconds)
    high = min(1 / metric.base, LARGEST)
    enough = _find_marginal_ratio(alone, metric, high)
    if enough > high * (1 - CLOSE):
        return None
    logs = np.log(enough) * np.array([ASIDE, 1.0])
    chances = [walk_plan(alone, metric, float(ratio)).found.ever for ratio in np.exp(logs)]
    off = ndtri(np.clip(chances, CLOSE / 100, 1 - CLOSE / 100)) - ndtri(SEEN)
    if off[1] - off[0] < CLOSE:
        return enough
    crossing = logs[0] - off[0] * (logs[1] - logs[0]) / (off[1] - off[0])
    return float(np.exp(np.clip(crossing, 0.8 * logs[0], logs[1])))


def _forecast_step(
    plan: Plan, number: int, metrics: dict[Check, PredictedMetric], bad: dict[str, WalkResult]
) -> StepForecast:
    leg = plan.legs[number]
    metric = metrics[Check.COPIES if leg.copies else Check.ERRORS]
    name = "shadow" if leg.copies else f"step {number + 1 - plan.legs[0].copies}"
    doubling = walk_plan(_leg_alone(plan, leg, DAY), metric, 2.0).found
    high = min(1 / metric.base, LARGEST)
    in_a_day = _find_marginal_ratio(_leg_alone(plan, leg, DAY), metric, high)
    return StepForecast(
        name=name,
        weight_percent=0 if leg.copies else round(100 * leg.share),
        seconds=leg.seconds,
        at_least_seconds=leg.at_least,
        canary_requests=plan.requests_per_second * leg.rates[0] * leg.seconds,
        smallest_ratio=smallest_seen(plan, leg, metric, leg.seconds),
        seconds_to_double=doubling.quantile(SEEN),
        day_ratio=in_a_day if in_a_day < high * (1 - CLOSE) else None,
        found={ratio: float(one.found.chance[one.found.legs <= number].sum()) for ratio, one in bad.items()},
    )


def _leg_alone(plan: Plan, leg: Leg, seconds: float) -> Plan:
    return replace(plan, legs=(replace(leg, seconds=seconds, at_least=None, next_percent=None),), wait_seconds=0.0)


def _find_marginal_ratio(alone: Plan, metric: PredictedMetric, high: float) -> float:
    """Return the ratio whose evidence is over the bound at the very end with probability `SEEN`: a little too large."""
    served = alone.served(np.zeros(1), 0, np.array([alone.seconds]))
    fails = boundaries.find_fail_bounds(served, metric.guard, metric.base, metric.alpha)[0]
    mean = served.canary[0, 0] * metric.base
    low, top = 0.0, float(np.log(high))
    for _ in range(30):
        middle = (low + top) / 2
        chance = float(boundaries.NOISE_CHANCES @ pdtrc(fails - 1, mean * np.exp(middle)))
        low, top = (low, middle) if chance > SEEN else (middle, top)
    return float(np.exp(top))


def rest_of(live: Plan, metrics: dict[Check, PredictedMetric]) -> Rest | None:
    """Return when a good canary's latency passes, in addition to its errors; None: it is not waited for.

    They are assumed to be independent. Steps that end early by the errors alone are given their mean duration.
    """
    latency = metrics.get(Check.LATENCY)
    if latency is None or not latency.guard.required:
        return None
    before = next(number for number, leg in enumerate(live.legs) if leg.asks_for_pass)
    seconds = [leg.seconds for leg in live.legs]
    if any(leg.at_least is not None for leg in live.legs[:before]):
        gate = replace(live.legs[before], seconds=live.look_seconds, at_least=None, next_percent=None)
        earlier = replace(live, legs=(*live.legs[:before], gate), wait_seconds=0.0)
        entered = [one or 0.0 for one in walk_plan(earlier, metrics[Check.ERRORS], 1.0).entered]
        seconds[:before] = np.diff(entered).tolist()
    legs = [replace(leg, seconds=time) for leg, time in zip(live.legs, seconds, strict=True)]
    legs[:before] = [replace(leg, at_least=None) for leg in legs[:before]]
    passed = walk_plan(replace(live, legs=tuple(legs)), latency, 1.0, ends_with_pass=True).promoted
    return Rest(passed=passed, begins=(0.0, *np.cumsum(seconds[:-1]).tolist()))
