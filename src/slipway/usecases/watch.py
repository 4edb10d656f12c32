"""Watch what no release drives: bake windows, and rollouts that wait for a person or for data."""

import logging
import time
from collections.abc import Iterator
from uuid import uuid4

from slipway import wiring
from slipway.domain.release.lifecycle import WATCHED, find_release_state, share_watch_time
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import LeaseHeld, LeaseLost
from slipway.ports.rollouts import make_held_error
from slipway.usecases.active_release import ActiveRelease, find_release_spec, resume_release
from slipway.usecases.drive import drive, look_once
from slipway.usecases.leases import keep_lease
from slipway.usecases.record import record_release
from slipway.usecases.retrying import retry_transient

log = logging.getLogger(__name__)

TAKEN_OVER = "taken over by a release or a rollback"
AT_ONCE = 16
"""Models that one run watches side by side."""


def find_watched_models(duration_seconds: float) -> dict[str, float]:
    """Return the models whose rollout bakes or is held, and how many seconds each is watched."""
    return share_watch_time(wiring.get_rollout_store().list_under_way(), duration_seconds, AT_ONCE)


def watch_model(model: str, duration_seconds: float) -> str:
    """Look after one model for a while; return in words what became of it."""
    status = wiring.get_rollout_store().load(model)
    if status is None or status.phase not in WATCHED:
        return "nothing to watch"
    driving = wiring.get_held_leases().find_lease(model)
    if driving is not None:  # perhaps the same release, resumed with a person's answer: its name would let us in
        return f"driven by another: {make_held_error(driving).seen}"
    spec = find_release_spec(model)
    try:
        if status.alone:
            return _learn(spec, status, duration_seconds)
        lease = wiring.get_leases().acquire(model, status.release_id, spec.rollout.lease_seconds)
        with keep_lease(lease, spec.rollout.lease_seconds):
            return _watch(resume_release(status, lease, "watch"), status, duration_seconds)
    except LeaseHeld as taken:
        return f"driven by another: {taken.seen}"
    except LeaseLost as lost:
        log.info("%s", lost)
        return TAKEN_OVER


def _watch(active: ActiveRelease, status: RolloutStatus, duration_seconds: float) -> str:
    before = status.phase
    for _ in _looks(active.spec, duration_seconds):
        status = look_once(active.spec, status, active.lease)
        if status.phase not in WATCHED:
            break
    if status.phase is before:
        return f"{status.phase}: {status.reason}"
    while status.phase.driven:
        status = drive(active.spec, status, active.lease)
    if status.phase is not Phase.SUCCEEDED or before is Phase.HELD:
        retry_transient(record_release, active, find_release_state(status), status.reason, (), status)
    return f"{status.phase}: {status.reason}"


def _learn(spec: ReleaseSpec, before: RolloutStatus, duration_seconds: float) -> str:
    """Look at a first version that serves alone. The lease is free between looks: a release need not wait for it."""
    status, holder = before, f"watch-{uuid4().hex[:8]}"  # two runs that overlap don't take it from each other
    for _ in _looks(spec, duration_seconds):
        lease = wiring.get_leases().acquire(before.model, holder, spec.rollout.lease_seconds)
        try:
            now = wiring.get_rollout_store().load(before.model)
            if now is None or not now.alone:
                return TAKEN_OVER
            status = look_once(spec, now, lease)
        finally:
            wiring.get_leases().release(lease)
        if not status.alone:
            break
    return f"{status.phase}: {status.reason}"


def _looks(spec: ReleaseSpec, duration_seconds: float) -> Iterator[None]:
    """Yield for every look: one at the beginning, the last one at the end, so that the next run's follows as usual."""
    pause, ends = spec.rollout.look_interval_seconds, time.monotonic() + duration_seconds
    yield
    while time.monotonic() + pause / 2 < ends:
        time.sleep(pause)
        yield
