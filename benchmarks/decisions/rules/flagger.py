"""Flagger: one number of the canary against a fixed limit each interval, and a count of failures that never resets.

Written from its documentation. At every interval: with `threshold` failures, roll back (before this interval's
checks); at weight 0, start; else every check in order: the first that is missing, NaN or out of range adds one failure
and keeps the weight. All in range: the next weight; at the largest, promote. Its documented example: success rate at
least 99 %, 99th percentile at most 500 ms, interval 1 minute, threshold 5, steps of 10 up to 50.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.decisions import Decisions, earliest, first, settle
from benchmarks.decisions.rules.limits import Limit, broken, limits
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import TICK_SECONDS, TICKS, Path, index_of
from benchmarks.decisions.traces import OVER_500_MS, Traces

DOCUMENTED_WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)
PLAN_WEIGHTS = (0.01, 0.05, 0.25, 0.5)
SCHEDULES = ((DOCUMENTED_WEIGHTS, 60), (PLAN_WEIGHTS, 60), (PLAN_WEIGHTS, 300), (PLAN_WEIGHTS, 600))
"""Weights and seconds between checks that tuning may choose; the metric's window is the interval."""
THRESHOLDS = (1, 2, 3, 5, 7, 10, 15, 20, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggerSetting:
    """The part of a Canary's `analysis` that decides."""

    checks: tuple[Limit, ...]
    threshold: int
    weights: tuple[float, ...]
    interval_seconds: int


@dataclass(frozen=True, slots=True)
class Walk:
    """Where fixed checks lead, with no end to failures."""

    path: Path
    looks: NDArray[Any]
    """Ticks of the looks."""
    failures: NDArray[Any]
    """So far, after each look: (looks, traces)."""
    promoted: NDArray[Any]
    """Tick; TICKS + 1 for never."""


class Flagger:
    """See the module."""

    name = "flagger"

    def default(self, traces: Traces) -> FlaggerSetting:  # noqa: ARG002 - documented: the same for every service
        """Return the documented example."""
        return FlaggerSetting(
            checks=(Limit(metric=Metric.ERRORS, most=0.01), Limit(metric=OVER_500_MS, most=0.01)),
            threshold=5,
            weights=DOCUMENTED_WEIGHTS,
            interval_seconds=60,
        )

    def decide(self, traces: Traces, setting: FlaggerSetting) -> Decisions:
        """Decide on every trace."""
        return _ended(
            traces, walk(traces, setting.checks, setting.weights, setting.interval_seconds), setting.threshold
        )

    def sweep(self, traces: Traces) -> Iterator[tuple[FlaggerSetting, Decisions]]:
        """Try every limit, threshold and schedule; the threshold does not change the walk before its end."""
        for weights, interval in SCHEDULES:
            for limit in limits(traces.scenario):
                taken = walk(traces, (limit,), weights, interval)
                for threshold in THRESHOLDS:
                    setting = FlaggerSetting(
                        checks=(limit,), threshold=threshold, weights=weights, interval_seconds=interval
                    )
                    yield setting, _ended(traces, taken, threshold)


def walk(traces: Traces, checks: tuple[Limit, ...], weights: tuple[float, ...], interval_seconds: int) -> Walk:
    """Check at every interval, go on where all is in range, stay where not."""
    indices = np.array([index_of(weight) for weight in weights], dtype=np.int8)
    interval = interval_seconds // TICK_SECONDS
    looks = np.arange(interval, TICKS + 1, interval)
    path = np.empty((TICKS, traces.count), dtype=np.int8)
    step = np.zeros(traces.count, dtype=np.int64)
    promoted = np.full(traces.count, TICKS + 1)
    failures = np.zeros((len(looks), traces.count), dtype=np.int64)
    for number, look in enumerate(looks.tolist()):
        path[look - interval : look] = indices[step]
        fails = broken(traces, checks, (look - interval, look), path)
        failures[number] = failures[number - 1] + fails if number else fails
        at_end = step == len(weights) - 1
        promoted = np.where(~fails & at_end, np.minimum(promoted, look), promoted)
        step += ~fails & ~at_end
    path[looks[-1] :] = indices[step]
    return Walk(path, looks, failures, promoted)


def _ended(traces: Traces, taken: Walk, threshold: int) -> Decisions:
    """Roll back at the look after the one with the last failure that is allowed."""
    full = first(taken.failures >= threshold, taken.looks)
    decision, tick = earliest(full + taken.looks[0], taken.promoted)
    return settle(traces, taken.path, decision, tick)
