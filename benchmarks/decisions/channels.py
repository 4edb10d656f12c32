"""What a rule can read of one metric: counts (or sums) of both arms between two ticks, for the weights it chose."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.schedule import TICKS, WEIGHTS, Path

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Both arms over some ticks: arrays (traces,), or (ticks, traces)."""

    canary_requests: Array
    canary: Array
    """Events; for scores, their sum."""
    canary_squares: Array
    """Sum of squares; for events the same as their count."""
    stable_requests: Array
    stable: Array
    stable_squares: Array


class Channel(Protocol):
    """Readings of one metric."""

    def window(self, begin: int, end: int, path: Path) -> Arms:
        """Return what was seen in the ticks begin .. end - 1; the path must keep its weight in between.

        `path` is what was sent so far: (TICKS,) or (TICKS, traces), and needs to be right before `end` only.
        """
        ...

    def canary_window(self, begin: int, end: int, path: Path) -> tuple[Array, Array]:
        """Return the canary's requests and events (or sum) of such a window alone: tuning reads many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is known at once. Sums over ticks before and bins below: (TICKS + 1, traces, len(WEIGHTS)) each."""

    requests: Array
    canary: Array
    stable: Array
    canary_squares: Array
    stable_squares: Array

    @classmethod
    def of(cls, requests: Array, canary: Array, stable: Array, squares: tuple[Array, Array] | None = None) -> Self:
        """Sum what is already summed over bins (`cumulative`) over ticks."""
        sums = {id(cells): _running(cells) for cells in (requests, canary, stable, *(squares or ()))}
        more = squares or (canary, stable)
        return cls(
            requests=sums[id(requests)],
            canary=sums[id(canary)],
            stable=sums[id(stable)],
            canary_squares=sums[id(more[0])],
            stable_squares=sums[id(more[1])],
        )

    def window(self, begin: int, end: int, path: Path) -> Arms:
        """See Channel."""
        index = path[begin]
        requests, canary, stable = (
            _between(sums, begin, end, index) for sums in (self.requests, self.canary, self.stable)
        )
        plain = self.canary_squares is self.canary
        canary_squares = canary if plain else _between(self.canary_squares, begin, end, index)
        stable_squares = stable if plain else _between(self.stable_squares, begin, end, index)
        return Arms(
            canary_requests=requests[0],
            canary=canary[0],
            canary_squares=canary_squares[0],
            stable_requests=requests[1],
            stable=stable[1],
            stable_squares=stable_squares[1],
        )

    def canary_window(self, begin: int, end: int, path: Path) -> tuple[Array, Array]:
        """See Channel."""
        index = path[begin]
        return _below(self.requests, begin, end, index), _below(self.canary, begin, end, index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cold:
    """Counts of a canary whose replicas are cold for some ticks after its share of the requests rose."""

    warm: Counts
    cold: Counts
    """What they would be if its replicas were always cold."""
    ticks: int

    def window(self, begin: int, end: int, path: Path) -> Arms:
        """See Channel."""
        arms = self.warm.window(begin, end, path)
        more = self._more(begin, end, path)
        return replace(arms, canary=arms.canary + more, canary_squares=arms.canary_squares + more)

    def canary_window(self, begin: int, end: int, path: Path) -> tuple[Array, Array]:
        """See Channel."""
        requests, events = self.warm.canary_window(begin, end, path)
        return requests, events + self._more(begin, end, path)

    def _more(self, begin: int, end: int, path: Path) -> Array:
        """Return the events more of the window's ticks in which replicas are cold: they follow a rise."""
        more = np.zeros(self.warm.requests.shape[1], dtype=np.int64)
        for tick in range(begin, min(end, begin + self.ticks)):
            usual, cold = (one.canary_window(tick, tick + 1, path)[1] for one in (self.warm, self.cold))
            more += (cold - usual) * self._rose(tick, path)
        return more

    def _rose(self, tick: int, path: Path) -> Array:
        """Return whether the weight rose within the last ticks, this one included: (traces,) or one for all."""
        ticks = range(max(0, tick + 1 - self.ticks), tick + 1)
        rose: Array = np.any([path[one] > (path[one - 1] if one else 0) for one in ticks], axis=0)
        return rose


@dataclass(frozen=True, slots=True, kw_only=True)
class LateCounts:
    """What is known after a delay, keyed to the arm that served: one row per batch (a cell), sorted by arrival.

    Labels come in batches: all requests of one tick, trace and bin get theirs at once.
    """

    traces: int
    starts: Array
    """First row that arrives at each tick: (TICKS + 1,)."""
    served: Array
    """Tick in which the batch was served; the other columns: trace, bin, requests, events under either version."""
    trace: Array
    bin: Array
    requests: Array
    canary: Array
    stable: Array

    @classmethod
    def of(cls, cells: tuple[Array, Array, Array], delays: Array) -> Self:
        """Sort cells (ticks, traces, bins) of requests and events by arrival; `delays` in ticks."""
        places: tuple[Array, ...] = tuple(np.indices(delays.shape, dtype=np.int32))
        arrival = (places[0] + np.ceil(delays)).astype(np.int64)
        kept = (arrival < TICKS) & (cells[0] > 0)
        order = np.argsort(arrival[kept], kind="stable")
        columns = [column[kept][order] for column in (arrival, *places, *cells)]
        return cls(
            traces=delays.shape[1],
            starts=np.searchsorted(columns[0], np.arange(TICKS + 1)),
            **dict(zip(("served", "trace", "bin", "requests", "canary", "stable"), columns[1:], strict=True)),
        )

    def window(self, begin: int, end: int, path: Path) -> Arms:
        """See Channel. The path may change its weight in between: what counts is when a request was served."""
        rows = slice(int(self.starts[begin]), int(self.starts[end]))
        canary = self._canary(rows, path)
        sums = {
            name: self._sum(values[rows], rows, arm)
            for name, values, arm in (
                ("canary_requests", self.requests, canary),
                ("canary", self.canary, canary),
                ("stable_requests", self.requests, ~canary),
                ("stable", self.stable, ~canary),
            )
        }
        return Arms(canary_squares=sums["canary"], stable_squares=sums["stable"], **sums)

    def canary_window(self, begin: int, end: int, path: Path) -> tuple[Array, Array]:
        """See Channel."""
        rows = slice(int(self.starts[begin]), int(self.starts[end]))
        canary = self._canary(rows, path)
        return self._sum(self.requests[rows], rows, canary), self._sum(self.canary[rows], rows, canary)

    def _canary(self, rows: slice, path: Path) -> NDArray[np.bool_]:
        served = self.served[rows]
        there: Array = path[served] if path.ndim == 1 else path[served, self.trace[rows]]
        return self.bin[rows] < there

    def _sum(self, values: Array, rows: slice, arm: NDArray[np.bool_]) -> Array:
        total = np.bincount(self.trace[rows], weights=values * arm, minlength=self.traces)
        return total.astype(np.int64)


def cumulative(cells: Array) -> Array:
    """Sum over bins below each weight: (ticks, traces, bins) -> (ticks, traces, len(WEIGHTS))."""
    sums = np.zeros((*cells.shape[:2], len(WEIGHTS)), dtype=_narrow(cells))
    np.cumsum(cells, axis=2, out=sums[..., 1:])
    return sums


def _running(sums: Array) -> Array:
    total = np.zeros((sums.shape[0] + 1, *sums.shape[1:]), dtype=sums.dtype)
    np.cumsum(sums, axis=0, out=total[1:])
    return total


def _narrow(cells: Array) -> np.dtype[Any]:
    return np.dtype(np.int32) if cells.dtype.kind == "i" else cells.dtype


def _between(sums: Array, begin: int, end: int, index: Array) -> tuple[Array, Array]:
    """Return the sum of the ticks below the weight (canary) and above it (stable)."""
    below = _below(sums, begin, end, index)
    return below, sums[end, :, -1] - sums[begin, :, -1] - below


def _below(sums: Array, begin: int, end: int, index: Array) -> Array:
    if np.ndim(index) == 0:
        return np.asarray(sums[end, :, index] - sums[begin, :, index])
    rows = np.arange(sums.shape[1])
    return np.asarray(sums[end, rows, index] - sums[begin, rows, index])
