"""The exchangeable baseline clone: a second copy of the stable version, as large as the canary, compared by the minute.

With x events in the canary and y in the clone in a minute, u = (x - y) / (x + y). Where both are drawn alike, whatever
their gusts, u and -u are equally likely, so the mean over LAMBDAS of prod(1 + lambda u) is an e-process. It needs
nothing else; it costs a second deployment, can't use the rest of stable's requests, and says at most log 1.9 a minute.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.decisions import Decisions, earliest, first, settle
from benchmarks.decisions.schedule import PLAN, PLAN_TICKS, TICKS_PER_MINUTE, WEIGHTS, Path, index_of, path_of
from benchmarks.decisions.traces import Traces

LAMBDAS = np.array([0.1, 0.25, 0.5, 0.9])
"""Stakes, with equal weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneSetting:
    """The evidence at which the canary is rolled back, as one over its chance."""

    alpha: float


class Clone:
    """See the module. It promotes when the plan is over."""

    def __init__(self, name: str, alpha: float) -> None:
        """Take the name in tables, and the chance of a false rollback."""
        self.name, self._alpha = name, alpha

    def default(self, traces: Traces) -> CloneSetting:  # noqa: ARG002 - the same for every service
        """Return the error probability it was made with."""
        return CloneSetting(alpha=self._alpha)

    def decide(self, traces: Traces, setting: CloneSetting) -> Decisions:
        """Decide on every trace."""
        path, twice = path_of(PLAN), _doubled(path_of(PLAN))
        looks = np.arange(TICKS_PER_MINUTE, PLAN_TICKS + 1, TICKS_PER_MINUTE)
        wealth = np.zeros((len(LAMBDAS), traces.count))
        found = []
        for end in looks:
            x, y = _minute(traces, int(end), path, twice)
            u = np.divide(x - y, x + y, out=np.zeros(traces.count), where=x + y > 0)
            wealth = wealth + np.log1p(LAMBDAS[:, None] * u)
            found.append(np.log(np.exp(wealth).mean(axis=0)))
        rolled_back = first(np.array(found) >= -np.log(setting.alpha), looks)
        return settle(traces, path, *earliest(rolled_back, np.full(traces.count, PLAN_TICKS)))

    def sweep(self, traces: Traces) -> Iterator[tuple[CloneSetting, Decisions]]:  # noqa: ARG002 - nothing to tune
        """Try nothing."""
        return iter(())


def _minute(traces: Traces, end: int, path: Path, twice: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the canary's events and the clone's: the requests right above the canary's marks, as stable answers."""
    channel, begin = traces.channels[traces.scenario.metric], end - TICKS_PER_MINUTE
    arms, beyond = channel.window(begin, end, path), channel.window(begin, end, twice)
    return arms.canary, arms.stable - beyond.stable


def _doubled(path: Path) -> Path:
    doubled: Path = np.array([index_of(round(2 * WEIGHTS[index], 4)) for index in path], dtype=np.int8)
    return doubled
