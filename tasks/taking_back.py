"""Roll back on a person's word: what is under way, what bakes, or what has served for long."""

import time
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.model import CHAMPION, ReleaseState
from slipway.domain.pending import attempt_of, champion_of, release_id
from slipway.domain.release import HistoryEntry, StageRecord
from slipway.domain.revision import Revision
from slipway.domain.rollout import begin, undo
from slipway.domain.status import RolloutStatus
from slipway.errors import LeaseHeld, NotFound
from slipway.ports.rollouts import Lease
from slipway.settings import settings
from slipway.specs import find_spec
from tasks.begin import Opened
from tasks.looking import drive_to_rest
from tasks.package import packaged
from tasks.record import record, state_of

POLL_SECONDS = 0.5
WAIT_SECONDS = 120
"""How long a release under way may take to give up the lease."""


@task(name="take back", task_run_name="take back {model}", tags=["slipway", "rollout"], cache_policy=NO_CACHE)
def take_back(model: str, reason: str) -> str:
    """Take back what is under way or bakes; else bring the version before the champion back. Return what was done."""
    _path, spec = find_spec(settings().models, model)
    lease = _lease(model, reason, spec.rollout.lease_seconds)
    try:
        status = _status(model)
        if status.phase.terminal:
            return _bring_back(_reopened(status, lease, reason), status, reason)
        undone = drive_to_rest(spec, undo(status, reason, time.time()), lease)
        _note(_reopened(undone, lease, reason), undone)
        return undone.reason
    finally:
        wiring.leases().release(lease)


def _lease(model: str, reason: str, seconds: float) -> Lease:
    """Take the lease; a release under way is asked to take itself back, and does, with this reason."""
    ends = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return wiring.leases().acquire(model, "rollback", seconds)
        except LeaseHeld as held:
            if time.monotonic() > ends:
                raise
            wiring.leases().ask_to_yield(model, reason)
            get_run_logger().info("waiting: %s", held.seen)
        time.sleep(POLL_SECONDS)


def _status(model: str) -> RolloutStatus:
    status = wiring.rollouts().load(model)
    if status is None or status.champion is None:
        raise NotFound(
            f"model {model}",
            seen="nothing serves",
            expected="a version in production",
            do=f"run `slipway release {model}`",
        )
    return status


def _reopened(status: RolloutStatus, lease: Lease, reason: str) -> Opened:
    _path, spec = find_spec(settings().models, status.model)
    versions = wiring.registry().versions(status.model)
    return Opened(
        release_id=status.release_id,
        version=next(version for version in versions if version.version == status.version),
        champion=champion_of(versions),
        spec=spec,
        lease=lease,
        trigger=f"rollback: {reason}",
        started_at=status.started_at,
    )


def _note(opened: Opened, undone: RolloutStatus) -> None:
    """Write down what went; if it was the champion already, the one before is champion again."""
    record(opened, state_of(undone), undone.reason, (), undone)
    if undone.stable is not None:
        wiring.registry().set_alias(undone.model, CHAMPION, undone.stable.version)


def _bring_back(opened: Opened, status: RolloutStatus, reason: str) -> str:
    """Start the version that served before the champion, then send it all requests at once."""
    serving = status.champion
    before = _served_before(status.model, serving.version if serving else 0)
    version = wiring.registry().version(status.model, str(before.version))
    again = replace(
        opened,
        version=version,
        release_id=release_id(status.model, version.version, attempt_of(version) + 1),
        started_at=time.time(),
    )
    stage = _package_stage(before)
    begun = begin(_fresh(again, serving), _revision(again, stage), serving, time.time())
    done = drive_to_rest(opened.spec, begun, opened.lease)
    record(again, state_of(done), reason, (stage,), done)
    if serving is not None and done.phase.serving:
        tags = {"slipway.state": ReleaseState.ROLLED_BACK.value, "slipway.reason": reason}
        wiring.registry().set_tags(status.model, serving.version, tags)
    return f"version {before.version} serves again: {reason}"


def _served_before(model: str, serving: int) -> HistoryEntry:
    served = [entry for entry in wiring.ledger().history(model) if entry.served_from and entry.version != serving]
    if not served:
        raise NotFound(
            f"model {model}",
            seen=f"no version served before version {serving}",
            expected="an earlier champion in the history",
            do=f"run `slipway history {model}`",
        )
    return max(served, key=lambda entry: entry.served_from or 0)


def _package_stage(entry: HistoryEntry) -> StageRecord:
    stages = wiring.ledger().read(entry.release_id).stages
    return next(stage for stage in stages if stage.name == "package")


def _revision(again: Opened, stage: StageRecord) -> Revision:
    """Rebuild the revision from what the release's own record says of its package."""
    return Revision(
        name=again.version.name,
        model=again.model,
        version=again.version.version,
        package=packaged(stage.details),
        memory_limit_mebibytes=again.spec.rehearsal.memory_limit_mebibytes,
    )


def _fresh(again: Opened, serving: Revision | None) -> RolloutStatus:
    return RolloutStatus(
        model=again.model,
        version=again.version.version,
        release_id=again.release_id,
        direct=True,
        stable=serving,
        started_at=again.started_at,
        entered_at=again.started_at,
        heartbeat_at=again.started_at,
    )
