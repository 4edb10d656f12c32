"""Roll out: start the revision, then look, decide and act until the rollout is at rest or waits."""

import time
from dataclasses import replace

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.moving import Approval
from slipway.domain.revision import Package
from slipway.domain.rollout import begin
from slipway.domain.status import Phase, RolloutStatus
from slipway.errors import NotFound
from slipway.ports.notifier import Decision
from slipway.usecases.active_release import Opened, revision_of
from slipway.usecases.drive import Hints, drive


@task(name="start revision", tags=["slipway", "rollout"], cache_policy=NO_CACHE)
def warm_up(opened: Opened, package: Package) -> None:
    """Begin to start the revision while the rehearsal runs; without a route it gets no request."""
    wiring.target().start(revision_of(opened, package))


@task(name="begin rollout", tags=["slipway", "rollout"], cache_policy=NO_CACHE)
def start_rollout(opened: Opened, package: Package, *, needs_approval: bool) -> RolloutStatus:
    """Write down what is going to be released; the first look starts it if it is not there."""
    status = status_of(opened)
    begun = begin(status, revision_of(opened, package), status.stable, time.time(), needs_approval=needs_approval)
    wiring.rollouts().save(begun, opened.lease)
    return begun


@task(name="roll out", tags=["slipway", "rollout"], cache_policy=NO_CACHE)
def drive_rollout(opened: Opened, status: RolloutStatus, approval: Approval | None = None) -> RolloutStatus:
    """Look, judge and act until the rollout is at rest, bakes or is held; tell what changed.

    One task, not one per step: between two looks nothing waits for Prefect's server.
    """
    while True:
        status = drive(opened.spec, status, opened.lease, Hints(approval=approval))
        approval = None
        get_run_logger().info("%s at %s %%: %s", status.phase, status.weight_percent, status.reason)
        if status.phase in {Phase.HELD, Phase.ROLLING_BACK}:
            tell(opened, status.phase.value, status.reason)
        if not status.phase.driven:
            return status


def stop_rollout(opened: Opened, reason: str) -> None:
    """Write down that it got no traffic; what was warmed up goes."""
    wiring.target().stop(opened.model, opened.version.name)
    stopped = replace(status_of(opened), phase=Phase.STOPPED, reason=reason, entered_at=time.time())
    wiring.rollouts().save(stopped, opened.lease)


def in_gates(opened: Opened) -> bool:
    """Say whether this release has started nothing yet."""
    status = wiring.rollouts().load(opened.model)
    return status is not None and status.release_id == opened.release_id and status.canary is None


def status_of(opened: Opened) -> RolloutStatus:
    """Return the rollout's status as it is written."""
    status = wiring.rollouts().load(opened.model)
    if status is None:
        raise NotFound(
            f"rollout {opened.release_id}",
            seen="no status",
            expected="the status that `begin` wrote",
            do=f"`slipway release {opened.model}` begins anew",
        )
    return status


def tell(opened: Opened, kind: str, reason: str) -> None:
    """Pass a decision on to whoever listens."""
    wiring.notifier().tell(
        Decision(
            model=opened.model,
            version=opened.version.version,
            release_id=opened.release_id,
            kind=kind,
            reason=reason,
        )
    )
