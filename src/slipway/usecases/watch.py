"""Watch: look after what nobody drives: bake windows, and rollouts that wait for a person or for data."""

import time
from collections.abc import Iterator
from uuid import uuid4

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.spec import ReleaseSpec
from slipway.domain.status import Phase, RolloutStatus
from slipway.errors import LeaseHeld, LeaseLost
from slipway.ports.rollouts import held
from slipway.usecases.active_release import Opened, reopened, spec_of
from slipway.usecases.drive import drive, look_once
from slipway.usecases.leases import keeping
from slipway.usecases.record import record, state_of

WATCHED = {Phase.BAKING, Phase.HELD}
TAKEN_OVER = "taken over by a release or a rollback"
AT_ONCE = 16
"""Models that one run watches side by side."""


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
        if status.alone:
            return _learned(spec, status, duration_seconds)
        lease = wiring.leases().acquire(model, status.release_id, spec.rollout.lease_seconds)
        with keeping(lease, spec.rollout.lease_seconds):
            return _watched(reopened(status, lease, "watch"), status, duration_seconds)
    except LeaseHeld as taken:
        return f"driven by another: {taken.seen}"
    except LeaseLost as lost:
        get_run_logger().info("%s", lost)
        return TAKEN_OVER


def times_to_watch(duration_seconds: float) -> dict[str, float]:
    """Return the models whose rollout is baking or held, and how long each is watched.

    First those where something may be taken back. First versions that serve alone share the time where they are many:
    a run that lasts for long would keep the next one from beginning.
    """
    watched = {model: one for model, one in wiring.rollouts().under_way().items() if one.phase in WATCHED}
    alone = [model for model, one in watched.items() if one.alone]
    share = duration_seconds * min(1.0, AT_ONCE / max(1, len(alone)))
    return {model: duration_seconds for model in watched if model not in alone} | dict.fromkeys(alone, share)


def _watched(opened: Opened, status: RolloutStatus, duration_seconds: float) -> str:
    before = status.phase
    for _ in _turns(opened.spec, duration_seconds):
        status = look_once(opened.spec, status, opened.lease)
        if status.phase not in WATCHED:
            break
    if status.phase is before:
        return f"{status.phase}: {status.reason}"
    while status.phase.driven:
        status = drive(opened.spec, status, opened.lease)
    if status.phase is not Phase.SUCCEEDED or before is Phase.HELD:
        record(opened, state_of(status), status.reason, (), status)
    return f"{status.phase}: {status.reason}"


def _learned(spec: ReleaseSpec, before: RolloutStatus, duration_seconds: float) -> str:
    """Look at a first version that serves alone. The lease is free between looks: nobody waits for what only learns."""
    status, holder = before, f"watch-{uuid4().hex[:8]}"  # two runs that overlap don't take it from each other
    for _ in _turns(spec, duration_seconds):
        lease = wiring.leases().acquire(before.model, holder, spec.rollout.lease_seconds)
        try:
            now = wiring.rollouts().load(before.model)
            if now is None or not now.alone:
                return TAKEN_OVER
            status = look_once(spec, now, lease)
        finally:
            wiring.leases().release(lease)
        if not status.alone:
            break
    return f"{status.phase}: {status.reason}"


def _turns(spec: ReleaseSpec, duration_seconds: float) -> Iterator[None]:
    """Yield for every look: one at the beginning, the last one at the end, so that the next run's follows as usual."""
    pause, ends = spec.rollout.look_interval_seconds, time.monotonic() + duration_seconds
    yield
    while time.monotonic() + pause / 2 < ends:
        time.sleep(pause)
        yield
