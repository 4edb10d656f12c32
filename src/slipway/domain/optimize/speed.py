"""Whether one form of a model is faster than another, from paired measurements, and which one ships."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from slipway.domain.optimize.conversion import Optimized, Variant
from slipway.domain.verdict import Outcome

RESAMPLES = 4000
"""Bootstrap resamples: the ends of a 95 % interval then move by well under 1 % between seeds."""
GAIN = 1.02
"""Least speedup that is worth shipping another file: the whole interval must lie above it. A file measured against
itself 24 times gave two intervals beside 1 (their near ends 0.996 and 1.001), none above 1.02."""


def paired_speedup(
    plain_seconds: NDArray[np.float64], variant_seconds: NDArray[np.float64], *, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Return the median of the paired ratios plain / variant, with a percentile bootstrap interval (median, low, high).

    Pairs come from the same round, so slow moments of the machine cancel. The same seed gives the same interval.
    Raises ValueError for pairs that do not match, are none, or hold a time that is not above zero.

    >>> paired_speedup(np.array([2.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0]), confidence=0.95, seed=1)
    (2.0, 2.0, 2.0)
    """
    if plain_seconds.shape != variant_seconds.shape or plain_seconds.ndim != 1 or not len(plain_seconds):
        message = f"need pairs, got {plain_seconds.shape} and {variant_seconds.shape} times"
        raise ValueError(message)
    if not (np.isfinite(plain_seconds).all() and np.isfinite(variant_seconds).all()):
        message = "times must be finite"
        raise ValueError(message)
    if min(plain_seconds.min(), variant_seconds.min()) <= 0:
        message = "times must be above zero"
        raise ValueError(message)
    ratios = plain_seconds / variant_seconds
    picks = np.random.default_rng(seed).integers(0, len(ratios), size=(RESAMPLES, len(ratios)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.median(ratios[picks], axis=1), [tail, 1 - tail])
    return float(np.median(ratios)), float(low), float(high)


def choose_variant(table: Sequence[Variant], *, confidence: float) -> Optimized:
    """Choose the fastest variant that keeps parity and is faster with confidence; else plain, the table's first.

    Raises ValueError for a table that does not begin with `plain`.
    """
    if not table or table[0].name != "plain":
        message = "the table must begin with the plain model"
        raise ValueError(message)
    measured = [row for row in table[1:] if row.median_microseconds and _keeps_parity(row)]
    faster = [row for row in measured if row.speedup_low > GAIN]
    chosen = max(faster, key=lambda row: row.speedup, default=table[0])
    return Optimized(chosen=chosen, table=tuple(table), reason=_describe_choice(table, measured, chosen, confidence))


def _keeps_parity(row: Variant) -> bool:
    return row.parity is not None and row.parity.outcome is Outcome.PASS


def _describe_choice(table: Sequence[Variant], measured: Sequence[Variant], chosen: Variant, confidence: float) -> str:
    sure = f"with {confidence * 100:g} % confidence"
    if chosen is not table[0]:
        return f"{_describe_speed(chosen)}: faster than plain {sure}"
    if measured:
        shown = "; ".join(map(_describe_speed, measured))
        return f"nothing is over {GAIN - 1:.0%} faster than plain {sure}: {shown}"
    notes = "; ".join(f"{row.name}: {row.note}" for row in table[1:])
    return (
        f"plain ships: no variant could be compared ({notes})" if notes else "plain ships: the spec requests no variant"
    )


def _describe_speed(row: Variant) -> str:
    """Describe one row's speed: `graph 1.01x (0.98 to 1.03)`."""
    return f"{row.name} {row.speedup:.2f}x ({row.speedup_low:.2f} to {row.speedup_high:.2f})"
