"""Readings of one look, per revision: cumulative since its process, or its router's counter, started.

Requests and errors are `Counters`; the rest is here. Two readings of the same revision are subtracted (`since`); if
anything went backwards the process restarted, and nothing is known about the time between.
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
"""Rounding error by which sums of shares may fall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Answered requests, and how many of them took longer than each edge."""

    requests: int
    edges_milliseconds: tuple[float, ...]
    """Ascending."""
    slower: tuple[int, ...]
    """One count per edge, descending: requests that took longer than it."""

    def __post_init__(self) -> None:
        """Reject values that no histogram can have."""
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
        """Return how many answers took longer than an edge; raises ValueError for a number that is no edge."""
        return self.slower[self.edges_milliseconds.index(edge_milliseconds)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A number per request, summed: enough for its mean and variance."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Sum of squares."""

    def __post_init__(self) -> None:
        """Reject values that no sums can have, NaN and infinity among them."""
        if not (0 <= self.count < math.inf and 0 <= self.squares < math.inf and math.isfinite(self.total)):
            message = (
                f"count={self.count}, total={self.total}, squares={self.squares}; "
                "need a count and squares that are not negative, and finite numbers"
            )
            raise ValueError(message)


NO_SUMS = Sums()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a revision reports on its own predictions and inputs."""

    scores: Sums | None = None
    """The first number of each request's prediction (for several rows the mean); None if they are no numbers."""
    classes: Mapping[str, float] = field(default_factory=dict)
    """Requests by predicted label, for several rows each label's share; empty if predictions are no labels."""
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Rows per bin of the profile, by column; the last bin counts what is missing."""
    requests: int = 0
    """Requests that were answered with a prediction; 0 also if the revision does not report it."""
    nonfinite: int = 0
    """Those of them whose prediction holds NaN or infinity."""
    warm: bool | None = None
    """Whether all of its replicas have answered enough requests to be warm; None: it does not report that."""

    def __post_init__(self) -> None:
        """Reject negative counts, NaN, and more non-finite answers than answers."""
        if not 0 <= self.nonfinite <= self.requests:
            message = f"requests={self.requests}, nonfinite={self.nonfinite}; need 0 <= nonfinite <= requests"
            raise ValueError(message)
        counted = {name: (count,) for name, count in self.classes.items()} | dict(self.inputs)
        for name, counts in counted.items():
            if not all(0 <= count < math.inf for count in counts):
                message = f"{name!r} has counts {counts}; need counts from 0 on"
                raise ValueError(message)


class Source(StrEnum):
    """What a look reads of each revision, one by one: if one source fails, the others are still used."""

    REQUESTS = "requests"
    """Counters of live requests, by kind of answer."""
    LATENCIES = "latencies"
    SUMMARIES = "summaries"
    """What revisions report on their own predictions and inputs."""
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


NOTHING_READ = Reading()
Readings = Mapping[Source, Mapping[str, Reading]]
"""What one look read, by source and revision; a source that could not be read is missing."""


def collect_readings(
    *,
    requests: Mapping[str, Counters] | None = None,
    latencies: Mapping[str, Latencies] | None = None,
    summaries: Mapping[str, Summary] | None = None,
    labels: Mapping[str, Counters] | None = None,
) -> Readings:
    """Return what one look read of each source, by revision; None: the source could not be read.

    >>> collect_readings(requests={"digits-v1": Counters(requests=9, errors=0)}).keys()
    dict_keys([<Source.REQUESTS: 'requests'>])
    """
    found: dict[Source, Mapping[str, Reading]] = {}
    if requests is not None:
        found[Source.REQUESTS] = {name: Reading(requests=one) for name, one in requests.items()}
    if latencies is not None:
        found[Source.LATENCIES] = {name: Reading(latencies=one) for name, one in latencies.items()}
    if summaries is not None:
        found[Source.SUMMARIES] = {name: Reading(summary=one) for name, one in summaries.items()}
    if labels is not None:
        found[Source.LABELS] = {name: Reading(labels=one) for name, one in labels.items()}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Readings of the last look at one source, for both revisions or for none, so that one look is one interval."""

    last: Mapping[str, Reading] = field(default_factory=dict)
    """Cumulative, by revision."""
    doubted: Mapping[str, Reading] = field(default_factory=dict)
    """The look at which something went backwards: a process restarted, or an old scrape arrived late. The next look
    decides: it continues `last` if the scrape was late, and this if the process restarted."""


def delta_since(cursor: Cursor, now: Mapping[str, Reading]) -> tuple[Mapping[str, Reading] | None, Cursor]:
    """Return the differences since the last look, by revision, and the cursor for the next look.

    None if there are none: at the first look, with other revisions than before, or if anything went backwards.
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
    """Return the difference of two readings; None if anything went backwards or is read in one of them only."""
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
    except ValueError:  # counts that do not fall: they were read at different moments, or went backwards
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
    """Return the difference of two sums; None if the count or the squares fell, which is invalid; a total may fall."""
    if after.count < before.count or after.squares < before.squares:
        return None
    if after.count == before.count:
        return NO_SUMS
    total, squares = after.total - before.total, after.squares - before.squares
    return Sums(count=after.count - before.count, total=total, squares=squares)


def _without_rounding(difference: float) -> float:
    """Return a difference of sums of shares, without rounding error."""
    return 0.0 if -_ROUNDING < difference < 0 else difference


def _bins_since(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    if len(before) != len(after):
        return after if not before else (-1,)
    return tuple(b - a for a, b in zip(before, after, strict=True))
