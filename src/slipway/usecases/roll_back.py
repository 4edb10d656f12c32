"""Roll back for a person: the release under way, the one that bakes, or the version that serves."""

import time
from dataclasses import replace

from slipway import wiring
from slipway.domain.release.lifecycle import (
    Rollback,
    decide_rollback,
    find_release_state,
    find_version_to_restore,
    new_status,
)
from slipway.domain.release.record import HistoryEntry, StageName, StageRecord, make_release_id
from slipway.domain.release.version import ReleaseState, VersionTag
from slipway.domain.rollout.machine import begin_traffic, undo_rollout
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import NotFound
from slipway.ports.rollouts import Lease
from slipway.usecases.active_release import ActiveRelease, find_release_spec, make_revision, resume_release
from slipway.usecases.drive import drive_to_rest
from slipway.usecases.leases import keep_lease
from slipway.usecases.record import record_release
from slipway.usecases.retrying import retry_transient
from slipway.usecases.stages.package import read_package

HOLDER = "rollback"
"""Holder of the lease while a rollback works."""


def roll_back(model: str, reason: str) -> str:
    """Take back what is under way or bakes, else restore the version before the champion. Return what was done.

    A person's decision comes first: the lease is taken over, and a release under way ends at its next write.
    """
    spec = find_release_spec(model)
    lease = wiring.get_leases().take_over(model, HOLDER, spec.rollout.lease_seconds)
    trigger = f"rollback: {reason}"
    with keep_lease(lease, spec.rollout.lease_seconds):
        status = wiring.get_rollout_store().load(model)
        decision = decide_rollback(status)
        if status is None or decision is Rollback.REFUSE:
            raise _refuse(model)
        if decision is Rollback.RESTORE:
            return _restore(resume_release(status, lease, trigger), status, reason)
        undone = take_back_rollout(spec, status, reason, lease)  # traffic first: MLflow may be down
        active = resume_release(undone, lease, trigger)
        retry_transient(record_release, active, find_release_state(undone), undone.reason, (), undone)
        return undone.reason


def take_back_rollout(spec: ReleaseSpec, status: RolloutStatus, reason: str, lease: Lease) -> RolloutStatus:
    """Return traffic to the version before; needs the target alone, no registry. Return the status at rest."""
    return drive_to_rest(spec, undo_rollout(status, reason, time.time()), lease)


def _refuse(model: str) -> NotFound:
    return NotFound(
        f"model {model}",
        seen="nothing serves and nothing is under way",
        expected="a version in production",
        do=f"run `slipway release {model}`",
    )


def _restore(active: ActiveRelease, status: RolloutStatus, reason: str) -> str:
    """Start the version that served before the champion, then send it all requests at once."""
    serving = status.champion
    before = _find_earlier(status.model, serving.version if serving else None)
    again = _begin_again(active, str(before.version))
    stage = _find_package(before)
    revision = make_revision(again, read_package(stage.details))
    fresh = replace(new_status(again.version, again.release_id, again.started_at, None), direct=True, stable=serving)
    done = drive_to_rest(active.spec, begin_traffic(fresh, revision, serving, time.time()), active.lease)
    retry_transient(record_release, again, find_release_state(done), reason, (stage,), done)
    if serving is not None and done.phase.serving:
        tags: dict[str, str] = {VersionTag.STATE: ReleaseState.ROLLED_BACK.value, VersionTag.REASON: reason}
        wiring.get_registry().set_tags(status.model, serving.version, tags)
    return f"version {before.version} serves again: {reason}"


def _begin_again(active: ActiveRelease, number: str) -> ActiveRelease:
    """Return another attempt to release an earlier version."""
    version = wiring.get_registry().get_version(active.model, number)
    attempt = version.attempt + 1
    release_id = make_release_id(active.model, version.version, attempt)
    return replace(active, version=version, release_id=release_id, attempt=attempt, started_at=time.time())


def _find_earlier(model: str, serving: int | None) -> HistoryEntry:
    found = find_version_to_restore(wiring.get_ledger().read_history(model), serving)
    if found is None:
        raise NotFound(
            f"model {model}",
            seen=f"no version served before version {serving or 0}",
            expected="an earlier champion in the history",
            do=f"run `slipway history {model}`",
        )
    return found


def _find_package(entry: HistoryEntry) -> StageRecord:
    stages = wiring.get_ledger().read(entry.release_id).stages
    return next(stage for stage in stages if stage.name == StageName.PACKAGE)
