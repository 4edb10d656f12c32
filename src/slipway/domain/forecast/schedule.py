r"""The schedule that costs least: a short low step against catastrophes, then a weight that decides.

**What is minimized.** With probability p the canary is bad; its ratio is then any of `BAD_RATIOS` or "fails
everything", with equal probabilities (log-uniform from 1.5 to 32, and broken). Ratios that the spec calls good (under
its tolerance, or a share under `negligible`) are left out. The cost, in seconds of a good model's delay, is

    p * E[failed answers of the canary until it is rolled back] * seconds_per_bad_request
        + (1 - p) * E[seconds until a good canary is promoted].

**Over what.** All schedules of one to three steps with weights of `clocks.WEIGHTS`, going up, where every step but the
last takes one of `clocks.LOOKS` looks, and the last continues until the judge passes the canary: about 2,000, every one
evaluated by `clocks`. The best schedule's figures are then walked in full: these are reported, not those of the clocks.

**What is optimal about it, and what is not.** It has the least cost of this family under this prior and these clocks. A
rule that moves the weight with the evidence could do better; steps of the spec that may end early are such a rule.
Faults that show only under load are not modelled, nor are those that the shadow would find: it costs nothing, so steps
are for faults that show only in live requests. Promoting a bad canary by mistake (probability at most beta) is not
counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from slipway.domain.forecast import clocks
from slipway.domain.forecast.clocks import Family
from slipway.domain.forecast.course import Leg, Plan, PredictedMetric, Service, metrics_of, plan_of
from slipway.domain.forecast.forecast import SEEN, rest_of
from slipway.domain.forecast.walk import Chances, walk_plan
from slipway.domain.judge.checks import Check
from slipway.domain.judge.statistics.rates import Floats
from slipway.domain.spec.release import ReleaseSpec

BAD_RATIOS = (1.5, 2.0, 4.0, 8.0, 32.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What exposure and delay cost."""

    bad_share: float = 0.1
    """Probability that a canary is bad."""
    seconds_per_bad_request: float = 60.0
    """Delay of a good model that is as bad as one failed answer."""

    def __post_init__(self) -> None:
        """Reject numbers that are no probability, or no price."""
        if not 0 < self.bad_share < 1:
            message = f"bad_share {self.bad_share:g}; expected a chance over 0 and under 1, such as 0.1"
            raise ValueError(message)
        if not 0 <= self.seconds_per_bad_request < float("inf"):
            message = f"seconds_per_bad_request {self.seconds_per_bad_request:g}; expected 0 or more seconds"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """A sensitivity: this ratio is found within this time with probability `SEEN`."""

    ratio: float
    within_seconds: float

    def __post_init__(self) -> None:
        """Reject numbers that are no regression, or no duration."""
        if not 1 < self.ratio < float("inf"):
            message = f"ratio {self.ratio:g}; expected a number over 1: how many times as often the canary fails"
            raise ValueError(message)
        if not 0 < self.within_seconds < float("inf"):
            message = f"within_seconds {self.within_seconds:g}; expected a time over 0"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedSchedule:
    """A schedule's figures, without the shadow, by full walks."""

    cost: float
    """In seconds of a good model's delay."""
    bad_requests: dict[float, float]
    """Expected failed answers until rollback, by ratio."""
    promotion: Chances
    """Of a good canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Proposed steps, and their figures."""

    steps: tuple[tuple[int, float], ...]
    """Percent and seconds; the last step's seconds are those by which 9 of 10 good canaries pass."""
    last_at_least: float
    """Seconds after which the last step may end, as soon as the judge passes the canary."""
    priced: PricedSchedule
    wanted_seconds: float | None
    """When the required ratio is found with probability `SEEN`; None: nothing is required."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Values known before schedules are compared."""

    plan: Plan
    metrics: dict[Check, PredictedMetric]
    costs: Costs
    wanted: Requirements | None

    def best(self) -> Proposal | None:
        every = clocks.build_family(self.plan.look_seconds)
        passing = [clocks.pass_curve(self.plan, one) for one in _waited_for(self.metrics)]
        slowest = max(3 / min(paces.values()) for _, paces in passing)
        seconds = _list_looks(self.plan, max(self.plan.seconds + self.plan.wait_seconds, slowest))
        cost = (1 - self.costs.bad_share) * _find_delays(every, passing, seconds)
        errors = self.metrics[Check.ERRORS]
        ratios = bad_ratios(errors)
        for ratio in ratios:
            price = self.costs.bad_share / len(ratios) * self.costs.seconds_per_bad_request
            cost = cost + price * _find_exposures(every, self.plan, errors, ratio, seconds)
        cost = np.where(self._in_time(every), cost, np.inf)
        best = int(np.argmin(cost))
        return self._proposal(every, best, float(seconds[-1])) if np.isfinite(cost[best]) else None

    def _in_time(self, every: Family) -> Floats:
        """Return which schedules meet the requirements."""
        if self.wanted is None:
            return np.ones(len(every.weights))
        errors, ratio, look = self.metrics[Check.ERRORS], self.wanted.ratio, self.plan.look_seconds
        last = np.array([np.floor(self.wanted.within_seconds / look + 1e-9) * look])
        growths = every.by_weight(clocks.growth_rates(self.plan, errors, ratio))
        found = clocks.find_curve(self.plan, errors, ratio).at(every.clocks(growths, last))[:, 0]
        return np.where(found >= SEEN, 1.0, 0.0)

    def _proposal(self, every: Family, best: int, horizon: float) -> Proposal:
        """Return the figures of one schedule by full walks."""
        look = self.plan.look_seconds
        count = int(np.isfinite(every.begins[best]).sum())
        percents = [round(100 * share) for share in every.weights[best, :count]]
        begins = every.begins[best, :count]
        seconds = [*np.diff(begins).tolist(), horizon - float(begins[-1])]
        plan = replace(self.plan, legs=_build_legs(percents, seconds, look), wait_seconds=0.0)
        priced = price_plan(plan, self.metrics, self.costs)
        by = priced.promotion.quantile(0.9) or horizon
        last = max(look, look * np.ceil((by - begins[-1]) / look - 1e-9))
        finds = walk_plan(plan, self.metrics[Check.ERRORS], self.wanted.ratio).found if self.wanted else None
        return Proposal(
            steps=tuple(zip(percents, [*seconds[:-1], float(last)], strict=True)),
            last_at_least=look,
            priced=priced,
            wanted_seconds=finds.quantile(SEEN) if finds else None,
        )


def propose_schedule(
    spec: ReleaseSpec, service: Service, costs: Costs, wanted: Requirements | None = None
) -> Proposal | None:
    """Return the schedule that costs least; None: no schedule meets the requirements in time."""
    plan, metrics = plan_of(spec, service, copies=False), metrics_of(spec, service)
    return _Search(plan=plan, metrics=metrics, costs=costs, wanted=wanted).best()


def price_spec(spec: ReleaseSpec, service: Service, costs: Costs) -> PricedSchedule:
    """Return what the spec's own steps cost, without the shadow."""
    plan = plan_of(spec, service, copies=False)
    warm = tuple(replace(leg, cold_seconds=0.0) for leg in plan.legs)  # as the family's
    return price_plan(replace(plan, legs=warm), metrics_of(spec, service), costs)


def bad_ratios(errors: PredictedMetric) -> tuple[float, ...]:
    """Return the ratios of bad canaries: those that the spec does not call good; the last fails everything."""
    least = max(errors.guard.tolerance * 0.999, errors.guard.negligible / errors.base)
    return (*(one for one in BAD_RATIOS if least < one < 1 / errors.base), 1 / errors.base)


def price_plan(plan: Plan, metrics: dict[Check, PredictedMetric], costs: Costs) -> PricedSchedule:
    """Return what a plan costs. A good canary that never passes costs the whole time."""
    errors = metrics[Check.ERRORS]
    bad = {ratio: walk_plan(plan, errors, ratio).bad_requests for ratio in bad_ratios(errors)}
    promotion = walk_plan(plan, errors, 1.0, rest=rest_of(plan, metrics)).promoted
    delay = float(promotion.chance @ promotion.last) + (1 - promotion.ever) * (plan.seconds + plan.wait_seconds)
    exposure = sum(bad.values()) / len(bad) * costs.seconds_per_bad_request
    return PricedSchedule(
        cost=costs.bad_share * exposure + (1 - costs.bad_share) * delay, bad_requests=bad, promotion=promotion
    )


def _waited_for(metrics: dict[Check, PredictedMetric]) -> list[PredictedMetric]:
    """Return the metrics that must pass: errors, if nothing is required (`judge.decision`)."""
    return [one for one in metrics.values() if one.guard.required] or [metrics[Check.ERRORS]]


def _list_looks(plan: Plan, horizon: float) -> Floats:
    """Return looks up to the horizon: all of the first ones, then fewer."""
    later = np.round(np.geomspace(16, max(horizon / plan.look_seconds, 64.0), 64))
    return plan.look_seconds * np.unique(np.concatenate([np.arange(17), later]))


def _find_exposures(every: Family, plan: Plan, metric: PredictedMetric, ratio: float, seconds: Floats) -> Floats:
    """Return the expected failed answers until rollback, by schedule. Requests before a look are served."""
    served = every.clocks(every.weights * plan.requests_per_second * min(metric.base * ratio, 1.0), seconds)
    nats = every.clocks(every.by_weight(clocks.growth_rates(plan, metric, ratio)), seconds)
    found = clocks.find_curve(plan, metric, ratio).at(nats)
    exposures: Floats = (np.diff(served, axis=1) * (1 - found[:, :-1])).sum(axis=1)
    return exposures


def _find_delays(every: Family, passing: Sequence[tuple[clocks.Curve, dict[int, float]]], seconds: Floats) -> Floats:
    """Return the expected seconds until a good canary is promoted, at most the last moment; by schedule."""
    passed = np.ones((len(every.weights), len(seconds)))
    for curve, paces in passing:
        passed *= curve.at(every.clocks(every.by_weight(paces), seconds))
    last = np.where(np.isfinite(every.begins), every.begins, -1.0).max(axis=1)
    passed = np.where(seconds > last[:, None], passed, 0.0)
    delays: Floats = (np.diff(seconds) * (1 - passed[:, :-1])).sum(axis=1)
    return delays


def _build_legs(percents: Sequence[int], seconds: Sequence[float], look: float) -> tuple[Leg, ...]:
    after = [*percents[1:], None]
    return tuple(
        Leg(share=percent / 100, seconds=time, next_percent=following, at_least=None if following else look)
        for percent, time, following in zip(percents, seconds, after, strict=True)
    )
