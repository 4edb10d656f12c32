"""The lease that gives one process the right to move a model's traffic: taking it, and keeping it while it works."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from slipway import wiring
from slipway.domain.release.lifecycle import Entry, decide_entry
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import LeaseHeld, LeaseLost, PermanentError, SlipwayError
from slipway.ports.rollouts import Lease

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Time between two tries to take a lease that another release holds."""
PER_LEASE = 3
"""Renewals within one lease: two may fail before it is lost."""


def take_lease(spec: ReleaseSpec, version: int, release_id: str) -> Lease:
    """Take the model's lease for a release; if another release holds it, wait or supersede it, as the spec has it.

    Raises PermanentError while a newer version is being released.
    """
    while True:
        lease, holder = _try_to_acquire(spec, release_id)
        status = wiring.get_rollout_store().load(spec.model)
        entry = decide_entry(version, release_id, status, lease_taken=lease is None, while_busy=spec.rollout.while_busy)
        if lease is not None and entry is Entry.BEGIN:
            return lease
        if lease is not None:
            wiring.get_leases().release(lease)
        if entry is Entry.REFUSE:
            raise _refuse_older(spec.model, version, release_id, status.version if status else 0)
        if entry is Entry.SUPERSEDE:
            wiring.get_held_leases().ask_to_yield(spec.model, version)
        log.info("%s waits: %s", release_id, holder or "an earlier release is held")
        time.sleep(POLL_SECONDS)


def _try_to_acquire(spec: ReleaseSpec, release_id: str) -> tuple[Lease | None, str]:
    """Return the lease, or None and which release holds it."""
    try:
        return wiring.get_leases().acquire(spec.model, release_id, spec.rollout.lease_seconds), ""
    except LeaseHeld as held:
        return None, held.seen


def _refuse_older(model: str, version: int, release_id: str, newer: int) -> PermanentError:
    return PermanentError(
        f"release {release_id}",
        seen=f"version {newer} is being released already",
        expected="no newer version under way",
        do=f"wait for its end, then `slipway release {model} --version {version}`",
    )


@contextmanager
def keep_lease(lease: Lease, seconds: float) -> Iterator[None]:
    """Renew the lease, each time for `seconds`, until the block ends; then give it back."""
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(lease, seconds, done), name=f"lease-{lease.model}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        wiring.get_leases().release(lease)


def _renew(lease: Lease, seconds: float, done: threading.Event) -> None:
    while not done.wait(seconds / PER_LEASE):
        try:
            wiring.get_leases().renew(lease, seconds)
        except LeaseLost as lost:
            log.warning("%s: %s", lease.holder, lost)  # the next save is refused and ends the release
            return
        except SlipwayError as trouble:
            log.warning("%s: the lease was not renewed: %s", lease.holder, trouble)
