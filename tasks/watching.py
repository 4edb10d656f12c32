"""Watch: look after what nobody drives: bake windows, and rollouts that wait for a person or for data."""

import time

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.status import Phase, RolloutStatus
from slipway.errors import LeaseHeld, LeaseLost
from slipway.ports.rollouts import held
from tasks.lease import keeping
from tasks.looking import drive, look_once
from tasks.opened import Opened, reopened, spec_of
from tasks.record import record, state_of

WATCHED = {Phase.BAKING, Phase.HELD}


@task(name="watch", task_run_name="watch {model}", tags=["slipway"], cache_policy=NO_CACHE)
def watch_model(model: str, duration_seconds: float) -> str:
    """Look after one model for a while; return in words what became of it."""
    status = wiring.rollouts().load(model)
    if status is None or status.phase not in WATCHED:
        return "nothing to watch"
    driving = wiring.leases().current(model)
    if driving is not None:  # maybe the same release, with a person's answer in its hands: its name would let us in
        return f"driven by another: {held(driving).seen}"
    spec = spec_of(model)
    try:
        lease = wiring.leases().acquire(model, status.release_id, spec.rollout.lease_seconds)
    except LeaseHeld as taken:
        return f"driven by another: {taken.seen}"
    try:
        with keeping(lease, spec.rollout.lease_seconds):
            return _watched(reopened(status, lease, "watch"), status, duration_seconds)
    except LeaseLost as lost:
        get_run_logger().info("%s", lost)
        return "taken over by a release or a rollback"


def models_to_watch() -> list[str]:
    """Return the models whose rollout is baking or held."""
    return [model for model, status in wiring.rollouts().under_way().items() if status.phase in WATCHED]


def _watched(opened: Opened, status: RolloutStatus, duration_seconds: float) -> str:
    ends, before = time.monotonic() + duration_seconds, status.phase
    while time.monotonic() < ends and status.phase in WATCHED:
        status = look_once(opened.spec, status, opened.lease)
        time.sleep(opened.spec.rollout.look_interval_seconds)
    if status.phase is before:
        return f"{status.phase}: {status.reason}"
    while status.phase.driven:
        status = drive(opened.spec, status, opened.lease)
    if status.phase is not Phase.SUCCEEDED or before is Phase.HELD:
        record(opened, state_of(status), status.reason, (), status)
    return f"{status.phase}: {status.reason}"
