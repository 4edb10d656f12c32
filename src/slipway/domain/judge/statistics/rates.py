r"""How often two arms fail: the log-likelihood of the ratio of their rates, one look at a time.

In one look the canary had n_c requests and x events (errors, slow answers, wrong labels), stable n_s and y. For a ratio
w of the two rates, each event is the canary's with probability p(w) = n_c w / (n_c w + n_s), and

    l(w) = x log p(w) + y log(1 - p(w)).

exp(l(w1) - l(w0)) is an e-value against "ratio <= w0" for every w1 > w0, and against "ratio >= w0" for every w1 < w0:
let a = p(w1)/p(w0) and b = (1 - p(w1))/(1 - p(w0)). Requests fail independently, request i with probability q_i, so the
expectation is prod(1 + q_i (a - 1)) over the canary's times prod(1 + q_i (b - 1)) over stable's, at most
exp((a - 1) Q_c + (b - 1) Q_s) with the expected events Q of each arm; and (a - 1) n_c w0 + (b - 1) n_s = 0. So it is at
most 1 whenever Q_c/n_c <= w0 Q_s/n_s (a > 1), however the rates differ between requests or drift between looks, and
whatever the weights do. Nothing is approximated; the conditional version of this test (Fisher's non-central
hypergeometric, arXiv 2302.11401) requires that all requests of an arm are alike and costs a sum per look.

`l` adds up over looks. With a constant share n_c/n_s only the sums of x and y matter, not how they were split into
looks.

Every function works on arrays: leading dimensions are metrics (or, in a benchmark, simulated rollouts).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Floats = NDArray[np.float64]

STEPS_PER_DOUBLING = 4
WIDEST = 128.0
"""Ratios beyond 128 and 1/128 are distinguished from 1 as soon as 128 is."""
FARTHEST = 8.0
"""Most alternatives lie within 8 times the null."""
BROKEN = 0.2
"""Prior weight of those farther off: a canary that fails on half of its requests is found within few of them."""
NEAREST = 1.05
"""Alternatives closer to the null than this can't be distinguished from it within any rollout."""
EQUAL = 0.5
"""Prior weight of the alternative nearest to "as good as stable" in the evidence for the canary: most versions are. The
guarantee is the same with any weights; with equal weights equal canaries pass later (docs/decisions/0019)."""
RARE, COMMON = 0.5, 0.95
"""Weight of passing by the ratio, the rest on passing by a negligible share: where stable's own events are rarer than
negligible, and where they are not. There a canary that is no better can't pass the second way."""
NEARER = 1.1
"""A canary passes by its ratio only while halfway to the tolerance explains its errors at most exp(-NEARER) as well as
the margin does: then few canaries in between are promoted, and equal ones hardly later (docs/decisions/0019)."""
SMALLER = np.array([1 / 64, 1 / 16, 1 / 4, 1 / 2])
"""Alternatives to a negligible rate, as multiples of it."""
_BETWEEN = np.linspace(0, 1, 16, endpoint=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The ratios that likelihoods are kept for; the last two are the margin and the tolerance."""

    ratios: Floats
    """Shape (..., ratios)."""
    worse: Floats
    """Log prior weight of each as an alternative to "ratio <= margin"; minus infinity: none. Same shape."""
    fine: Floats
    """Log prior weight of each as an alternative to "ratio >= tolerance". Same shape."""
    halfway: Floats
    """Weights that pick the ratio halfway (geometric mean) from margin to tolerance out of a log-likelihood: linear
    between the two points beside it. Same shape."""


@lru_cache(maxsize=64)
def grid_of(margin: float, tolerance: float) -> Grid:
    """Return the grid for one metric: log-spaced over 1/128..128, then `margin` and `tolerance`.

    >>> grid_of(1.0, 1.5).ratios[[0, 28, -2, -1]].round(4).tolist()
    [0.0078, 1.0, 1.0, 1.5]
    """
    count = round(2 * np.log2(WIDEST) * STEPS_PER_DOUBLING) + 1
    spaced = np.geomspace(1 / WIDEST, WIDEST, count)
    above, far = spaced > NEAREST * margin, spaced > FARTHEST * NEAREST * margin
    below = (spaced < tolerance / NEAREST) & (spaced > tolerance / FARTHEST / NEAREST)
    equal = np.argmin(np.where(below, np.abs(np.log(spaced)), np.inf))
    fine = (1 - EQUAL) * below / below.sum() + EQUAL * (np.arange(count) == equal)
    worse = (1 - BROKEN) * (above & ~far) / (above & ~far).sum() + BROKEN * far / far.sum()
    return Grid(
        ratios=np.append(spaced, [margin, tolerance]),
        worse=_log_prior(worse),
        fine=_log_prior(fine),
        halfway=np.append(_interpolation_weights(spaced, np.sqrt(margin * tolerance)), [0.0, 0.0]),
    )


def stack_grids(grids: tuple[Grid, ...]) -> Grid:
    """Return the grids of several metrics as one, with a leading dimension."""
    return Grid(
        ratios=np.stack([grid.ratios for grid in grids]),
        worse=np.stack([grid.worse for grid in grids]),
        fine=np.stack([grid.fine for grid in grids]),
        halfway=np.stack([grid.halfway for grid in grids]),
    )


def log_likelihoods(x: Floats, y: Floats, n_c: Floats, n_s: Floats, grid: Grid) -> Floats:
    """Return l(w), shape (..., ratios); zero where an arm had no request: such a look carries no information."""
    weighted = n_c[..., None] * grid.ratios
    share = weighted / np.maximum(weighted + n_s[..., None], 1e-300)
    both = ((n_c > 0) & (n_s > 0))[..., None]
    return np.where(both, xlogy(x[..., None], share) + xlogy(y[..., None], 1 - share), 0.0)


def small_likelihoods(x: Floats, n_c: Floats, null: Floats) -> Floats:
    """Return log-likelihood ratios against "the canary's rate is at least `null`", one per multiple in SMALLER."""
    rates = null[..., None] * SMALLER
    good = (n_c - x)[..., None]
    ratios: Floats = x[..., None] * np.log(SMALLER) + good * (np.log1p(-rates) - np.log1p(-null)[..., None])
    return ratios


def log_evidence_against(total: Floats, grid: Grid) -> Floats:
    """Return the log e-value against "ratio <= margin": the mean over the alternatives above it."""
    return log_mixed(total, grid.worse) - total[..., -2]


def log_evidence_for(total: Floats, grid: Grid) -> Floats:
    """Return the log e-value against "ratio >= tolerance": the mean over the alternatives below it."""
    return log_mixed(total, grid.fine) - total[..., -1]


def fits_margin(total: Floats, grid: Grid) -> NDArray[np.bool_]:
    """Return whether the counts fit the margin clearly better than the ratio halfway to the tolerance."""
    halfway = np.einsum("...r,...r->...", total, np.broadcast_to(grid.halfway, total.shape))
    clearly: NDArray[np.bool_] = halfway - total[..., -2] <= -NEARER
    return clearly


def log_passing(total: Floats, grid: Grid) -> Floats:
    """Return `log_evidence_for` if the counts fit the margin (`fits_margin`), else at most 0: no evidence for it.

    It is never more than `log_evidence_for`, so a canary beyond the tolerance passes no more often.
    """
    evidence_for = log_evidence_for(total, grid)
    return np.where(fits_margin(total, grid), evidence_for, np.minimum(evidence_for, 0.0))


def log_under(total: Floats, grid: Grid, ratios: Floats) -> Floats:
    """Return the log e-value against "ratio >= `ratios`", which may be any between 1/16 and 128: shape (...).

    The null is the grid's point at it or next below it, so that it holds for every ratio from there on; the
    alternatives are the points below that, down to a quarter.
    """
    spaced = grid.ratios[..., :-2]
    at = np.maximum(np.searchsorted(spaced, ratios * (1 + 1e-9), side="right") - 1, 0)
    below = np.arange(spaced.shape[-1]) - at[..., None]
    fine = (below < 0) & (below >= -2 * STEPS_PER_DOUBLING)
    weights = np.where(fine, -np.log(2 * STEPS_PER_DOUBLING), -np.inf)
    null: Floats = np.take_along_axis(total, at[..., None], axis=-1)[..., 0]
    under: Floats = log_mixed(total[..., :-2], weights) - null
    return under


def ratio_interval(total: Floats, grid: Grid, alpha: float) -> tuple[float, float]:
    """Return the anytime-valid interval of the ratio at level 1 - alpha, for one metric: shape (ratios,).

    All ratios w0 whose e-value against "ratio = w0" (the mean over the grid) stays under 1/alpha; between two points of
    the grid l is drawn as a parabola. Where it reaches the grid's end, it is open: 0 or infinity.
    """
    spaced, logs = grid.ratios[:-2], total[:-2]
    bends = np.diff(logs, 2)
    bends = np.minimum(0.0, np.append(bends[:1], bends) + np.append(bends, bends[-1:])) / 2
    rise = logs[:-1, None] + np.diff(logs)[:, None] * _BETWEEN - bends[:, None] * _BETWEEN * (1 - _BETWEEN) / 2
    heights = np.append(rise.ravel(), logs[-1])
    at = np.append((spaced[:-1, None] * (spaced[1] / spaced[0]) ** _BETWEEN).ravel(), spaced[-1])
    kept = np.flatnonzero(log_mean(logs) - heights < -np.log(alpha))
    low, high = int(kept[0]), int(kept[-1])
    return (float(at[low - 1]) if low else 0.0, float(at[high + 1]) if high + 1 < len(at) else float("inf"))


def likeliest_ratio(total: Floats, grid: Grid) -> float:
    """Return the likeliest ratio, for one metric: the top of a parabola through the grid's best three points.

    0 or infinity where the likelihood still rises at the grid's end; NaN if nothing is known.
    """
    spaced, logs = np.log(grid.ratios[:-2]), total[:-2]
    if np.ptp(logs) == 0:
        return float("nan")
    best = int(np.argmax(logs))
    if best in {0, len(spaced) - 1}:
        return 0.0 if best == 0 else float("inf")
    left, here, right = logs[best - 1], logs[best], logs[best + 1]
    bend = left - 2 * here + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(np.exp(spaced[best] + shift * (spaced[1] - spaced[0])))


def log_mixed(logs: Floats, weights: Floats) -> Floats:
    """Return log(sum(exp(weights + logs))) over the last axis, without overflow."""
    sums = logs + weights
    top = sums.max(axis=-1)
    mixed: Floats = top + np.log(np.exp(sums - top[..., None]).sum(axis=-1))
    return mixed


def log_mean(logs: Floats) -> Floats:
    """Return log(mean(exp(logs))) over the last axis: e-values mixed with equal weights."""
    return log_mixed(logs, np.full(logs.shape[-1], -np.log(logs.shape[-1])))


def log_pass(by_ratio: Floats, by_share: Floats, rare: NDArray[np.bool_]) -> Floats:
    """Return the log e-value for the canary by its ratio or by a negligible share, with the weights of `ratio_weight`.

    >>> np.exp(log_pass(np.log([30.0, 30.0]), np.log([2.0, 2.0]), np.array([True, False]))).round(2).tolist()
    [16.0, 28.6]
    """
    ratio = ratio_weight(rare)
    passing: Floats = np.logaddexp(by_ratio + np.log(ratio), by_share + np.log(1 - ratio))
    return passing


def ratio_weight(rare: NDArray[np.bool_]) -> Floats:
    """Return the weight of passing by the ratio."""
    return np.where(rare, RARE, COMMON)


def log_either(one: Floats, other: Floats) -> Floats:
    """Return the log of two e-values' mean: evidence against a hypothesis that may be refuted in two ways."""
    mean: Floats = np.logaddexp(one, other) - np.log(2)
    return mean


def _interpolation_weights(spaced: Floats, ratio: float) -> Floats:
    """Return the weights of linear interpolation at this ratio, over log-spaced points."""
    logs, at = np.log(spaced), np.log(ratio)
    weights: Floats = np.maximum(0.0, 1 - np.abs(logs - at) / (logs[1] - logs[0]))
    return weights


def _log_prior(weights: Floats) -> Floats:
    """Return the logs of weights that sum to 1, with none on margin and tolerance themselves."""
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(np.append(weights, [0.0, 0.0]))
    return logs
