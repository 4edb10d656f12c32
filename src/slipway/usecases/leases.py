"""Keeping the lease while a release works: a thread renews it, so that only a dead run loses it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from slipway import wiring
from slipway.errors import LeaseLost, SlipwayError
from slipway.ports.rollouts import Lease

log = logging.getLogger(__name__)

PER_LEASE = 3
"""Renewals within one lease: two may fail before it is lost."""


@contextmanager
def keeping(lease: Lease, seconds: float) -> Iterator[None]:
    """Renew the lease, each time for `seconds`, until the block ends; then give it back."""
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(lease, seconds, done), name=f"lease-{lease.model}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        wiring.leases().release(lease)


def _renew(lease: Lease, seconds: float, done: threading.Event) -> None:
    while not done.wait(seconds / PER_LEASE):
        try:
            wiring.leases().renew(lease, seconds)
        except LeaseLost as lost:
            log.warning("%s: %s", lease.holder, lost)  # the next save is refused and ends the run
            return
        except SlipwayError as trouble:
            log.warning("%s: the lease was not renewed: %s", lease.holder, trouble)
