"""Roll back on a person's word: what is under way, what bakes, or what has served for long."""

import time
from dataclasses import replace

from prefect import task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.model import ReleaseState
from slipway.domain.pending import attempt_of, release_id
from slipway.domain.release import HistoryEntry, StageRecord
from slipway.domain.revision import Revision
from slipway.domain.rollout import begin, undo
from slipway.domain.status import RolloutStatus
from slipway.errors import NotFound
from slipway.usecases.active_release import Opened, reopened, revision_of, spec_of
from slipway.usecases.drive import drive_to_rest
from slipway.usecases.leases import keeping
from slipway.usecases.record import record, state_of
from slipway.usecases.stages.package import packaged


@task(name="take back", task_run_name="take back {model}", tags=["slipway", "rollout"], cache_policy=NO_CACHE)
def take_back(model: str, reason: str) -> str:
    """Take back what is under way or bakes; else bring the version before the champion back. Return what was done.

    A person's word comes first: the lease is taken over, and a release under way ends without touching anything more.
    """
    spec = spec_of(model)
    lease = wiring.leases().take_over(model, "rollback", spec.rollout.lease_seconds)
    trigger = f"rollback: {reason}"
    with keeping(lease, spec.rollout.lease_seconds):
        status = _status(model)
        if status.phase.terminal or status.alone:
            return _bring_back(reopened(status, lease, trigger), status, reason)
        undone = drive_to_rest(spec, undo(status, reason, time.time()), lease)  # traffic first: MLflow may be down
        record(reopened(undone, lease, trigger), state_of(undone), undone.reason, (), undone)
        return undone.reason


def _status(model: str) -> RolloutStatus:
    status = wiring.rollouts().load(model)
    if status is None or (status.phase.terminal and status.champion is None):
        raise NotFound(
            f"model {model}",
            seen="nothing serves and nothing is under way",
            expected="a version in production",
            do=f"run `slipway release {model}`",
        )
    return status


def _bring_back(opened: Opened, status: RolloutStatus, reason: str) -> str:
    """Start the version that served before the champion, then send it all requests at once."""
    serving = status.champion
    before = _served_before(status.model, serving.version if serving else 0)
    version = wiring.registry().version(status.model, str(before.version))
    again = replace(
        opened,
        version=version,
        release_id=release_id(status.model, version.version, attempt_of(version) + 1),
        attempt=attempt_of(version) + 1,
        started_at=time.time(),
    )
    stage = _package_stage(before)
    revision = revision_of(again, packaged(stage.details))
    begun = begin(_fresh(again, serving), revision, serving, time.time())
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
