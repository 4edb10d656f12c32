"""The latest responses to requests that are compared between revisions (shadow), in a ring of fixed size."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

CAPACITY = 4096
"""Responses kept: more than arrive between two analyses at the rates of one revision; about 3 MiB at most."""
VALUES_KEPT = 64
"""Values kept per response: the first ones of the prediction."""


class ComparedAnswers:
    """This revision's responses to compared requests, oldest first.

    >>> ring = ComparedAnswers(capacity=2)
    >>> for name in ("a", "b", "c"):
    ...     ring.record(name, 200, np.array([1.5]), milliseconds=0.8)
    >>> [answer["request_id"] for answer in ring.list_latest()]
    ['b', 'c']
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Keep at most `capacity` responses; a new one replaces the oldest."""
        self._ring: deque[tuple[str, int, list[float | str], float]] = deque(maxlen=capacity)

    def record(
        self, request_id: str, status: int, prediction: NDArray[np.generic] | None, *, milliseconds: float
    ) -> None:
        """Keep one response: HTTP status, the prediction's first values (None: no prediction), and how long it took."""
        values = [] if prediction is None else prediction.ravel()[:VALUES_KEPT].tolist()
        self._ring.append((request_id, status, values, milliseconds))

    def list_latest(self) -> list[dict[str, object]]:
        """Return the responses kept, oldest first."""
        keys = ("request_id", "status", "values", "milliseconds")
        return [dict(zip(keys, answer, strict=True)) for answer in self._ring]
