"""One of a kind per process, whichever threads ask first: tasks run side by side."""

import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import TypeVar

T = TypeVar("T")

_LOCK = threading.RLock()
"""One for all: what is made may need another one, and clients are imported on the way."""


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that makes its thing at the first call, in one thread, and returns that one ever after."""
    kept = cache(make)

    @wraps(make)
    def get() -> T:
        with _LOCK:
            return kept()

    return get
