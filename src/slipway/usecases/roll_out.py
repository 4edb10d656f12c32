"""The traffic part of a release: start the revision, then look, decide and act until the rollout rests or is held."""

import logging
import time
from dataclasses import replace

from slipway import wiring
from slipway.domain.rollout.actions import Approval
from slipway.domain.rollout.machine import begin_traffic
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import NotFound
from slipway.usecases.active_release import ActiveRelease, make_revision
from slipway.usecases.drive import Hints, drive, drive_to_rest
from slipway.usecases.leases import keep_lease, take_lease
from slipway.usecases.notify import notify

log = logging.getLogger(__name__)


def start_revision(active: ActiveRelease, package: Package) -> None:
    """Begin to start the revision while the rehearsal runs; without a route it gets no request."""
    wiring.get_revisions().start(make_revision(active, package))


def begin_rollout(active: ActiveRelease, package: Package, *, needs_approval: bool) -> RolloutStatus:
    """Write down what is going to be rolled out; the first look starts the revision if it is missing."""
    status = load_status(active)
    revision = make_revision(active, package)
    begun = begin_traffic(status, revision, status.stable, time.time(), needs_approval=needs_approval)
    wiring.get_rollout_store().save(begun, active.lease)
    return begun


def drive_rollout(active: ActiveRelease, status: RolloutStatus, approval: Approval | None = None) -> RolloutStatus:
    """Look, decide and act until the rollout rests, bakes or is held; notify of holds and rollbacks."""
    while True:
        status = drive(active.spec, status, active.lease, Hints(approval=approval))
        approval = None
        log.info("%s at %s %%: %s", status.phase, status.weight_percent, status.reason)
        if status.phase in {Phase.HELD, Phase.ROLLING_BACK}:
            notify(active, status.phase.value, status.reason)
        if not status.phase.driven:
            return status


def roll_out_revision(spec: ReleaseSpec, revision: Revision, fresh: RolloutStatus) -> RolloutStatus:
    """Roll a revision out to its rest, without gates and without a registry; a rollout of the same release continues.

    `fresh` is the status to begin with. Raises PermanentError while a newer version is being released.
    """
    lease = take_lease(spec, revision.version, fresh.release_id)
    with keep_lease(lease, spec.rollout.lease_seconds):
        before = wiring.get_rollout_store().load(spec.model)
        if before is not None and before.release_id == fresh.release_id and before.canary is not None:
            return drive_to_rest(spec, before, lease)
        champion = before.champion if before else None
        return drive_to_rest(spec, begin_traffic(fresh, revision, champion, time.time()), lease)


def stop_release(active: ActiveRelease, reason: str) -> None:
    """Write down that the version got no traffic, and stop its revision if it was started."""
    wiring.get_revisions().stop(active.model, active.version.name)
    stopped = replace(load_status(active), phase=Phase.STOPPED, reason=reason, entered_at=time.time())
    wiring.get_rollout_store().save(stopped, active.lease)


def is_in_gates(active: ActiveRelease) -> bool:
    """Return whether this release has not begun its rollout yet."""
    status = wiring.get_rollout_store().load(active.model)
    return status is not None and status.release_id == active.release_id and status.canary is None


def load_status(active: ActiveRelease) -> RolloutStatus:
    """Return the rollout's status as it is stored; raise NotFound where it is missing."""
    status = wiring.get_rollout_store().load(active.model)
    if status is None:
        raise NotFound(
            f"rollout {active.release_id}",
            seen="no status",
            expected="the status that the release began with",
            do=f"`slipway release {active.model}` begins again",
        )
    return status
