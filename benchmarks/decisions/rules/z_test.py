"""Two proportions compared with a z-test on sums since the start: at every minute (naive), or once at the end (fixed).

Both go along Slipway's default plan. For scores, the test of two means. Critical value 2.326: one-sided 1 %, for one
look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.decisions import Decisions, earliest, first, settle
from benchmarks.decisions.schedule import PLAN, PLAN_TICKS, TICKS_PER_MINUTE, path_of
from benchmarks.decisions.traces import Traces

CRITICAL = 2.3263478740408408
CRITICALS = (
    CRITICAL,
    2.6,
    2.8,
    3.0,
    3.2,
    3.4,
    3.6,
    3.8,
    4.0,
    4.5,
    5.0,
    6.0,
    8.0,
    10.0,
    15.0,
    20.0,
    30.0,
    50.0,
    100.0,
    np.inf,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZSetting:
    """The value above which a canary is rolled back."""

    critical: float


class ZTest:
    """See the module: looks at these ticks."""

    def __init__(self, name: str, looks: NDArray[Any]) -> None:
        """Take the ticks of the looks; the last is where a canary that was not rolled back is promoted."""
        self.name = name
        self.looks = looks

    def default(self, traces: Traces) -> ZSetting:  # noqa: ARG002 - the same for every service
        """Return the textbook's value."""
        return ZSetting(critical=CRITICAL)

    def decide(self, traces: Traces, setting: ZSetting) -> Decisions:
        """Decide on every trace."""
        if self.name not in traces.scratch:
            traces.scratch[self.name] = statistics(traces, self.looks)
        promoted = np.full(traces.count, PLAN_TICKS)
        rolled_back = first(traces.scratch[self.name] > setting.critical, self.looks)
        return settle(traces, path_of(PLAN), *earliest(rolled_back, promoted))

    def sweep(self, traces: Traces) -> Iterator[tuple[ZSetting, Decisions]]:
        """Try larger critical values."""
        for critical in CRITICALS:
            yield ZSetting(critical=critical), self.decide(traces, ZSetting(critical=critical))


def naive_z() -> ZTest:
    """Return the test that is repeated every minute."""
    return ZTest("naive-z", np.arange(TICKS_PER_MINUTE, PLAN_TICKS + 1, TICKS_PER_MINUTE))


def fixed_horizon() -> ZTest:
    """Return the test that is done once."""
    return ZTest("fixed-horizon", np.array([PLAN_TICKS]))


def statistics(traces: Traces, looks: NDArray[Any]) -> NDArray[np.float64]:
    """Return z at each look, of all that came before: (looks, traces); 0 where it is not defined."""
    path = path_of(PLAN)
    channel = traces.channels[traces.scenario.metric]
    sums: list[NDArray[Any]] = [np.zeros(traces.count)] * 6
    found, ends = [], set(looks.tolist())
    for begin in range(0, PLAN_TICKS, TICKS_PER_MINUTE):
        arms = channel.window(begin, begin + TICKS_PER_MINUTE, path)
        news = (
            arms.canary_requests, arms.canary, arms.canary_squares,
            arms.stable_requests, arms.stable, arms.stable_squares,
        )  # fmt: skip
        sums = [total + more for total, more in zip(sums, news, strict=True)]
        if begin + TICKS_PER_MINUTE in ends:
            found.append(z_of(Arms(**dict(zip(Arms.__slots__, sums, strict=True)))))
    return np.array(found)


def z_of(arms: Arms) -> NDArray[np.float64]:
    """Return the pooled two-sample z: for events, the usual test of two proportions."""
    with np.errstate(divide="ignore", invalid="ignore"):
        count = arms.canary_requests + arms.stable_requests
        mean = (arms.canary + arms.stable) / count
        variance = (arms.canary_squares + arms.stable_squares) / count - mean**2
        gap = arms.canary / arms.canary_requests - arms.stable / arms.stable_requests
        z = gap / np.sqrt(variance * (1 / arms.canary_requests + 1 / arms.stable_requests))
    return np.where(np.isfinite(z), z, 0.0)
