"""Waiting for a condition, with a bound."""

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.02


def wait_until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Check repeatedly until the condition holds; False when the time is over.

    >>> wait_until(lambda: True, 0.0)
    True
    >>> wait_until(lambda: False, 0.01)
    False
    """
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
