"""Time and weights of the decision benchmark: ticks of ten seconds, an hour of them, and the weights that rules use."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TICK_SECONDS = 10
TICKS = 360
"""The default plan (2,100 s) and 1,500 s of waiting."""
TICKS_PER_MINUTE = 60 // TICK_SECONDS
WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Every weight that any rule uses. A request with mark u goes to the canary when u < weight."""
NOTHING, EVERYTHING = 0, len(WEIGHTS) - 1
"""Indices into WEIGHTS."""

Steps = tuple[tuple[float, int], ...]
"""(weight, seconds) in order."""
PLAN: Steps = ((0.01, 300), (0.05, 600), (0.25, 600), (0.5, 600))
"""Slipway's default plan; 100 % follows."""
PLAN_TICKS = sum(seconds for _, seconds in PLAN) // TICK_SECONDS

Path = NDArray[np.int8]
"""Index into WEIGHTS by tick, (TICKS,) or (TICKS, traces): what a rule sends to the canary while it has not decided."""


def path_of(steps: Sequence[tuple[float, int]]) -> Path:
    """Return the path of fixed steps; the last weight is kept until the end of time.

    >>> path_of(PLAN)[[0, 29, 30, 210]].tolist()
    [1, 1, 3, 9]
    """
    path = np.full(TICKS, index_of(steps[-1][0]), dtype=np.int8)
    begin = 0
    for weight, seconds in steps:
        path[begin : begin + seconds // TICK_SECONDS] = index_of(weight)
        begin += seconds // TICK_SECONDS
    return path


def index_of(weight: float) -> int:
    """Return where a weight is in WEIGHTS; raise ValueError for one that traces are not cut at."""
    if weight not in WEIGHTS:
        message = f"weight {weight} is not in {WEIGHTS}: add it there, traces are cut at those only"
        raise ValueError(message)
    return WEIGHTS.index(weight)
