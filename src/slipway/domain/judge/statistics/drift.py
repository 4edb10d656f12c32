"""Data drift: whether live inputs are distributed as the validation set was, column by column.

The validation set is finite, and no two days are the same: a test of exact equality would certainly reject once there
is enough traffic. So the null hypothesis has a tolerance ("room"). With q the profile's (smoothed) shares of R rows
over K bins, a live distribution p counts as undrifted where

    KL(q || p)  <=  tolerance / 2  +  chi2_(K-1; 1 - UNLUCKY) / (2 R)

PSI is KL(p || q) + KL(q || p), so for small shifts the first part is "PSI up to the tolerance"; the second is the
uncertainty of R rows (2 R KL(q || p) is about chi-square for the p that the rows were drawn from).

The e-value of a column is universal inference (Wasserman, Ramdas & Balakrishnan, arXiv 1912.11436): with live counts c

    E = Dirichlet-multinomial probability of c  /  largest probability of c under any undrifted p

For every undrifted p the denominator is at least p's own probability, so E is at most a likelihood ratio, however often
it is checked. The largest has a dual: for any weight l >= 0 its log is at most

    sum_j (c_j + l q_j) log((c_j + l q_j) / (n + l))  -  l sum_j q_j log q_j  +  l room

and its minimum is searched for from a grid of weights: never less than the largest, so E is never too large.
That distance is insensitive to new mass where the profile has next to none. So two shares have a limit of their own, in
the null hypothesis and in the e-value (half the ball's, a quarter each of these): the last two bins, that is any other
value (of numbers: the topmost) and what is missing. The limit is the u with u log(u/v) + (1-u) log((1-u)/(1-v)) =
tolerance / 2, v the upper limit (Clopper-Pearson, 1 - UNLUCKY) for R rows.

The e-value of all columns is their mean. Only counts so far matter, so looks may be split in any way.

What breaks it: rows that depend on each other. A client's burst of a hundred equal rows counts as a hundred
observations instead of one: counts are divided by the number of rows per request (`rows_together`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from operator import add
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainccinv, chdtri, gammaln, xlog1py, xlogy

from slipway.domain.judge.profile import ColumnProfile

Floats = NDArray[np.float64]

PSI_MODERATE, PSI_LARGE = 0.1, 0.25
"""By convention: below the first nothing changed, above the second the population is a different one."""
MOST_EDGES: Final = 9
MOST_CATEGORIES: Final = 20
UNLUCKY: Final = 0.001
"""Probability, per column, that the profile's rows are further from their distribution than is allowed for."""
PRIORS: Final = (5.0, 50.0)
"""Weights, in rows, of the profile in the two alternatives: wide, and near the profile."""
_DUALS: Floats = np.geomspace(0.02, 500, 9)
"""Weights l of the dual, as multiples of the live rows, from which its minimum is searched for."""
_NEWTON_STEPS: Final = 5
_NEAR, _TINY = 1e-6, 1e-100  # relative distance within which a number is the same constant; stands for 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftEvidence:
    """Live rows per bin so far, by column."""

    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    requests: int = 0
    """Requests that held the rows; 0: not known."""

    @property
    def rows_together(self) -> float:
        """Mean rows per request; 1 if not known.

        >>> DriftEvidence(counts={"x": (30, 10)}, requests=4).rows_together
        10.0
        """
        rows = max(map(sum, self.counts.values()), default=0)
        return max(1.0, rows / self.requests) if self.requests else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDrift:
    """The column that drifted most."""

    name: str
    psi: float
    evidence: float
    """E-value against "this column did not drift beyond the tolerance"."""
    overall: float
    """The same for all columns, as `drift_evidence_against` returns it, computed in the same pass."""


def profile_of(name: str, values: NDArray[Any]) -> ColumnProfile:
    """Return the profile of one column of the validation set; `values` has shape (rows,).

    Numbers get up to nine edges near the deciles, halfway between two values that occur (rounding to 32 bits moves no
    value across); a constant gets one on each side. Anything else gets its 20 most frequent values, as text.

    >>> profile_of("age", np.array([20.0, 30.0, 30.0, np.nan])).edges
    (25.0,)
    >>> profile_of("city", np.array(["Bonn", "Rome", "Bonn", None], dtype=object)).counts
    (2, 1, 0, 1)
    """
    if values.dtype.kind in "iuf":
        return _profile_numbers(name, values.astype(float))
    present = [str(value) for value in values.tolist() if not _is_missing(value)]
    labels, often = np.unique(np.array(present, dtype=str), return_counts=True)
    order = sorted(range(len(labels)), key=lambda at: (-int(often[at]), str(labels[at])))[:MOST_CATEGORIES]
    counts = [int(often[at]) for at in order]
    rest = len(present) - sum(counts)
    categories, missing = tuple(str(labels[at]) for at in order), len(values) - len(present)
    return ColumnProfile(name=name, categories=categories, counts=(*counts, rest, missing))


def compute_psi(profile: Sequence[int], live: Sequence[int]) -> float:
    """Return the population stability index of two rows of counts, half a row added to each bin.

    Below `PSI_MODERATE` little changed, above `PSI_LARGE` much. 0 before any live row.

    >>> round(compute_psi((50, 50), (50, 50)), 3), round(compute_psi((500, 500), (700, 300)), 3)
    (0.0, 0.169)
    """
    if not sum(live):
        return 0.0
    before, after = _smooth_shares(np.array(profile, dtype=float)), _smooth_shares(np.array(live, dtype=float))
    return float(((after - before) * np.log(after / before)).sum())


def add_rows(evidence: DriftEvidence, news: Mapping[str, tuple[int, ...]], requests: int = 0) -> DriftEvidence:
    """Return the evidence after one more look; the counts are of rows since the last one, by column.

    `requests` are those that held the rows; 0: not known.

    Raises ValueError where a count is below 0 or a column's number of bins is not as before.
    """
    before = evidence.counts
    for name, counts in news.items():
        if len(counts) != len(before.get(name, counts)) or not counts or min(counts) < 0:
            message = f"column {name}: {counts} after {before.get(name)}; need as many bins as before, none below 0"
            raise ValueError(message)
    grown = {name: tuple(map(add, before[name], more)) if name in before else more for name, more in news.items()}
    return DriftEvidence(counts={**before, **grown}, requests=evidence.requests + requests)


def drift_evidence_against(
    evidence: DriftEvidence, profiles: tuple[ColumnProfile, ...], tolerance: float, rows_together: float = 1.0
) -> float:
    """Return the e-value against "no column drifted beyond the tolerance" (a PSI); 1 without evidence."""
    values = _by_column(evidence, profiles, tolerance, rows_together)
    return float(values.mean()) if len(values) else 1.0


def find_most_drifted(
    evidence: DriftEvidence, profiles: tuple[ColumnProfile, ...], tolerance: float, rows_together: float = 1.0
) -> ColumnDrift | None:
    """Return the column with the largest e-value; None if there are no columns."""
    values = _by_column(evidence, profiles, tolerance, rows_together)
    if not profiles:
        return None
    profile = profiles[int(values.argmax())]
    distance = compute_psi(profile.counts, evidence.counts.get(profile.name, ()))
    return ColumnDrift(name=profile.name, psi=distance, evidence=float(values.max()), overall=float(values.mean()))


def largest_psi(evidence: DriftEvidence, profiles: tuple[ColumnProfile, ...]) -> float | None:
    """Return the largest PSI of any column; None before any live row."""
    seen = [(p.counts, evidence.counts[p.name]) for p in profiles if any(evidence.counts.get(p.name, ()))]
    return max(compute_psi(*pair) for pair in seen) if seen else None


@dataclass(frozen=True, slots=True)
class _Null:
    """What can be prepared from the profiles and the tolerance: arrays of columns (by bins; short ones padded)."""

    bins: NDArray[np.bool_]  # where a column has a bin
    shares: Floats  # q; 0 where a column has no bin
    entropies: Floats  # sum of q log q
    room: Floats  # how far a live distribution may be from the profile
    priors: Floats  # Dirichlet weights, alternatives by columns by bins; 1 where a column has no bin
    prior_logs: Floats  # log of the Dirichlet distributions' constants, alternatives by columns
    last: NDArray[np.int_]  # the last two bins, columns by two
    limits: Floats  # the largest undrifted share of these


@lru_cache(maxsize=16)
def _prepare_null(profiles: tuple[ColumnProfile, ...], tolerance: float) -> _Null:
    most = max(len(profile.counts) for profile in profiles)
    sizes = np.array([len(profile.counts) for profile in profiles])
    shares = np.zeros((len(profiles), most))
    for row, profile in zip(shares, profiles, strict=True):
        row[: len(profile.counts)] = _smooth_shares(np.array(profile.counts, dtype=float))
    rows = np.array([sum(profile.counts) for profile in profiles])
    last_counts = np.array([profile.counts[-2:] for profile in profiles])
    rest = np.maximum(rows[:, None] - last_counts, 1e-9)
    weights = np.array(PRIORS)[:, None]
    priors = np.where(shares > 0, weights[:, :, None] * shares, 1.0)
    return _Null(
        bins=np.arange(most) < sizes[:, None],
        shares=shares,
        entropies=xlogy(shares, shares).sum(axis=1),
        room=chdtri(sizes - 1, UNLUCKY) / (2 * np.maximum(rows, 1)) + tolerance / 2,
        priors=priors,
        prior_logs=gammaln(weights) - gammaln(priors).sum(axis=2),
        last=sizes[:, None] - np.array([2, 1]),
        limits=_find_limits(np.asarray(betainccinv(last_counts + 1, rest, UNLUCKY)), tolerance),
    )


def _by_column(
    evidence: DriftEvidence, profiles: tuple[ColumnProfile, ...], tolerance: float, rows_together: float
) -> Floats:
    """Return one e-value per profile, at most 1e300; 1 for a column without live rows."""
    if not profiles:
        return np.ones(0)
    null = _prepare_null(profiles, tolerance)
    counts = [evidence.counts.get(profile.name) or (0,) * len(profile.counts) for profile in profiles]
    for profile, bins in zip(profiles, counts, strict=True):
        if len(bins) != len(profile.counts):
            message = f"column {profile.name}: {len(bins)} bins live, {len(profile.counts)} in the profile"
            raise ValueError(message)
    live = np.zeros_like(null.shares)
    live[null.bins] = np.fromiter(chain.from_iterable(counts), dtype=float)
    live /= rows_together
    ball = _log_alternative(null, live) - _log_largest(null, live)
    last = _log_shares(np.take_along_axis(live, null.last, axis=1), live.sum(axis=1), null.limits)
    return np.asarray(np.exp(np.minimum(ball, 690.0)) / 2 + np.exp(np.minimum(last, 690.0)).mean(axis=1) / 2)


def _find_limits(largest: Floats, tolerance: float) -> Floats:
    """Return the largest undrifted shares, by bisection from the largest that the profile's rows leave open."""
    low, high = largest, np.ones_like(largest)
    for _ in range(60):
        middle = (low + high) / 2
        far = xlogy(middle, middle / largest) + xlog1py(1 - middle, -middle) - xlog1py(1 - middle, -largest)
        low, high = np.where(far <= tolerance / 2, middle, low), np.where(far <= tolerance / 2, high, middle)
    return high


def _log_shares(counts: Floats, totals: Floats, limits: Floats) -> Floats:
    """Return the log e-values against "the share is at most the limit": beta-binomial over the likeliest such share."""
    rest = totals[:, None] - counts
    likeliest = np.minimum(counts / np.maximum(totals, 1e-9)[:, None], limits)
    largest = xlogy(counts, likeliest) + xlog1py(rest, -likeliest)
    mixture: Floats = gammaln(counts + 0.5) + gammaln(rest + 0.5) - gammaln(totals + 1)[:, None] - math.log(math.pi)
    return mixture - largest


def _log_alternative(null: _Null, live: Floats) -> Floats:
    """Return the log-probability of the live rows in their order, the mean over the alternatives, by column."""
    logs = gammaln(live + null.priors).sum(axis=2) + null.prior_logs
    logs -= gammaln(np.array(PRIORS)[:, None] + live.sum(axis=1))
    return np.asarray(np.logaddexp.reduce(logs, axis=0) - math.log(len(PRIORS)))


def _log_largest(null: _Null, live: Floats) -> Floats:
    """Return at least the largest log-probability that an undrifted distribution gives the live rows, by column.

    The dual is convex in its weight: from the best of the grid some steps of Newton's method approach its minimum.
    Every weight on the way gives a bound too, so convergence is not needed.
    """
    totals = np.maximum(live.sum(axis=1), _TINY)
    weights = _DUALS[:, None] * totals
    bounds = _dual_values(null, live, weights)
    best = np.take_along_axis(weights, bounds.argmin(axis=0)[None], axis=0)
    least = bounds.min(axis=0)
    for _ in range(_NEWTON_STEPS):
        both = live + best[..., None] * np.maximum(null.shares, _TINY)
        slope = (null.shares * np.log(both)).sum(axis=-1) - np.log(totals + best) + null.room - null.entropies
        bend = (null.shares**2 / both).sum(axis=-1) - 1 / (totals + best)
        best = np.clip(best - slope / np.maximum(bend, _TINY), best / 3, best * 3)
        least = np.minimum(least, _dual_values(null, live, best)[0])
    return np.asarray(least)


def _dual_values(null: _Null, live: Floats, weights: Floats) -> Floats:
    """Return the dual at some weights by column: shape (weights, columns)."""
    both = live + weights[..., None] * np.maximum(null.shares, _TINY)
    whole = live.sum(axis=1) + weights
    bounds = np.einsum("wcb,wcb->wc", both, np.log(both)) - whole * np.log(whole)
    bounds += weights * (null.room - null.entropies)
    return np.asarray(bounds)


def _profile_numbers(name: str, values: Floats) -> ColumnProfile:
    present, numbers = values[np.isfinite(values)], values[~np.isnan(values)]
    edges = _find_edges(present) if len(present) else np.zeros(0)
    counts = np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1).tolist()
    return ColumnProfile(name=name, edges=tuple(edges.tolist()), counts=(*counts, len(values) - len(numbers)))


def _find_edges(present: Floats) -> Floats:
    distinct = np.unique(present)
    if len(distinct) == 1:
        near = max(abs(float(distinct[0])) * _NEAR, _NEAR)
        return np.array([distinct[0] - near, distinct[0] + near])
    deciles = np.quantile(present, np.linspace(0, 1, MOST_EDGES + 2)[1:-1], method="inverted_cdf")
    at = np.minimum(np.searchsorted(distinct, deciles), len(distinct) - 2)
    return np.unique(distinct[at] / 2 + distinct[at + 1] / 2)


def _smooth_shares(counts: Floats) -> Floats:
    """Half a row is added to each bin: a bin that was never seen is rare, not impossible."""
    return np.asarray((counts + 0.5) / (counts.sum() + counts.size / 2))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
