"""Which request may wait: every one that can be answered in time, and few while more come than can be answered.

Three things make a queue. Clients come together, and it is worked off; the machine, the garbage collector or a slow run
holds everything up, and it is worked off after that; or more requests come than can be answered, and it only grows.
Only the last one is overload, so only a queue that grows, or stands, while answers are given is cut short. It stands
where those who send more are held back themselves, by the number of their connections.

The rule is related to CoDel's (Nichols & Jacobson, "Controlling Queue Delay", ACM Queue 2012), which also looks at the
shortest queue of an interval; theirs drops as soon as one is too long, this one lets a long one be worked off.
"""

from collections.abc import Mapping
from math import inf, isfinite

from services.inference.runtime.run_times import RunTimes
from slipway_interface.environment import OBJECTIVE

TARGET_SECONDS = 0.003
"""What is accepted during overload waits no longer than that, or as long as so many runs take, if that is longer."""
RUNS_ALONE = 16
"""Where requests run one by one: in a queue at 80 % load one in a thousand waits for more."""
RUNS_TOGETHER = 8
"""Where they run together, which shortens the queue."""
INTERVAL_SECONDS = 0.1
"""The shortest queue of such an interval is compared with those of the intervals before it."""
GROWING = 2
"""After so many intervals in a row in which it did not shrink, and grew by a tight queue in all, it is overload."""
STANDING = 5
"""Or after so many in a row in which it was never shorter than before."""
CALM_SECONDS, CALM_RUNS = 0.1, 16
"""Overload is over after so long without a refusal (or as long as a tight queue takes, if that is longer) in which so
many runs ended: a stall in the middle of it is no end."""
CALM_TIMES = 10
"""Or after so many times as long, as nobody came."""
MOST_WAITING = 4096
"""Most requests that wait, whatever they take: each holds its rows in memory."""


class ObjectiveError(Exception):
    """The environment names an objective that is none."""


def read_objective_seconds(environment: Mapping[str, str]) -> float:
    """Return within how many seconds every answer has to be given: infinite where nothing says; raise ObjectiveError.

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
    """Says whether one more request may wait; knows no clock: moments are told, in seconds.

    >>> expected = RunTimes()
    >>> expected.record_run(1, 1, 0.01)
    >>> admission = Admission(expected, together=False)
    >>> admission.explain_refusal(waiting=20, now=0.0, remaining=30.0)
    >>> admission.explain_refusal(waiting=20, now=0.0, remaining=0.1)
    '20 requests wait already, some 200 ms of work, and this one has 100 ms'
    """

    def __init__(self, expected: RunTimes, *, together: bool, objective: float = inf) -> None:
        """Reckon with what runs are expected to take; `objective`: seconds within which each answer has to be given."""
        self._run_times, self._objective = expected, objective
        self._runs = RUNS_TOGETHER if together else RUNS_ALONE
        self._tight = MOST_WAITING
        """Requests that may wait or run during overload."""
        self._growth = _GrowthDetector()
        self._last_refusal = -inf
        self._calm_runs = 0
        """Runs that ended since."""
        self._overload = False

    def update_bound(self) -> None:
        """Bound the queue anew: `record_run_end` does so by what it holds, which runs change slowly."""
        pace = self._run_times.pace
        if pace:
            self._tight = min(MOST_WAITING, max(1, int(self._target / pace)))

    @property
    def _target(self) -> float:
        """How long what is accepted during overload waits, in seconds."""
        run = max(self._run_times.predict_seconds(round(self._run_times.rows)), self._run_times.pace)
        return max(TARGET_SECONDS, self._runs * run)

    def estimate_wait(self, waiting: int, overdue: float = 0.0) -> float:
        """Return how long a request would wait behind so many; a run that is overdue is taken for half done."""
        return waiting * self._run_times.pace + overdue

    def explain_refusal(self, waiting: int, now: float, remaining: float, overdue: float = 0.0) -> str | None:
        """Return why no more than those that wait (or run) may wait; None: one more may.

        `remaining`: seconds until the client's deadline; `overdue`: how long the run under way takes beyond what it was
        expected to.
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
        """Learn, at the end of a run, how many wait for the next one."""
        self._calm_runs += 1
        if queued <= self._tight or self._objective < inf or (self._overload and not self._is_over(now)):
            self._growth.reset()
        elif self._growth.record(queued, now, self._tight, self._run_times.slowness):
            self._growth.reset()
            self._overload, self._last_refusal, self._calm_runs = True, now, 0

    def _is_over(self, now: float) -> bool:
        """Tell whether it was calm for long enough, and remember that."""
        calm, needed = now - self._last_refusal, max(CALM_SECONDS, self._target)
        if calm >= CALM_TIMES * needed or (calm >= needed and self._calm_runs >= CALM_RUNS):
            self._overload = False
        return not self._overload


class _GrowthDetector:
    """Whether a queue grows, by the shortest it was in each interval of its own."""

    def __init__(self) -> None:
        """Begin with no queue."""
        self._since: float | None = None
        self._shortest = self._before = self._least = 0
        """Of this interval, the one before, and all of them."""
        self._grew = self._stood = 0

    def reset(self) -> None:
        """Begin anew: the queue is no longer than it may always be."""
        self._since = None

    def record(self, queued: int, now: float, much: int, slowness: float) -> bool:
        """Tell whether it has gone on growing, by `much` in all, or stands; on a slow machine intervals are longer."""
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
