"""Kayenta's NetflixACAJudge: a Mann-Whitney test of the canary's minutes against the stable version's, after each step.

Written from its documentation and published examples. Minutes without data are left out. A metric is "High" when the
lower end of the confidence interval of the shift exceeds `tolerance` times the absolute Hodges-Lehmann estimate, and
the ratio of the means is at least `allowed_increase`. With one metric the score is 0 (High, or no data at all) or 100:
at most 75 ends the canary, 100 at the last look passes. Values are percentages; the baseline is the stable version
itself (a fresh baseline of the canary's size, which its documentation recommends, adds noise).

The interval is the set of shifts that the test with continuity correction and correction for ties does not reject (as
R's wilcox.test, exact=FALSE). Kayenta finds its ends by Brent's method to 1e-4; here they are the exact jumps. Where
all minutes of each arm are the same, Kayenta adds noise and gets, up to that noise, what the exact ends are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.decisions.decisions import Decisions, earliest, first, settle
from benchmarks.decisions.rules.limits import canary_value, stable_value
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import PLAN, PLAN_TICKS, TICK_SECONDS, TICKS_PER_MINUTE, path_of
from benchmarks.decisions.traces import Traces

TOLERANCE = 0.25
STEP_ENDS = tuple(seconds // TICK_SECONDS for seconds in accumulate(seconds for _, seconds in PLAN))
LOOKS = {
    "every step": STEP_ENDS,
    "every 5 minutes": tuple(range(30, PLAN_TICKS + 1, 30)),
    "last step": STEP_ENDS[-1:],
}
CONFIDENCES = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 0.99999, 0.999999)
INCREASES = (1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 5.0, 10.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KayentaSetting:
    """The judge's configuration for one metric."""

    metric: str
    confidence: float
    allowed_increase: float
    looks: str


@dataclass(frozen=True, slots=True)
class Shift:
    """Ends of the confidence interval of canary minus stable, the estimate between them, and the ratio of means."""

    low: Floats
    high: Floats
    estimate: Floats
    ratio: Floats
    judged: NDArray[np.bool_]
    """False where an arm has no data."""
    identical: NDArray[np.bool_]
    """True where both arms hold the same values: such a metric passes untested."""


class Kayenta:
    """See the module."""

    name = "kayenta"

    def default(self, traces: Traces) -> KayentaSetting:  # noqa: ARG002 - documented: the same for every service
        """Return the documented defaults, on errors."""
        return KayentaSetting(metric=Metric.ERRORS, confidence=0.98, allowed_increase=1.0, looks="every step")

    def decide(self, traces: Traces, setting: KayentaSetting) -> Decisions:
        """Decide on every trace."""
        looks = LOOKS[setting.looks]
        fails = np.array([_fails(_shift(traces, setting, look), setting) for look in looks])
        promoted = np.full(traces.count, PLAN_TICKS)
        return settle(traces, path_of(PLAN), *earliest(first(fails, np.array(looks)), promoted))

    def sweep(self, traces: Traces) -> Iterator[tuple[KayentaSetting, Decisions]]:
        """Try every confidence, increase and set of looks; intervals are worked out once per confidence."""
        for confidence, increase, looks in product(CONFIDENCES, INCREASES, LOOKS):
            setting = KayentaSetting(
                metric=traces.scenario.metric, confidence=confidence, allowed_increase=increase, looks=looks
            )
            yield setting, self.decide(traces, setting)


def shift(canary: Floats, stable: Floats, confidence: float) -> Shift:
    """Compare minutes (minutes, traces), NaN where there is no data; return one interval per trace."""
    return _interval(_differences(canary, stable), confidence)


@dataclass(frozen=True, slots=True)
class _Differences:
    """What intervals of every confidence share."""

    ascending: Floats
    """Canary minus stable for each pair of minutes, NaN last: (traces, pairs)."""
    pairs: NDArray[Any]
    deviation: Floats
    """Of the Mann-Whitney statistic, corrected for ties within each arm."""
    ratio: Floats
    identical: NDArray[np.bool_]


def _differences(canary: Floats, stable: Floats) -> _Differences:
    there_c, there_s = np.isfinite(canary).sum(axis=0), np.isfinite(stable).sum(axis=0)
    pairs = there_c * there_s
    ascending = np.sort((canary[:, None] - stable[None]).reshape(-1, canary.shape[1]).T, axis=1)
    total = there_c + there_s
    tied = _ties(canary) + _ties(stable)
    corrected = total + 1 - tied / np.maximum(total * (total - 1), 1)
    ordered = np.sort(canary, axis=0), np.sort(stable, axis=0)
    same = np.all(ordered[0] == ordered[1], axis=0, where=~(np.isnan(ordered[0]) & np.isnan(ordered[1])))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (np.nansum(canary, axis=0) / there_c) / (np.nansum(stable, axis=0) / there_s)
    return _Differences(ascending, pairs, np.sqrt(pairs / 12 * np.maximum(corrected, 0)), ratio, same)


def _ties(values: Floats) -> NDArray[Any]:
    """Return the sum of t^3 - t over groups of t equal values, per trace."""
    equal = (values[:, None] == values[None]).sum(axis=0)
    there = equal > 0
    total: NDArray[Any] = ((equal**2 - 1) * there).sum(axis=0)
    return total


def _interval(found: _Differences, confidence: float) -> Shift:
    """Return the ends as order statistics: at a shift, the test counts the pairs with a larger difference."""
    half = found.pairs / 2
    reach = norm.isf((1 - confidence) / 2) * found.deviation + 0.5
    above = np.ceil(half + reach)
    below = half - reach
    low = _kth_largest(found, np.where(above > found.pairs, found.pairs, above))
    high = _kth_largest(found, np.maximum(np.floor(below) + 1, 1))
    middle = (_kth_largest(found, np.floor(half) + 1) + _kth_largest(found, np.maximum(np.ceil(half), 1))) / 2
    return Shift(low, high, middle, found.ratio, found.pairs > 0, found.identical)


def _kth_largest(found: _Differences, k: Floats) -> Floats:
    """Return the k-th largest difference of each trace, k from 1 to its pairs; NaN where there is none."""
    column = np.clip(found.pairs - k.astype(np.int64), 0, None)
    column = np.minimum(column, found.ascending.shape[1] - 1)
    taken: Floats = np.take_along_axis(found.ascending, column[:, None], axis=1)[:, 0]
    return taken


def _shift(traces: Traces, setting: KayentaSetting, look: int) -> Shift:
    """Intervals and differences are kept beside the traces: settings share them."""
    key = f"kayenta {setting.metric} {look}"
    if key not in traces.scratch:
        canary, stable = _minutes(traces, setting.metric)
        minutes = look // TICKS_PER_MINUTE
        traces.scratch[key] = _differences(canary[:minutes], stable[:minutes])
    full = f"{key} {setting.confidence}"
    if full not in traces.scratch:
        traces.scratch[full] = _interval(traces.scratch[key], setting.confidence)
    found: Shift = traces.scratch[full]
    return found


def _minutes(traces: Traces, metric: str) -> tuple[Floats, Floats]:
    """Return both arms' value by minute of the plan, in percent: (minutes, traces)."""
    path = path_of(PLAN)
    seen = [
        traces.channels[metric].window(begin, begin + TICKS_PER_MINUTE, path)
        for begin in range(0, PLAN_TICKS, TICKS_PER_MINUTE)
    ]
    return 100 * np.array([canary_value(arms) for arms in seen]), 100 * np.array([stable_value(arms) for arms in seen])


def _fails(found: Shift, setting: KayentaSetting) -> NDArray[np.bool_]:
    high = (found.low > TOLERANCE * np.abs(found.estimate)) & ~(found.ratio < setting.allowed_increase)
    return ~found.judged | (high & ~found.identical)
