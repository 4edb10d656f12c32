"""Decisions between releases; `rollout.advance` decides within one.

    decide_entry       may a release begin, does it wait, or is it refused?
    decide_cleanup     what has to end before it may move traffic?
    find_due_release   which version has to be released or resumed, by the registry and the target?
    decide_rollback    what does a rollback do: take a rollout back, or restore an earlier version?
    find_moved_aliases which aliases move when a release has ended?
    share_watch_time   which models are watched, and for how long?

Pure and level-triggered: every answer follows from the current state, not from events. So a lost, duplicate or late
event changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from slipway.domain.judge.evidence import NO_EVIDENCE, prior_for_next_rollout
from slipway.domain.release.record import HistoryEntry
from slipway.domain.release.version import CHALLENGER, CHAMPION, ModelVersion, ReleaseState, find_champion
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import Busy

WATCHED = frozenset({Phase.BAKING, Phase.HELD})
"""Phases that no release drives: the watch handles them."""


class Entry(StrEnum):
    """What a release that needs a model's lease does."""

    BEGIN = "begin"
    """It keeps the lease and continues."""
    WAIT = "wait"
    """It tries again later."""
    SUPERSEDE = "supersede"
    """It requests that the release under way ends, and tries again later."""
    REFUSE = "refuse"
    """It ends: a newer version is being released."""


def decide_entry(
    version: int, release_id: str, status: RolloutStatus | None, *, lease_taken: bool, while_busy: Busy
) -> Entry:
    """Return what a release of a version does. `lease_taken`: another release holds the model's lease.

    `status` is the model's latest rollout; None: it never had one.
    """
    if lease_taken:
        if status is not None and _is_under_way(status) and status.version > version:
            return Entry.REFUSE
        return Entry.SUPERSEDE if while_busy is Busy.SUPERSEDE else Entry.WAIT
    held = status is not None and status.phase is Phase.HELD and status.release_id != release_id
    return Entry.WAIT if held and while_busy is Busy.QUEUE else Entry.BEGIN


def _is_under_way(status: RolloutStatus) -> bool:
    """Return whether a rollout can be superseded: it has not ended, and is no first version that serves alone."""
    return not status.phase.terminal and not status.alone


class Cleanup(StrEnum):
    """What happens to a model's latest rollout before another release moves traffic."""

    RESUME = "resume"
    """It is this release's own: it continues."""
    NOTHING = "nothing"
    """There is none, or it has ended."""
    END_BAKE = "end bake"
    """It was promoted: its bake window ends now."""
    TAKE_BACK = "take back"
    """It is under way: it is rolled back first."""
    REFUSE = "refuse"
    """It promoted the same version that is to be released."""


def decide_cleanup(release_id: str, revision: str, status: RolloutStatus | None) -> Cleanup:
    """Return what a release does to the model's latest rollout. `revision` is the name of the revision it releases."""
    if status is None:
        return Cleanup.NOTHING
    if status.release_id == release_id:
        return Cleanup.RESUME
    if status.champion is not None and status.champion.name == revision:
        return Cleanup.REFUSE
    if status.phase.terminal:
        return Cleanup.NOTHING
    return Cleanup.END_BAKE if status.phase is Phase.BAKING else Cleanup.TAKE_BACK


def new_status(version: ModelVersion, release_id: str, now: float, before: RolloutStatus | None) -> RolloutStatus:
    """Return the status of a release whose gates run. `before` is the model's latest rollout, at rest."""
    return RolloutStatus(
        model=version.model,
        version=version.version,
        release_id=release_id,
        stable=before.champion if before else None,
        started_at=now,
        entered_at=now,
        heartbeat_at=now,
        evidence=prior_for_next_rollout(before.evidence) if before else NO_EVIDENCE,
        reason="the gates run",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRelease:
    """A version that has to be released, or whose release has to be resumed."""

    version: ModelVersion
    interrupted: bool
    """Its release began and did not end."""


def find_due_release(versions: Sequence[ModelVersion], status: RolloutStatus | None) -> DueRelease | None:
    """Return the version of a model that needs a run, if the model's lease is free; None: none.

    A release that was interrupted has precedence, unless its rollout is held: then it waits on purpose. A rollout that
    bakes does not count as waiting: if its release is not recorded as ended, its promotion was not recorded. Of
    versions that were never begun only the newest is due, and only if it is newer than the champion: it supersedes the
    ones in between.
    """
    begun = [one for one in versions if one.state is ReleaseState.RELEASING]
    latest = max(begun, key=lambda one: one.version, default=None)
    if latest is not None and not _waits_on_purpose(latest.version, status):
        return DueRelease(version=latest, interrupted=True)
    champion = find_champion(versions)
    newest = max(versions, key=lambda one: one.version, default=None)
    if newest is None or newest.state is not None or (champion and newest.version <= champion.version):
        return None
    return DueRelease(version=newest, interrupted=False)


def _waits_on_purpose(version: int, status: RolloutStatus | None) -> bool:
    return status is not None and status.version == version and status.phase is Phase.HELD


def may_need_run(newest: ModelVersion, status: RolloutStatus | None) -> bool:
    """Return whether a model without a lease may have a due release, from data read for all models at once.

    True if its newest version was not begun or not ended, or its rollout is in a phase that a release must drive.
    """
    not_begun = newest.state is None and CHAMPION not in newest.aliases
    return not_begun or newest.state is ReleaseState.RELEASING or (status is not None and status.phase.driven)


class Rollback(StrEnum):
    """What a rollback does."""

    TAKE_BACK = "take back"
    """It ends the rollout that is under way or bakes, and returns to the version before."""
    RESTORE = "restore"
    """It restores the version that served before the champion."""
    REFUSE = "refuse"
    """Nothing serves and nothing is under way."""


def decide_rollback(status: RolloutStatus | None) -> Rollback:
    """Return what a rollback does, by the model's latest rollout."""
    if status is None or (status.phase.terminal and status.champion is None):
        return Rollback.REFUSE
    return Rollback.RESTORE if status.phase.terminal or status.alone else Rollback.TAKE_BACK


def find_version_to_restore(history: Sequence[HistoryEntry], serving: int | None) -> HistoryEntry | None:
    """Return the line of the version that served last before the one that serves now; None: there was none."""
    earlier = [line for line in history if line.served_from and line.version != serving]
    return max(earlier, key=lambda line: line.served_from or 0.0, default=None)


def find_release_state(status: RolloutStatus) -> ReleaseState:
    """Return what a rollout's phase means for its version."""
    if status.phase.serving:
        return ReleaseState.PROMOTED
    if status.yielded:
        return ReleaseState.SUPERSEDED
    ended = {Phase.ROLLED_BACK: ReleaseState.ROLLED_BACK, Phase.STOPPED: ReleaseState.STOPPED}
    return ended.get(status.phase, ReleaseState.RELEASING)


def find_moved_aliases(
    state: ReleaseState, version: int, replaced: int | None, aliases: Sequence[str]
) -> dict[str, int | None]:
    """Return where aliases point after a version reached this state; None removes an alias.

    `aliases` are those that the version has now, `replaced` is the champion before it.

    >>> find_moved_aliases(ReleaseState.PROMOTED, 2, 1, ["challenger"])
    {'champion': 2, 'challenger': None}
    """
    moved: dict[str, int | None] = {}
    if state is ReleaseState.PROMOTED:
        moved[CHAMPION] = version
    elif replaced and CHAMPION in aliases:  # it was rolled back after its promotion
        moved[CHAMPION] = replaced
    if state is not ReleaseState.RELEASING:
        moved[CHALLENGER] = None
    return moved


def share_watch_time(rollouts: Mapping[str, RolloutStatus], duration_seconds: float, at_once: int) -> dict[str, float]:
    """Return the models that one run of the watch handles, in order, and for how many seconds each.

    First those that may be rolled back. First versions that serve alone share the time if they are more than
    `at_once`: a long run would delay the next one.
    """
    watched = {model: status for model, status in rollouts.items() if status.phase in WATCHED}
    alone = [model for model, status in watched.items() if status.alone]
    share = duration_seconds * min(1.0, at_once / max(1, len(alone)))
    return {model: duration_seconds for model in watched if model not in alone} | dict.fromkeys(alone, share)
