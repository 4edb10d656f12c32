"""Copies of every request, answered by both versions before the first step: what a shadow phase can show."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.scenario import LATENCY_SIGMA
from benchmarks.decisions.schedule import TICK_SECONDS
from slipway.domain.spec.release import ShadowSpec

Array = NDArray[Any]
Floats = NDArray[np.float64]
MOST_TICKS = int(ShadowSpec().duration_seconds) // TICK_SECONDS
"""No shadow lasts longer, where there is something to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """By tick since the rollout began: (MOST_TICKS, traces) each. Whoever fails does so for itself."""

    requests: Array
    canary: Array
    """Answers of the canary that are of no use."""
    stable: Array
    both: Array
    timed: Array
    """Pairs that neither failed, where times are told; else 0."""
    log_ratios: Floats
    """Sum over them of log(canary's time / stable's)."""
    squares: Floats
    """Sum of its squares."""

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        requests: Array,
        shares: tuple[Floats, Floats],
        *,
        repeats: float = 1.0,
        latency_factor: float | None = None,
    ) -> Self:
        """Draw them for so many requests; `shares` are the canary's and stable's by tick, (ticks, traces or 1)."""
        asked = requests[:MOST_TICKS]
        theirs = _failed(rng, asked, shares[1][:MOST_TICKS], repeats)
        asked = asked + np.maximum(theirs - asked, 0)
        ours = np.minimum(_failed(rng, asked, shares[0][:MOST_TICKS], repeats), asked)
        both = rng.hypergeometric(theirs, asked - theirs, ours)
        timed = asked - ours - theirs + both if latency_factor is not None else np.zeros_like(asked)
        deviation = np.sqrt(2) * LATENCY_SIGMA
        noise = deviation * rng.standard_normal(asked.shape) * np.sqrt(timed)
        mean = np.log(latency_factor or 1.0)
        spread = 2 * deviation**2 * rng.standard_gamma(np.maximum(timed - 1, 0) / 2)
        return cls(
            requests=asked,
            canary=ours,
            stable=theirs,
            both=both,
            timed=timed,
            log_ratios=noise + timed * mean,
            squares=spread + noise**2 / np.maximum(timed, 1) + 2 * mean * noise + timed * mean**2,
        )


def _failed(rng: np.random.Generator, requests: Array, share: Floats, repeats: float) -> Array:
    if repeats == 1:
        return rng.binomial(requests, share)
    first = rng.binomial(requests, share / repeats)
    return first + np.where(first > 0, rng.negative_binomial(np.maximum(first, 1), 1 / repeats), 0)
