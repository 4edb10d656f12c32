"""Argo Rollouts: background analysis of one number of the canary against a fixed limit, along fixed steps.

Written from its documentation. A measurement that misses its success condition has failed, and so has one without data
(NaN meets no condition); more failures than `failureLimit` abort. The documented example: success rate at least 95 %,
interval 5 minutes, failureLimit 3, steps 20-40-60-80 of ten minutes, analysis from the third step on. Its query takes
`irate` (the last two scrapes); here it is the mean over the interval, which is kinder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.decisions import Decisions, earliest, first, settle
from benchmarks.decisions.rules.limits import Limit, broken, limits
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import PLAN, TICK_SECONDS, Path, Steps, path_of
from benchmarks.decisions.traces import Traces

DOCUMENTED_STEPS: Steps = ((0.2, 600), (0.4, 600), (0.6, 600), (0.8, 600))
SCHEDULES = ((DOCUMENTED_STEPS, 300, 0), (PLAN, 60, 0), (PLAN, 300, 0))
"""Steps, seconds between measurements, and when they begin, that tuning may choose."""
FAILURE_LIMITS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgoSetting:
    """Steps and the AnalysisTemplate beside them."""

    checks: tuple[Limit, ...]
    failure_limit: int
    steps: Steps
    interval_seconds: int
    starts_at_seconds: int


class Argo:
    """See the module."""

    name = "argo-rollouts"

    def default(self, traces: Traces) -> ArgoSetting:  # noqa: ARG002 - documented: the same for every service
        """Return the documented example."""
        return ArgoSetting(
            checks=(Limit(metric=Metric.ERRORS, most=0.05),),
            failure_limit=3,
            steps=DOCUMENTED_STEPS,
            interval_seconds=300,
            starts_at_seconds=1200,
        )

    def decide(self, traces: Traces, setting: ArgoSetting) -> Decisions:
        """Decide on every trace."""
        looks = looks_of(setting.steps, setting.interval_seconds, setting.starts_at_seconds)
        path = path_of(setting.steps)
        return _ended(traces, setting, path, failures(traces, setting.checks, looks, path))

    def sweep(self, traces: Traces) -> Iterator[tuple[ArgoSetting, Decisions]]:
        """Try every limit, failureLimit and schedule; measurements do not depend on the failureLimit."""
        for steps, interval, start in SCHEDULES:
            path, looks = path_of(steps), looks_of(steps, interval, start)
            for limit in limits(traces.scenario):
                failed = failures(traces, (limit,), looks, path)
                for allowed in FAILURE_LIMITS:
                    setting = ArgoSetting(
                        checks=(limit,),
                        failure_limit=allowed,
                        steps=steps,
                        interval_seconds=interval,
                        starts_at_seconds=start,
                    )
                    yield setting, _ended(traces, setting, path, failed)


def looks_of(steps: Steps, interval_seconds: int, starts_at_seconds: int) -> NDArray[Any]:
    """Return the ticks of the measurements: from the start, once an interval has passed, to the end of the steps."""
    begin = max(starts_at_seconds, interval_seconds)
    end = sum(seconds for _, seconds in steps)
    return np.arange(begin, end + 1, interval_seconds) // TICK_SECONDS


def failures(traces: Traces, checks: tuple[Limit, ...], looks: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return failed measurements so far, after each look: (looks, traces)."""
    width = looks[1] - looks[0]
    return np.cumsum([broken(traces, checks, (look - width, look), path) for look in looks], axis=0)


def _ended(traces: Traces, setting: ArgoSetting, path: Path, failed: NDArray[Any]) -> Decisions:
    looks = looks_of(setting.steps, setting.interval_seconds, setting.starts_at_seconds)
    promoted = np.full(traces.count, sum(seconds for _, seconds in setting.steps) // TICK_SECONDS)
    return settle(traces, path, *earliest(first(failed > setting.failure_limit, looks), promoted))
