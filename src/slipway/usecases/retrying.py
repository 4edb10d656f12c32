"""Retries: of steps that are marked idempotent, after transient errors, a bounded number of times, with growing pauses.

Every runner follows the mark: `usecases.here` retries in this process, `tasks` lets Prefect do it.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from slipway.errors import TransientError

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PAUSES_SECONDS = (1.0, 3.0, 10.0)
"""Before the second, third and fourth try."""
JITTER = 0.3
"""Share of a pause by which it is longer at most: callers that failed together don't return together."""

_IDEMPOTENT: set[Callable[..., Any]] = set()


def idempotent(step: Callable[P, T]) -> Callable[P, T]:
    """Mark a step that may be done twice without harm."""
    _IDEMPOTENT.add(step)
    return step


def is_idempotent(step: Callable[..., Any]) -> bool:
    """Return whether a step may be done twice without harm."""
    return step in _IDEMPOTENT


def retry_transient(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call an idempotent step; after a TransientError call it again, four times in all."""
    for pause in PAUSES_SECONDS:
        try:
            return step(*args, **kwargs)
        except TransientError as trouble:
            log.warning("%s: %s", step.__name__, trouble)
            time.sleep(pause * (1 + JITTER * random.random()))  # noqa: S311 - no secret
    return step(*args, **kwargs)
