"""How long one look takes."""

import time

import numpy as np

from benchmarks.decisions.schedule import TICKS_PER_MINUTE
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.statistics import counts
from slipway.domain.spec.judge import RateGuard


def look_milliseconds(metrics: int = 20, looks: int = 300) -> float:
    """Return the median time of one look at so many metrics: new counts weighed, evidence on both sides read."""
    guards = [RateGuard(margin=1 + number / 100) for number in range(metrics)]
    one = counts.CountDelta(canary=Counters(requests=100, errors=3), stable=Counters(requests=900, errors=20))
    state, took = [counts.NOTHING] * metrics, []
    for number in range(looks):
        began = time.perf_counter()
        state = counts.update_counts(state, [one] * metrics, guards, number // TICKS_PER_MINUTE, 0.0)
        counts.log_evidence(state, guards, 0.0)
        took.append(time.perf_counter() - began)
    return round(1000 * float(np.median(took)), 3)
