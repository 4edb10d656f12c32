"""Keeping the lease while a release works: a thread renews it, so that only a dead run loses it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from slipway import wiring
from slipway.errors import LeaseLost, SlipwayError
from tasks.begin import Opened

log = logging.getLogger(__name__)

PER_LEASE = 3
"""Renewals within one lease: two may fail before it is lost."""


@contextmanager
def keeping(opened: Opened) -> Iterator[None]:
    """Renew the lease until the block ends, then give it back."""
    done = threading.Event()
    thread = threading.Thread(target=_renew, args=(opened, done), name=f"lease-{opened.model}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        wiring.leases().release(opened.lease)


def _renew(opened: Opened, done: threading.Event) -> None:
    seconds = opened.spec.rollout.lease_seconds
    while not done.wait(seconds / PER_LEASE):
        try:
            wiring.leases().renew(opened.lease, seconds)
        except LeaseLost as lost:
            log.warning("%s: %s", opened.release_id, lost)  # the next save is refused and ends the run
            return
        except SlipwayError as trouble:
            log.warning("%s: the lease was not renewed: %s", opened.release_id, trouble)
