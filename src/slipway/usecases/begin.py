"""The first step of a release: which version, by which spec, and the right to move the model's traffic."""

import time
from dataclasses import replace

from slipway import wiring
from slipway.domain.release.lifecycle import Cleanup, decide_cleanup, new_status
from slipway.domain.release.record import make_release_id
from slipway.domain.release.version import CHALLENGER, CHAMPION, ModelVersion, ReleaseState, VersionTag, find_champion
from slipway.domain.rollout.status import RolloutStatus
from slipway.errors import NotFound, PermanentError
from slipway.usecases.active_release import ActiveRelease, find_release_spec, resume_release
from slipway.usecases.drive import drive_to_rest
from slipway.usecases.leases import take_lease
from slipway.usecases.record import record_release
from slipway.usecases.retrying import idempotent, retry_transient
from slipway.usecases.roll_back import take_back_rollout

NEWEST = "newest"
"""In place of a version: the one that was registered last."""


@idempotent
def begin_release(model: str, version: str, attempt: int, trigger: str) -> ActiveRelease:
    """Read the registry (an event is only a hint) and take the model's lease.

    `version` is a number, an alias or `NEWEST`; `attempt` 0 continues the latest one. Raises NotFound for an unknown
    model, version or spec, PermanentError while a newer version is being released.
    """
    spec = find_release_spec(model)
    versions = wiring.get_registry().list_versions(model)
    wanted = find_newest(model, versions) if version == NEWEST else wiring.get_registry().get_version(model, version)
    number = attempt or max(1, wanted.attempt)
    release_id = make_release_id(model, wanted.version, number)
    return ActiveRelease(
        release_id=release_id,
        version=wanted,
        attempt=number,
        champion=find_champion(versions),
        spec=spec,
        lease=take_lease(spec, wanted.version, release_id),
        trigger=trigger,
        started_at=time.time(),
    )


def find_newest(model: str, versions: list[ModelVersion]) -> ModelVersion:
    """Return the version that was registered last; raise NotFound where there is none."""
    if not versions:
        raise NotFound(
            f"model {model}",
            seen="no version in the registry",
            expected="at least one",
            do="register a version in MLflow",
        )
    return max(versions, key=lambda one: one.version)


@idempotent
def clear_previous(active: ActiveRelease) -> None:
    """Bring the model's latest rollout to rest: end its bake window, or take it back. Then announce this release.

    Raises PermanentError for a version that serves already.
    """
    before = wiring.get_rollout_store().load(active.model)
    cleanup = decide_cleanup(active.release_id, active.version.name, before)
    if cleanup is Cleanup.REFUSE:
        raise PermanentError(
            f"release {active.release_id}",
            seen=f"version {active.version.version} serves already",
            expected="another version than the one in production",
            do=f"run `slipway status {active.model}`",
        )
    if before is not None and cleanup is Cleanup.RESUME:
        status = before
    else:
        at_rest = _bring_to_rest(active, before, cleanup)
        _stop_unused(active, at_rest)
        status = new_status(active.version, active.release_id, active.started_at, at_rest)
    wiring.get_rollout_store().save(replace(status, heartbeat_at=time.time()), active.lease)
    _announce(active)


def _bring_to_rest(active: ActiveRelease, before: RolloutStatus | None, cleanup: Cleanup) -> RolloutStatus | None:
    if before is None or cleanup is Cleanup.NOTHING:
        return before
    if cleanup is Cleanup.END_BAKE:
        return drive_to_rest(active.spec, before, active.lease, superseded_by=active.version.version)
    reason = f"superseded by version {active.version.version}, which arrived meanwhile"
    undone = take_back_rollout(active.spec, replace(before, yielded=True), reason, active.lease)
    superseded = resume_release(undone, active.lease, active.trigger)
    retry_transient(record_release, superseded, ReleaseState.SUPERSEDED, reason, (), undone)
    return undone


def _stop_unused(active: ActiveRelease, status: RolloutStatus | None) -> None:
    """Stop revisions that an earlier release started and that get no traffic."""
    revisions, traffic = wiring.get_revisions(), wiring.get_router().read_traffic(active.model)
    kept = {status.champion.name if status and status.champion else "", *(traffic.weights if traffic else ())}
    for name in revisions.observe(active.model):
        if name not in kept:
            revisions.stop(active.model, name)


def _announce(active: ActiveRelease) -> None:
    tags: dict[str, str] = {VersionTag.STATE: ReleaseState.RELEASING.value, VersionTag.ATTEMPT: str(active.attempt)}
    wiring.get_registry().set_tags(active.model, active.version.version, tags)
    if CHAMPION not in active.version.aliases:
        wiring.get_registry().set_alias(active.model, CHALLENGER, active.version.version)
