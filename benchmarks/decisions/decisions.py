"""What a rule decided on each trace, what that cost, and the interface that every rule has."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.schedule import EVERYTHING, NOTHING, TICKS, Path
from benchmarks.decisions.traces import Traces


class Decision(IntEnum):
    """How a rollout ended within the hour."""

    ROLL_BACK = -1
    UNDECIDED = 0
    """Held, waiting, or going on."""
    PROMOTE = 1


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """One rule on all traces. What it cost is worked out when asked for."""

    traces: Traces
    path: Path
    """What was sent while it had not decided, (TICKS,) or (TICKS, traces); later entries do not matter."""
    decision: NDArray[np.int8]
    """Decision by trace."""
    tick: NDArray[Any]
    """Ticks that had passed when it was made; TICKS where it never was."""

    @cached_property
    def bad(self) -> NDArray[Any]:
        """Bad answers to canary requests within the hour; after a promotion every request is the canary's."""
        return self._sum(self.traces.harm.bad, self._whole)

    @cached_property
    def excess(self) -> NDArray[Any]:
        """Those less what the stable version would have answered badly to the same requests."""
        return self._sum(self.traces.harm.excess, self._whole)

    @cached_property
    def served(self) -> NDArray[Any]:
        """Requests that the canary got before the decision."""
        return self._sum(self.traces.harm.requests, self._sent(NOTHING))

    @cached_property
    def copied(self) -> NDArray[Any]:
        """Ticks before the canary gets its first live request, at most until the decision."""
        path = self.path[:, None] if self.path.ndim == 1 else self.path
        waits: NDArray[Any] = np.where((path > NOTHING).any(axis=0), (path > NOTHING).argmax(axis=0), TICKS)
        return np.minimum(waits, self.tick)

    @cached_property
    def _whole(self) -> NDArray[Any]:
        return self._sent(np.where(self.decision == Decision.PROMOTE, EVERYTHING, NOTHING))

    def _sent(self, after: NDArray[Any] | int) -> NDArray[Any]:
        before = np.arange(TICKS)[:, None] < self.tick
        return np.where(before, self.path[:, None] if self.path.ndim == 1 else self.path, after)

    def _sum(self, cost: NDArray[Any], sent: NDArray[Any]) -> NDArray[Any]:
        total: NDArray[Any] = np.take_along_axis(cost, sent[..., None].astype(np.intp), axis=2)[..., 0].sum(axis=0)
        return total


class Rule(Protocol):
    """A way to decide. It may look at what came before, never at `Traces.truth` (the SPRT alone does)."""

    name: str

    def default(self, traces: Traces) -> Any:  # noqa: ANN401 - each rule has settings of its own type
        """Return the documented setting: a frozen dataclass of numbers and texts, of the rule's own."""
        ...

    def decide(self, traces: Traces, setting: Any) -> Decisions:  # noqa: ANN401 - as above
        """Decide on every trace."""
        ...

    def sweep(self, traces: Traces) -> Iterator[tuple[Any, Decisions]]:
        """Decide with every setting that tuning may choose; none for a rule that is not tuned."""
        ...


def settle(traces: Traces, path: Path, decision: NDArray[np.int8], tick: NDArray[Any]) -> Decisions:
    """Return decisions; an undecided trace runs to the end of the hour."""
    ended = np.where(decision == Decision.UNDECIDED, TICKS, tick)
    return Decisions(traces=traces, path=path, decision=decision, tick=ended)


def first(happened: NDArray[np.bool_], ticks: NDArray[Any]) -> NDArray[Any]:
    """Return the tick of the first look at which it happened: (looks, traces) -> (traces,); TICKS + 1 for never.

    >>> first(np.array([[False, False], [True, False]]), np.array([6, 12])).tolist()
    [12, 361]
    """
    found: NDArray[Any] = np.where(happened.any(axis=0), ticks[np.argmax(happened, axis=0)], TICKS + 1)
    return found


def earliest(rolled_back: NDArray[Any], promoted: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Return decision and tick from when each would come (TICKS + 1: never); at the same tick, rolling back wins."""
    back = (rolled_back <= promoted) & (rolled_back <= TICKS)
    on = ~back & (promoted <= TICKS)
    decision = np.where(back, Decision.ROLL_BACK, np.where(on, Decision.PROMOTE, Decision.UNDECIDED))
    return decision.astype(np.int8), np.where(back, rolled_back, np.where(on, promoted, TICKS))
