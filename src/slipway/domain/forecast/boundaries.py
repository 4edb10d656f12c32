r"""Decision boundaries: how many events of the canary are enough, at every moment of a plan.

With X events of the canary and Y_j of stable at weight j, the log-likelihood of a ratio w against w0 is (`rates`)

    l(w) - l(w0) = X (log(w/w0) - sum_j f_j c_j(w)) - sum_j Y_j c_j(w),   c_j(w) = log((1 + o_j w)/(1 + o_j w0))

with o_j the odds of a request to be the canary's, and f_j the share of X that occurred at weight j. Given X, each event
is at weight j with the probability of a canary request being there, so f_j is set to that share. Y_j varies about its
mean by a noise that moves all c_j(w) together nearly alike: it is followed as one number z of variance 1 (`NOISE`), the
part of the noise along w = 2 w0, skewed as Poisson counts are (Cornish & Fisher 1938, first term).

Evidence is a mean of exponentials of lines in X, so its logarithm is convex in X and there is one X at which it crosses
a bound. Newton's method, started where the best single alternative crosses, approaches it from one side.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from slipway.domain.judge.statistics.rates import NEARER, SMALLER, STEPS_PER_DOUBLING, Floats, grid_of, ratio_weight
from slipway.domain.spec.judge import RateGuard

STATES = 7
"""Values of z: a binomial of 6 fair coins, scaled; enough for probabilities within a percent."""
NOISE: Floats = (2 * np.arange(STATES) - (STATES - 1)) / np.sqrt(STATES - 1)
NOISE_CHANCES: Floats = np.exp(
    gammaln(STATES) - gammaln(np.arange(STATES) + 1) - gammaln(STATES - np.arange(STATES)) - (STATES - 1) * np.log(2)
)
NEWTON_STEPS = 5
_KRAWTCHOUK: Floats = np.array(
    [
        np.polynomial.polynomial.polymul(
            np.polynomial.polynomial.polypow([1, 1], STATES - 1 - state),
            np.polynomial.polynomial.polypow([1, -1], state),
        )
        for state in range(STATES)
    ]
)
"""Row by state, column by degree; its square is 2^(STATES - 1) times the identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Expected requests so far, at some moments."""

    canary: Floats
    """By moment and leg, shape (moments, legs)."""
    stable: Floats
    """The same."""
    odds: Floats
    """Of a request to be the canary's, by leg: shape (legs,)."""

    def noise_variance(self, base: float) -> Floats:
        """Return the variance of what z stands for, by moment; `base` is stable's share of events."""
        variance: Floats = base * self.stable @ _stable_shares(self.odds) ** 2
        return variance


def find_fail_bounds(served: Served, guard: RateGuard, base: float, alpha: float) -> Floats:
    """Return the number of canary events from which it is rolled back, shape (moments, STATES)."""
    grid = grid_of(guard.margin, guard.tolerance)
    slope, offset = _ratio_lines(served, base, grid.ratios, guard.margin)
    chosen = np.isfinite(grid.worse)
    return np.ceil(
        _find_crossing(slope[:, None, chosen], offset[..., chosen] + grid.worse[chosen], -np.log(alpha)) - 1e-9
    )


def find_pass_bounds(served: Served, guard: RateGuard, base: float, beta: float) -> Floats:
    """Return the largest number of canary events with which it passes, shape (moments, STATES); negative: it can't yet.

    Two ways, weighed as `rates.log_pass` does for a stable version that was seen before: the ratio is under the
    tolerance, or the canary's share is negligible. The ratio helps only up to as many events as fit the margin
    (`rates.fits_margin`); beyond, its evidence counts as 1 at most.
    """
    grid, weight = grid_of(guard.margin, guard.tolerance), float(ratio_weight(np.array(base < guard.negligible)))
    bad = _Bad(guard.tolerance, grid.ratios, grid.fine, guard.negligible, weight)
    both = _bound_by_ratio(served, base, beta, bad)
    slope, offset = _bound_by_share(served, guard.negligible)
    alone = _find_crossing(slope, offset, np.log((1 / beta - weight) / (1 - weight)))[:, None]
    return np.maximum(np.minimum(both, _find_margin_bounds(served, guard, base)), np.floor(alone + 1e-9))


def _find_margin_bounds(served: Served, guard: RateGuard, base: float) -> Floats:
    """Return the most events that the margin explains clearly better than a ratio halfway to the tolerance."""
    grid = grid_of(guard.margin, guard.tolerance)
    beside = grid.halfway > 0
    slope, offset = _ratio_lines(served, base, grid.ratios[beside], guard.margin)
    weights = grid.halfway[beside]
    return np.floor((-NEARER - offset @ weights) / (slope @ weights)[:, None] + 1e-9)


def find_exclusion_bounds(served: Served, base: float, beta: float, bad: tuple[float, float]) -> Floats:
    """Return the largest number of events that shows the canary to be under a ratio or a share; as `find_pass_bounds`.

    As `rates.log_under`: the null is the grid's point at the ratio or next below it.
    """
    ratio, share = bad
    spaced = grid_of(1.0, 2.0).ratios[:-2]  # the same for all
    null = int(np.searchsorted(spaced, ratio * (1 + 1e-9), side="right")) - 1
    below = spaced[max(null - 2 * STEPS_PER_DOUBLING, 0) : null]
    weights = np.full(len(below), -np.log(2 * STEPS_PER_DOUBLING))
    return _bound_by_ratio(served, base, beta, _Bad(float(spaced[null]), below, weights, share))


class _Bad(NamedTuple):
    """What is to be excluded: a ratio, by alternatives with their log weights, or a share."""

    null: float
    ratios: Floats
    weights: Floats
    share: float
    ratio_weight: float = 0.5
    """How much the evidence against the ratio weighs, the rest that against the share."""


def _bound_by_ratio(served: Served, base: float, beta: float, bad: _Bad) -> Floats:
    slope, offset = _ratio_lines(served, base, bad.ratios, bad.null)
    chosen = np.isfinite(bad.weights)
    small_slope, small = _bound_by_share(served, bad.share)
    small_slope = np.broadcast_to(small_slope, (len(small), 1, len(SMALLER)))
    small = np.broadcast_to(small[:, None], (*offset.shape[:2], len(SMALLER))) + np.log(1 - bad.ratio_weight)
    slopes = np.concatenate([slope[:, None, chosen], small_slope], axis=2)
    offsets = np.concatenate([offset[..., chosen] + bad.weights[chosen] + np.log(bad.ratio_weight), small], axis=2)
    return np.floor(_find_crossing(slopes, offsets, -np.log(beta)) + 1e-9)


def _bound_by_share(served: Served, share: float) -> tuple[Floats, Floats]:
    """Return slope (multiples,) and offset (moments, multiples) of the evidence that the canary is under a share."""
    good = np.log1p(-share * SMALLER) - np.log1p(-share)
    return np.log(SMALLER) - good, served.canary.sum(axis=1)[:, None] * good - np.log(len(SMALLER))


def noise_moves(variance: Floats) -> Floats:
    """Return transition probabilities of z between moments, shape (moments - 1, STATES before, STATES after).

    z is a sum over its own spread, so it follows an autoregression. As the sum of coins that are tossed again with
    probability 1 - r each, it has that process's mean, variance and correlation r exactly (Rouwenhorst 1995); the
    chain's eigenvalues are the powers of r, its eigenvectors Krawtchouk's polynomials.
    """
    correlation = np.sqrt(variance[:-1] / np.maximum(variance[1:], 1e-300))
    powers = correlation[:, None] ** np.arange(STATES)
    moves: Floats = (_KRAWTCHOUK * powers[:, None, :]) @ (_KRAWTCHOUK / 2 ** (STATES - 1))
    return np.maximum(moves, 0.0)


def _ratio_lines(served: Served, base: float, ratios: Floats, null: float) -> tuple[Floats, Floats]:
    """Return slope (moments, ratios) and offset (moments, STATES, ratios) of l(w) - l(null) as lines in X."""
    odds = served.odds[:, None]
    costs = np.log1p(odds * ratios) - np.log1p(odds * null)
    of_canary = served.canary / np.maximum(served.canary.sum(axis=1, keepdims=True), 1e-300)
    slope = np.log(ratios / null) - of_canary @ costs
    events, along = base * served.stable, _stable_shares(served.odds)
    variance = np.maximum(events @ along**2, 1e-300)
    skew = (events @ along**3) / variance**1.5
    spread = ((events * along) @ costs) / np.sqrt(variance)[:, None]
    fewest = -(events @ along) / np.sqrt(variance)  # stable can't have fewer than 0
    z = np.maximum(NOISE + np.minimum(skew, 1.0)[:, None] * (NOISE**2 - 1) / 6, fewest[:, None])
    offset = -(events @ costs)[:, None, :] - z[:, :, None] * spread[:, None, :]
    return slope, offset


def _stable_shares(odds: Floats) -> Floats:
    return np.log1p(2 * odds) - np.log1p(odds)


def _find_crossing(slope: Floats, offset: Floats, level: float) -> Floats:
    """Return x at which log(sum(exp(offset + slope x))) over the last axis crosses `level`; slopes of one sign."""
    alone = (level - offset) / slope
    x: Floats = alone.min(axis=-1) if slope.flat[0] > 0 else alone.max(axis=-1)
    for _ in range(NEWTON_STEPS):
        logs = offset + slope * x[..., None]
        top = logs.max(axis=-1, keepdims=True)
        shares = np.exp(logs - top)
        whole = shares.sum(axis=-1)
        x = x - (top[..., 0] + np.log(whole) - level) * whole / (shares * slope).sum(axis=-1)
    return x
