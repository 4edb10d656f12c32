r"""Clocks of evidence: they compare thousands of schedules with only a few walks.

Evidence against a canary of ratio r grows, per expected event of an equal canary, by

    D(r, o) = r log(r (1 + o)/(1 + o r)) + log((1 + o)/(1 + o r))/o         (o: odds of a request to be the canary's)

nats: r log r - r + 1 at low weights, less than half of that for r = 2 at 50 %, where stable's events are as few as the
canary's. In a clock that runs at that pace, the time of rollback hardly depends on the weights; its distribution is
walked once per ratio, at `REFERENCE`, with looks so short that nothing is lost between them. The time to a good
canary's pass is walked at three weights, and scaled between them.
"""

from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np

from slipway.domain.forecast.course import Leg, Plan, PredictedMetric
from slipway.domain.forecast.walk import walk_plan
from slipway.domain.judge.statistics.rates import Floats

WEIGHTS = (1, 2, 5, 10, 20, 25, 30, 40, 50)
"""Percent. Over 50 % stable has too few requests to compare with."""
LOOKS = (1, 3, 10, 30, 90)
"""Durations of steps."""
STEPS = 3
REFERENCE = 0.2
PASS_WEIGHTS = (0.01, REFERENCE, 0.5)
PATIENCE = 30.0
"""Reference walks last for this multiple of the evidence that decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The probability that something happened, by a clock."""

    clock: Floats
    chance: Floats

    def at(self, clock: Floats) -> Floats:
        """Return the probability at these times of the clock; any shape."""
        return np.interp(clock, self.clock, self.chance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Schedules in arrays, shape (schedules, STEPS)."""

    weights: Floats
    """Shares; 0: no such step."""
    begins: Floats
    """Seconds; infinite: no such step."""

    def clocks(self, rates: Floats, seconds: Floats) -> Floats:
        """Return the clocks' readings at some moments, shape (schedules, moments); `rates` by schedule and step."""
        more = np.diff(rates, axis=1, prepend=0.0) * np.isfinite(self.begins)
        begins = np.where(np.isfinite(self.begins), self.begins, 0.0)
        clocks = np.zeros((len(begins), len(seconds)))
        for step in range(STEPS):  # a step adds to the rate its difference from the step before
            clocks += more[:, step, None] * np.maximum(seconds - begins[:, step, None], 0.0)
        return clocks

    def by_weight(self, values: dict[int, float]) -> Floats:
        """Return values that are known by percent, by schedule and step; 0 where there is no such step."""
        table = np.zeros(101)
        table[list(values)] = list(values.values())
        found: Floats = table[np.round(100 * self.weights).astype(int)]
        return found


def build_family(look_seconds: float) -> Family:
    """Return all schedules of one to `STEPS` steps: weights go up, the last step lasts for ever."""
    weights, begins = [], []
    for count in range(1, STEPS + 1):
        for chosen, looks in product(combinations(WEIGHTS, count), product(LOOKS, repeat=count - 1)):
            pad = STEPS - count
            weights.append([*chosen, *([0] * pad)])
            begins.append([0.0, *np.cumsum(looks, dtype=float).tolist(), *([np.inf] * pad)])
    return Family(weights=np.array(weights, dtype=float) / 100, begins=np.array(begins) * look_seconds)


def information_rate(ratio: float, odds: float) -> float:
    """Return D(r, o) of the module's docstring.

    >>> round(information_rate(2.0, 1e-9), 3), round(information_rate(2.0, 1.0), 3)
    (0.386, 0.17)
    """
    both = np.log1p(odds) - np.log1p(odds * ratio)
    return float(ratio * (np.log(ratio) + both) + both / odds)


def growth_rates(plan: Plan, metric: PredictedMetric, ratio: float) -> dict[int, float]:
    """Return nats per second against a ratio, by percent."""
    found = {}
    for percent in WEIGHTS:
        canary, stable = plan.counted(Leg(share=percent / 100, seconds=1.0))
        found[percent] = canary * metric.base * information_rate(ratio, canary / stable)
    return found


def find_curve(plan: Plan, metric: PredictedMetric, ratio: float) -> Curve:
    """Return the probability that a canary is found, by nats."""
    growth = plan.requests_per_second * REFERENCE * metric.base * information_rate(ratio, REFERENCE / (1 - REFERENCE))
    enough = -np.log(metric.alpha) / growth
    found = walk_plan(_reference_nats(plan, REFERENCE, enough * PATIENCE, enough / 100), metric, ratio).found
    return Curve(clock=np.append(0.0, growth * found.last), chance=np.append(0.0, np.cumsum(found.chance)))


def pass_curve(plan: Plan, metric: PredictedMetric) -> tuple[Curve, dict[int, float]]:
    """Return the probability that a good canary passed, by a clock, and the clock's rate per second by percent.

    The clock is at 1 when half of the good ones passed.
    """
    passed = {}
    for share in PASS_WEIGHTS:
        pace = plan.requests_per_second * share * metric.base * metric.guard.tolerance
        enough = -np.log(metric.beta) / pace / information_rate(1 / metric.guard.tolerance, share / (1 - share))
        passed[share] = walk_plan(_reference_nats(plan, share, enough * PATIENCE, enough / 100), metric, 1.0).promoted
    medians = {share: one.quantile(0.5) or float(one.last[-1]) for share, one in passed.items()}
    needed = [medians[share] * share for share in PASS_WEIGHTS]
    paces = {}
    for percent in WEIGHTS:
        canary, stable = plan.counted(Leg(share=percent / 100, seconds=1.0))
        events = float(np.interp(canary / (canary + stable), PASS_WEIGHTS, needed))
        paces[percent] = canary / plan.requests_per_second / events
    one = passed[REFERENCE]
    curve = Curve(clock=np.append(0.0, one.last / medians[REFERENCE]), chance=np.append(0.0, np.cumsum(one.chance)))
    return curve, paces


def _reference_nats(plan: Plan, share: float, seconds: float, look: float) -> Plan:
    return replace(
        plan,
        legs=(Leg(share=share, seconds=seconds, at_least=look),),
        look_seconds=look,
        wait_seconds=0.0,
        even=True,
    )
