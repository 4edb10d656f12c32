"""The first stage: which version, by which spec, and the right to move the model's traffic."""

import time
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.evidence import NO_EVIDENCE, carried
from slipway.domain.model import CHALLENGER, CHAMPION, ModelVersion, ReleaseState
from slipway.domain.pending import attempt_of, champion_of, release_id
from slipway.domain.rollout import undo
from slipway.domain.spec import Busy, ReleaseSpec
from slipway.domain.status import Phase, RolloutStatus
from slipway.errors import LeaseHeld, NotFound, PermanentError
from slipway.ports.rollouts import Lease
from slipway.usecases.active_release import Opened, reopened, spec_of
from slipway.usecases.drive import drive_to_rest
from slipway.usecases.record import record
from tasks.retrying import RETRIED

POLL_SECONDS = 0.5
"""Time between two tries to take a lease that another release holds."""
NEWEST = "newest"


@task(name="begin", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)
def begin(model: str, version: str, attempt: int, trigger: str) -> Opened:
    """Re-read the registry (an event is only a hint) and take the lease.

    Raises NotFound for an unknown model, version or spec, PermanentError when a newer version is being released.
    """
    spec = spec_of(model)
    versions = wiring.registry().versions(model)
    wanted = _pick(model, version, versions)
    number = attempt or max(1, attempt_of(wanted))
    name = release_id(model, wanted.version, number)
    return Opened(
        release_id=name,
        version=wanted,
        attempt=number,
        champion=champion_of(versions),
        spec=spec,
        lease=_lease(spec, wanted, name),
        trigger=trigger,
        started_at=time.time(),
    )


def _pick(model: str, version: str, versions: list[ModelVersion]) -> ModelVersion:
    if version != NEWEST:
        return wiring.registry().version(model, version)
    if not versions:
        raise NotFound(f"model {model}", seen="no version", expected="at least one", do="register one in MLflow")
    return max(versions, key=lambda one: one.version)


def _lease(spec: ReleaseSpec, wanted: ModelVersion, holder: str) -> Lease:
    """Take the lease; ask an older release to make room, or wait for its end, as the spec says."""
    while True:
        try:
            lease = wiring.leases().acquire(wanted.model, holder, spec.rollout.lease_seconds)
        except LeaseHeld as held:
            _refuse_older(wanted, holder)
            if spec.rollout.while_busy is Busy.SUPERSEDE:
                wiring.leases().ask_to_yield(wanted.model, wanted.version)
            get_run_logger().info("waiting: %s", held.seen)
        else:
            if not _waits_for_its_turn(spec, wanted.model, holder):
                return lease
            wiring.leases().release(lease)
        time.sleep(POLL_SECONDS)


def _refuse_older(wanted: ModelVersion, holder: str) -> None:
    """Never take a newer version's place."""
    under_way = wiring.rollouts().load(wanted.model)
    if under_way is None or under_way.phase.terminal or under_way.alone:
        return
    if under_way.version > wanted.version:
        raise PermanentError(
            f"release {holder}",
            seen=f"version {under_way.version} is being released already",
            expected="no newer version under way",
            do=f"wait for its end, then `slipway release {wanted.model} --version {wanted.version}`",
        )


def _waits_for_its_turn(spec: ReleaseSpec, model: str, holder: str) -> bool:
    """Say whether an earlier release is held (nobody drives it) and this one queues behind it."""
    status = wiring.rollouts().load(model)
    held = status is not None and status.phase is Phase.HELD and status.release_id != holder
    return held and spec.rollout.while_busy is Busy.QUEUE


@task(name="clear up", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)
def clear_up(opened: Opened) -> None:
    """Bring what an earlier release left to rest: end its bake window, or take it back. Then announce this one.

    Raises PermanentError for a version that serves already.
    """
    status = wiring.rollouts().load(opened.model)
    if status is None or status.release_id != opened.release_id:
        status = _at_rest(opened, status)
        _stop_strays(opened, status)
        status = _fresh(opened, status)
    wiring.rollouts().save(replace(status, heartbeat_at=time.time()), opened.lease)
    tags = {"slipway.state": ReleaseState.RELEASING.value, "slipway.attempt": str(opened.attempt)}
    wiring.registry().set_tags(opened.model, opened.version.version, tags)
    if CHAMPION not in opened.version.aliases:
        wiring.registry().set_alias(opened.model, CHALLENGER, opened.version.version)


def _stop_strays(opened: Opened, status: RolloutStatus | None) -> None:
    """Stop what an earlier release warmed up and did not live to use."""
    target = wiring.target()
    traffic = target.traffic(opened.model)
    kept = {status.champion.name if status and status.champion else "", *(traffic.weights if traffic else ())}
    for name in target.observe(opened.model):
        if name not in kept:
            target.stop(opened.model, name)


def _at_rest(opened: Opened, status: RolloutStatus | None) -> RolloutStatus | None:
    if status is not None and status.champion is not None and status.champion.name == opened.version.name:
        raise PermanentError(
            f"release {opened.release_id}",
            seen=f"version {opened.version.version} serves already",
            expected="another version than the one in production",
            do=f"run `slipway status {opened.model}`",
        )
    if status is None or status.phase.terminal:
        return status
    if status.phase is Phase.BAKING:
        return drive_to_rest(opened.spec, status, opened.lease, superseded_by=opened.version.version)
    reason = f"superseded by version {opened.version.version}, which arrived meanwhile"
    undone = drive_to_rest(opened.spec, undo(replace(status, yielded=True), reason, time.time()), opened.lease)
    record(reopened(undone, opened.lease, opened.trigger), ReleaseState.SUPERSEDED, reason, (), undone)
    return undone


def _fresh(opened: Opened, before: RolloutStatus | None) -> RolloutStatus:
    return RolloutStatus(
        model=opened.model,
        version=opened.version.version,
        release_id=opened.release_id,
        stable=before.champion if before else None,
        started_at=opened.started_at,
        entered_at=opened.started_at,
        heartbeat_at=opened.started_at,
        reason="the gates are at work",
        evidence=carried(before.evidence) if before else NO_EVIDENCE,
    )
