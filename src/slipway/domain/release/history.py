"""Which version served when, from the releases' records. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from slipway.domain.release.record import HistoryEntry, ReleaseRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Phase

SERVING = frozenset({Phase.BAKING, Phase.SUCCEEDED})
"""Phases in which a version has all traffic."""
LEAVING = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK})
"""Phases in which it loses that traffic."""


def make_entry(record: ReleaseRecord, run_id: str) -> HistoryEntry:
    """Return one release's line, with the serving times from its own record.

    `served_from` is the first moment with all traffic. `served_until` is set only if the release took that back itself;
    `find_serving_periods` finds when another version took over.
    """
    since = _find_first(record, SERVING, after=0.0)
    if since is None and record.state is ReleaseState.PROMOTED:
        since = record.ended_at
    return HistoryEntry(
        model=record.model,
        version=record.version,
        release_id=record.release_id,
        state=record.state,
        reason=record.reason,
        started_at=record.started_at,
        ended_at=record.ended_at,
        replaced=record.replaced,
        run_id=run_id,
        served_from=since,
        served_until=None if since is None else _find_first(record, LEAVING, after=since),
    )


def find_serving_periods(entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
    """Return the lines of one model, oldest first, each with when it served and when the next took over.

    After a rollback of a version that had all traffic, the version that it had replaced serves again: that one gets
    another line, under the same release.
    """
    lines = list(entries)
    lines += [back for line in lines if (back := _came_back(line)) is not None]
    reigns = sorted((line for line in lines if line.served_from is not None), key=_serving_since)
    ends = {id(line): _serving_since(after) for line, after in pairwise(reigns)}
    closed = [replace(line, served_until=_pick_earlier(line.served_until, ends.get(id(line)))) for line in lines]
    return sorted(closed, key=lambda line: (line.started_at, line.ended_at, line.version))


def _find_first(record: ReleaseRecord, phases: frozenset[Phase], *, after: float) -> float | None:
    return min((one.at for one in record.timeline if one.phase in phases and one.at >= after), default=None)


def _came_back(line: HistoryEntry) -> HistoryEntry | None:
    if line.served_until is None or line.replaced is None:
        return None
    return replace(
        line,
        version=line.replaced,
        state=ReleaseState.PROMOTED,
        reason=f"version {line.replaced} serves again: version {line.version} was taken back",
        started_at=line.served_until,
        replaced=line.version,
        served_from=line.served_until,
        served_until=None,
    )


def _serving_since(line: HistoryEntry) -> float:
    return line.served_from or 0.0


def _pick_earlier(one: float | None, other: float | None) -> float | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
