"""What is read at one look, per revision: cumulative since its process, or its router's counter, began.

Requests and errors are `Counters`; the rest is here. Two readings of the same revision are subtracted (`since`); where
anything went backwards the process began anew, and nothing is known about the time between.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

from slipway.domain.judge import counters
from slipway.domain.judge.counters import Counters

Kind = TypeVar("Kind")
_ROUNDING = 1e-6
"""Sums of shares may fall by so little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Answered requests, and how many of them took longer than each edge."""

    requests: int
    edges_milliseconds: tuple[float, ...]
    """Ascending."""
    slower: tuple[int, ...]
    """One count per edge, descending: requests that took longer than it."""

    def __post_init__(self) -> None:
        """Refuse what no histogram can show."""
        counts = (self.requests, *self.slower, 0)
        falling = all(before >= after for before, after in pairwise(counts))
        rising = all(before < after for before, after in pairwise(self.edges_milliseconds))
        positive = all(0 < edge < math.inf for edge in self.edges_milliseconds)
        if len(self.slower) != len(self.edges_milliseconds) or not (falling and rising and positive):
            message = (
                f"requests={self.requests}, edges={self.edges_milliseconds}, slower={self.slower}; "
                "need as many counts as edges, edges that rise from over 0, and counts that fall from requests to 0"
            )
            raise ValueError(message)

    def slower_than(self, edge_milliseconds: float) -> int:
        """Return how many answers took longer than an edge; raises ValueError for what is no edge."""
        return self.slower[self.edges_milliseconds.index(edge_milliseconds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A number per request, summed: enough for its mean and variance."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Sum of squares."""

    def __post_init__(self) -> None:
        """Refuse what no numbers add up to; NaN and infinity are none."""
        if not (0 <= self.count < math.inf and 0 <= self.squares < math.inf and math.isfinite(self.total)):
            message = (
                f"count={self.count}, total={self.total}, squares={self.squares}; "
                "need a count and squares that are not negative, and finite numbers"
            )
            raise ValueError(message)


NO_SUMS = Sums()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a revision says of its own predictions and inputs."""

    scores: Sums | None = None
    """The first number of each request's prediction (of several rows the mean); None where they are no numbers."""
    classes: Mapping[str, float] = field(default_factory=dict)
    """Requests by predicted label, of several rows each label's share; empty where predictions are no labels."""
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Rows per bin of the profile, by column; the last bin counts what is missing."""
    requests: int = 0
    """Requests that were answered with a prediction; 0 also where the revision does not say."""
    nonfinite: int = 0
    """Those of them whose prediction holds NaN or infinity."""
    warm: bool | None = None
    """Whether all of its replicas have answered enough to be quick by now; None: it does not say."""

    def __post_init__(self) -> None:
        """Refuse negative counts, what is no number, and more non-finite answers than answers."""
        if not 0 <= self.nonfinite <= self.requests:
            message = f"requests={self.requests}, nonfinite={self.nonfinite}; need 0 <= nonfinite <= requests"
            raise ValueError(message)
        counted = {name: (count,) for name, count in self.classes.items()} | dict(self.inputs)
        for name, counts in counted.items():
            if not all(0 <= count < math.inf for count in counts):
                message = f"{name!r} has counts {counts}; need counts from 0 on"
                raise ValueError(message)


class Source(StrEnum):
    """What a look reads of each revision, one by one: what one of them can't give, the others may."""

    REQUESTS = "requests"
    """Counters of live requests, by what became of them."""
    LATENCIES = "latencies"
    SUMMARIES = "summaries"
    """What revisions tell of their own predictions and inputs."""
    LABELS = "labels"
    """Answers whose truth is known by now."""
    ALONE = "alone"
    """Counters of a revision that serves alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that one look read of one revision; what could not be read is None."""

    requests: Counters | None = None
    latencies: Latencies | None = None
    summary: Summary | None = None
    labels: Counters | None = None
    """Answers whose truth is known by now, and how many of them were wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the last look at one source stood, for each revision: both or none, so that one look is one interval."""

    last: Mapping[str, Reading] = field(default_factory=dict)
    """Cumulative, by revision."""
    doubted: Mapping[str, Reading] = field(default_factory=dict)
    """The look at which something went backwards: a process began anew, or an old scrape came late. The next look
    tells: it continues `last` if the scrape was late, and this if the process began anew."""


def delta_since(cursor: Cursor, now: Mapping[str, Reading]) -> tuple[Mapping[str, Reading] | None, Cursor]:
    """Return what came since the last look, by revision, and the cursor to go on with.

    None where that can't be said: the first look, other revisions than before, something went backwards.
    """
    for before in (cursor.last, cursor.doubted):
        if before.keys() == now.keys():
            since = {name: reading_since(before[name], now[name]) for name in now}
            known = {name: reading for name, reading in since.items() if reading is not None}
            if known.keys() == now.keys():
                return known, Cursor(last=now)
    if cursor.last.keys() != now.keys():
        return None, Cursor(last=now)
    return None, replace(cursor, doubted=now)


def reading_since(before: Reading, after: Reading) -> Reading | None:
    """Return the difference of two readings; None where anything went backwards or is read in one of them only."""
    since = Reading(
        requests=_subtract_both(counters.counters_since, before.requests, after.requests),
        latencies=_subtract_both(_latencies_since, before.latencies, after.latencies),
        summary=_subtract_both(_summary_since, before.summary, after.summary),
        labels=_subtract_both(counters.counters_since, before.labels, after.labels),
    )
    parts = ("requests", "latencies", "summary", "labels")
    lost = any(getattr(since, part) is None and getattr(after, part) is not None for part in parts)
    return None if lost else since


def _subtract_both(since: Callable[[Kind, Kind], Kind | None], before: Kind | None, after: Kind | None) -> Kind | None:
    return None if before is None or after is None else since(before, after)


def _latencies_since(before: Latencies, after: Latencies) -> Latencies | None:
    if before.edges_milliseconds != after.edges_milliseconds:
        return None
    slower = tuple(b - a for a, b in zip(before.slower, after.slower, strict=True))
    try:
        return replace(after, requests=after.requests - before.requests, slower=slower)
    except ValueError:  # counts that do not fall: two of them were not read at the same moment, or went backwards
        return None


def _summary_since(before: Summary, after: Summary) -> Summary | None:
    scores = _subtract_both(sums_since, before.scores or NO_SUMS, after.scores)
    classes = {name: _without_rounding(count - before.classes.get(name, 0)) for name, count in after.classes.items()}
    inputs = {name: _bins_since(before.inputs.get(name, ()), counts) for name, counts in after.inputs.items()}
    lost = before.classes.keys() - after.classes.keys() or before.inputs.keys() - after.inputs.keys()
    negative = any(count < 0 for counts in (classes.values(), *inputs.values()) for count in counts)
    requests, nonfinite = after.requests - before.requests, after.nonfinite - before.nonfinite
    wrong = not 0 <= nonfinite <= requests
    if lost or negative or wrong or (scores is None and (before.scores or after.scores)):
        return None
    return Summary(scores=scores, classes=classes, inputs=inputs, requests=requests, nonfinite=nonfinite)


def sums_since(before: Sums, after: Sums) -> Sums | None:
    """Return what came between two sums; None where one fell that can't: a total may, counts and squares never do."""
    if after.count < before.count or after.squares < before.squares:
        return None
    if after.count == before.count:
        return NO_SUMS
    total, squares = after.total - before.total, after.squares - before.squares
    return Sums(count=after.count - before.count, total=total, squares=squares)


def _without_rounding(difference: float) -> float:
    """Return a difference of sums of shares, without what rounding took from it."""
    return 0.0 if -_ROUNDING < difference < 0 else difference


def _bins_since(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    if len(before) != len(after):
        return after if not before else (-1,)
    return tuple(b - a for a, b in zip(before, after, strict=True))
