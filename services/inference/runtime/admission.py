"""Which requests may wait: all that can be answered in time, and only a few during overload.

A queue has three causes. Many clients send at once, and the queue shrinks again; the machine, the garbage collector or
a slow run stalls everything, and the queue shrinks after that; or more requests arrive than can be answered, and the
queue only grows. Only the last one is overload. So the queue is limited only if it grows, or does not shrink, while
responses are given. During overload it does not grow if the clients are limited by their number of connections.

The rule is related to CoDel (Nichols & Jacobson, "Controlling Queue Delay", ACM Queue 2012), which also uses the
shortest queue of an interval. CoDel drops as soon as that is too long; this rule waits whether a long queue shrinks.
"""

from collections.abc import Mapping
from math import inf, isfinite

from services.inference.runtime.run_times import RunTimes
from slipway_interface.environment import OBJECTIVE

TARGET_SECONDS = 0.003
"""Longest wait of requests accepted during overload; or the time of the runs below, if that is longer."""
RUNS_ALONE = 16
"""Without batching the queue may hold 16 service times: at 80 % utilisation one request in a thousand waits longer."""
RUNS_TOGETHER = 8
"""With batching, which shortens the queue."""
INTERVAL_SECONDS = 0.1
"""Length of an interval. The shortest queue in it is compared with those of earlier intervals."""
GROWING = 2
"""Overload begins after so many intervals in a row in which the queue did not shrink and grew by the bound in all."""
STANDING = 5
"""Or after so many in a row in which it was never shorter than before."""
CALM_SECONDS, CALM_RUNS = 0.1, 16
"""Overload ends after so long without a refusal (or the time of a full queue, if that is longer), if so many runs ended
in it: a stall during overload does not end it."""
CALM_TIMES = 10
"""Or after so many times as long without any run, because no requests arrived."""
MOST_WAITING = 4096
"""Most requests that wait, however fast they are: each holds its rows in memory."""


class ObjectiveError(Exception):
    """The environment variable for the objective is not a positive number."""


def read_objective_seconds(environment: Mapping[str, str]) -> float:
    """Return the seconds within which every response must be given, infinite if unset; raise ObjectiveError.

    >>> read_objective_seconds({"SLIPWAY_OBJECTIVE_MILLISECONDS": "250"}), read_objective_seconds({})
    (0.25, inf)
    """
    said = environment.get(OBJECTIVE, "")
    if not said:
        return inf
    try:
        milliseconds = float(said)
    except ValueError:
        milliseconds = 0.0
    if not (isfinite(milliseconds) and milliseconds > 0):
        raise ObjectiveError(f"{OBJECTIVE} is {said!r}; expected a number of milliseconds over 0, or nothing")
    return milliseconds / 1000


class Admission:
    """Decides whether one more request may wait. It reads no clock: callers pass the time, in seconds.

    >>> expected = RunTimes()
    >>> expected.record_run(1, 1, 0.01)
    >>> admission = Admission(expected, together=False)
    >>> admission.explain_refusal(waiting=20, now=0.0, remaining=30.0)
    >>> admission.explain_refusal(waiting=20, now=0.0, remaining=0.1)
    '20 requests wait already, some 200 ms of work, and this one has 100 ms'
    """

    def __init__(self, expected: RunTimes, *, together: bool, objective: float = inf) -> None:
        """Use these run times; `objective`: seconds within which each response must be given."""
        self._run_times, self._objective = expected, objective
        self._runs = RUNS_TOGETHER if together else RUNS_ALONE
        self._tight = MOST_WAITING
        """Requests that may wait or run during overload."""
        self._growth = _GrowthDetector()
        self._last_refusal = -inf
        self._calm_runs = 0
        """Runs that ended since the last refusal."""
        self._overload = False

    def update_bound(self) -> None:
        """Compute the bound during overload again from the run times, which change slowly."""
        pace = self._run_times.pace
        if pace:
            self._tight = min(MOST_WAITING, max(1, int(self._target / pace)))

    @property
    def _target(self) -> float:
        """Longest wait of requests accepted during overload, in seconds."""
        run = max(self._run_times.predict_seconds(round(self._run_times.rows)), self._run_times.pace)
        return max(TARGET_SECONDS, self._runs * run)

    def estimate_wait(self, waiting: int, overdue: float = 0.0) -> float:
        """Return how long a request would wait behind so many; an overdue run is assumed to be half done."""
        return waiting * self._run_times.pace + overdue

    def explain_refusal(self, waiting: int, now: float, remaining: float, overdue: float = 0.0) -> str | None:
        """Return why no request may join those that wait or run; None: one more may.

        `remaining`: seconds until the client's deadline; `overdue`: by how much the current run exceeds its
        expected time.
        """
        wait = self.estimate_wait(waiting, overdue)
        in_time = min(remaining, self._objective)
        if 0.0 < in_time < wait:
            work, left = _format_ms(wait), _format_ms(in_time, "")
            return f"{waiting} requests wait already, {work} of work, and this one has {left}"
        if waiting >= MOST_WAITING:
            return f"{waiting} requests wait already, which is all that this replica holds"
        if self._overload and waiting >= self._tight and not self._is_over(now):
            self._last_refusal, self._calm_runs = now, 0
            return f"{waiting} requests wait already, and more come than are answered"
        return None

    def record_run_end(self, queued: int, now: float) -> None:
        """Record how many requests wait at the end of a run."""
        self._calm_runs += 1
        if queued <= self._tight or self._objective < inf or (self._overload and not self._is_over(now)):
            self._growth.reset()
        elif self._growth.record(queued, now, self._tight, self._run_times.slowness):
            self._growth.reset()
            self._overload, self._last_refusal, self._calm_runs = True, now, 0

    def _is_over(self, now: float) -> bool:
        """Return whether overload is over, and record that."""
        calm, needed = now - self._last_refusal, max(CALM_SECONDS, self._target)
        if calm >= CALM_TIMES * needed or (calm >= needed and self._calm_runs >= CALM_RUNS):
            self._overload = False
        return not self._overload


class _GrowthDetector:
    """Detects a growing queue by its shortest length in each interval."""

    def __init__(self) -> None:
        """Begin with no queue."""
        self._since: float | None = None
        self._shortest = self._before = self._least = 0
        """Of this interval, the one before, and all of them."""
        self._grew = self._stood = 0

    def reset(self) -> None:
        """Start again: the queue is within its bound."""
        self._since = None

    def record(self, queued: int, now: float, much: int, slowness: float) -> bool:
        """Return whether it keeps growing, by `much` in all, or does not shrink; `slowness` lengthens the intervals."""
        if self._since is None:
            self._since, self._grew, self._stood = now, 0, 0
            self._shortest = self._before = self._least = queued
            return False
        self._shortest = min(self._shortest, queued)
        if now - self._since < INTERVAL_SECONDS * slowness:
            return False
        grown = self._shortest >= self._before and self._shortest >= self._least + much
        self._grew = self._grew + 1 if grown else 0
        self._stood = self._stood + 1 if self._shortest >= self._least else 0
        self._least = min(self._least, self._shortest)
        self._before, self._shortest, self._since = self._shortest, queued, now
        return self._grew >= GROWING or self._stood >= STANDING


def _format_ms(seconds: float, about: str = "some ") -> str:
    return f"{about}{1000 * seconds:.0f} ms"
