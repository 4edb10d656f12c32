r"""Bursts: errors that come in gusts in one arm, and what they do to the comparison.

A bad node, a slow disk or a chatty client makes one arm fail more for a minute, then less. Two arms that are equal in
the long run then differ wildly within a minute, and a test that takes every error for an independent one rolls healthy
canaries back (measured: up to 90 % of them, see docs/decision-benchmark.md). So the size of stable's own gusts is
learned before and during the rollout, and evidence is weighed by the block (a minute) once they matter.

**How large the gusts are.** With counts y_t of n_t requests per block and gusts G_t (mean 1, variance c^2), the squared
difference of the rates of two successive blocks, less what Poisson noise adds, has expectation 2 c^2 times the squared
rate. Successive blocks, so that a base rate that drifts slowly adds nothing. Few blocks know little, so the estimate is
used with a margin.

**Calm** (expected inflation of the variance, 2 c^2 V with V = sum p (1 - p) k over a block's errors k, below CALM): the
likelihood of `rates`, tempered by 1/(1 + 2 c^2 V).

**Gusty**: the rates of both arms in a block are gamma with a common mean mu and the ratio w; shapes kappa_c, kappa_s
with 1/kappa = c^2 + 1/(expected events), which adds the Poisson noise. mu is not known; under the right Haar prior
1/mu it drops out, and with C and S, kappa times each arm's rate, the block adds

    l(w) = -kappa_c log w - (kappa_c + kappa_s) log(C/w + S)

Ratios of it are e-values for every mu (scale invariance: Perez-Ortiz, Lardy, de Heide & Gruenwald, arXiv 2208.07610).
mu is another one in every block: sums of C and S over blocks would say more where it never moves, and hold the base
rate against the canary where it rises with the weight (Simpson: measured 8 % false rollbacks at alpha 1 %). Counts of
few events are zero more often than a gamma is near it, so HALF an event is added, shared by the arms as requests are.
What one gust can say is bounded by its kappa; a canary that is worse in every block is still found.

Which of the two a block is weighed by is decided before the block, from earlier ones; the product of the two stays an
e-process.
"""

from dataclasses import dataclass, replace

import numpy as np

from slipway.domain.judging.rates import SMALLER, Floats, Grid, likelihoods, small_likelihoods

CALM = 0.5
"""Inflation of a block's variance up to which errors count as independent, tempered."""
MARGIN = 3.0
"""The estimate of c^2 is used times 1 + MARGIN / sqrt(blocks)."""
COUNTS = 6
"""Numbers in `Tally.counts`."""
HALF = 0.5
"""Events added to a gusty block: with it the expectation of what a block says is at most about 1."""
FEWEST_BLOCKS = 3
"""Fewer differences of blocks say nothing about gusts."""


@dataclass(slots=True)
class Tally:
    """What was counted, by the block; arrays with leading dimensions of metrics or simulated rollouts."""

    closed: Floats
    """Log-likelihoods of the blocks that are over, shape (..., ratios)."""
    open: Floats
    """The same of the block under way, not tempered."""
    small_closed: Floats
    """Log-likelihood ratios against "not negligible", shape (..., SMALLER)."""
    small_open: Floats
    counts: Floats
    """Of the block under way: canary's requests and events, stable's requests and events, V, and the canary's events
    if they were just negligible. Shape (..., 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gusts:
    """What is expected of a block, known before it: shapes (...)."""

    squared_cv: Floats
    """c^2, with its margin."""
    rate: Floats
    """Stable's events per request."""
    gusty: Floats
    """1 where a block is weighed by the scale likelihood, 0 where by the counts."""


def nothing(shape: tuple[int, ...], ratios: int) -> Tally:
    """Return a tally of nothing."""
    zeros = np.zeros
    return Tally(
        closed=zeros((*shape, ratios)),
        open=zeros((*shape, ratios)),
        small_closed=zeros((*shape, len(SMALLER))),
        small_open=zeros((*shape, len(SMALLER))),
        counts=zeros((*shape, COUNTS)),
    )


def count(tally: Tally, look: Floats, grid: Grid, negligible: Floats) -> None:
    """Add one look, in place: shape (..., 5).

    The canary's requests and events, stable's requests and events, and the canary's events to be held against
    `negligible`: the same as before, or more where `x` leaves out those that both arms share (pairs).
    """
    n_c, x, n_s, y, alone = (look[..., part] for part in range(5))
    tally.open += likelihoods(x, y, n_c, n_s, grid)
    tally.small_open += small_likelihoods(alone, n_c, negligible)
    share = n_c / np.maximum(n_c + n_s, 1)
    tally.counts[..., :4] += look[..., :4]
    tally.counts[..., 4] += share * (1 - share) * (x + y)
    tally.counts[..., 5] += negligible * n_c


def close(tally: Tally, gusts: Gusts, grid: Grid, negligible: Floats) -> None:
    """End the block, in place: weigh it for good."""
    closed, small = _weighed(tally, gusts)
    n_c, x, n_s, y = (tally.counts[..., part] for part in range(4))
    both = gusts.gusty * (n_c > 0) * (n_s > 0)
    kappa_c = both / (gusts.squared_cv + 1 / np.maximum(gusts.rate * n_c, 1e-9))
    kappa_s = both / (gusts.squared_cv + 1 / np.maximum(gusts.rate * n_s, 1e-9))
    rate_c, rate_s = x / np.maximum(n_c, 1), y / np.maximum(n_s, 1)
    added = HALF / np.maximum(n_c + n_s, 1)
    scaled = (kappa_c * (rate_c + added))[..., None] / grid.ratios + (kappa_s * (rate_s + added))[..., None]
    shapes = kappa_c[..., None], (kappa_c + kappa_s)[..., None]
    closed += np.where(scaled > 0, -shapes[0] * np.log(grid.ratios) - shapes[1] * np.log(np.maximum(scaled, 1e-300)), 0)
    alone = gusts.gusty / (gusts.squared_cv + 1 / np.maximum(negligible * n_c, 1e-9)) * (n_c > 0)
    small += -alone[..., None] * (np.log(SMALLER) + (rate_c / negligible)[..., None] * (1 / SMALLER - 1))
    tally.closed[...], tally.small_closed[...] = closed, small
    for part in (tally.open, tally.small_open, tally.counts):
        part[...] = 0.0


def total(tally: Tally, gusts: Gusts) -> Floats:
    """Return l(w) of everything so far, shape (..., ratios). A gusty block speaks when it is over."""
    return _weighed(tally, gusts)[0]


def small_total(tally: Tally, gusts: Gusts) -> Floats:
    """Return the log-likelihood ratios against "not negligible" of everything so far, shape (..., SMALLER)."""
    return _weighed(tally, gusts)[1]


def _weighed(tally: Tally, gusts: Gusts) -> tuple[Floats, Floats]:
    """Return both likelihoods with the block under way: tempered where calm, left out where gusty.

    The canary alone is tempered by the events that a rate just negligible would make, not by those it had: tempered
    less where it happened to have few, it would pass too often.
    """
    calm = 1 - gusts.gusty
    tempered = calm / (1 + 2 * gusts.squared_cv * tally.counts[..., 4])
    alone = calm / (1 + gusts.squared_cv * tally.counts[..., 5])
    return tally.closed + tally.open * tempered[..., None], tally.small_closed + tally.small_open * alone[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """What stable's blocks say of its gusts."""

    block: int | None = None
    """Number of the block under way; None: nothing seen."""
    requests: int = 0
    events: int = 0
    """Counted in the block under way."""
    requests_before: int = 0
    events_before: int = 0
    """Counted in the block before it; no requests: that block is not known."""
    excess: float = 0.0
    """Sum over pairs of blocks: squared difference beyond Poisson noise."""
    scale: float = 0.0
    """Sum over pairs of blocks: twice the squared rate."""
    pairs: int = 0
    all_requests: int = 0
    all_events: int = 0
    """Counted in all blocks that are over."""


NOTHING_LEARNED = Dispersion()


def note(before: Dispersion, block: int, requests: int, events: int) -> Dispersion:
    """Return the dispersion after a look in the block with this number; every field is named, as `replace` is slow."""
    old = before if before.block in {None, block} else _ended(before, follows=block == (before.block or 0) + 1)
    return Dispersion(
        block=block,
        requests=old.requests + requests,
        events=old.events + events,
        requests_before=old.requests_before,
        events_before=old.events_before,
        excess=old.excess,
        scale=old.scale,
        pairs=old.pairs,
        all_requests=old.all_requests,
        all_events=old.all_events,
    )


def _ended(old: Dispersion, *, follows: bool) -> Dispersion:
    """Close the block under way; one that no look follows at once has no neighbour."""
    pair = (old.requests_before, old.events_before, old.requests, old.events)
    excess, scale = excess_and_scale(*np.array(pair, dtype=float))
    return replace(
        old,
        requests=0,
        events=0,
        requests_before=old.requests if follows else 0,
        events_before=old.events if follows else 0,
        excess=old.excess + float(excess),
        scale=old.scale + float(scale),
        pairs=old.pairs + bool(old.requests_before and old.requests),
        all_requests=old.all_requests + old.requests,
        all_events=old.all_events + old.events,
    )


def excess_and_scale(n_0: Floats, y_0: Floats, n_1: Floats, y_1: Floats) -> tuple[Floats, Floats]:
    """Return, for two successive blocks, the squared difference beyond Poisson noise, and its yardstick 2 rate^2.

    Both in squared events of a block of the harmonic mean size; zero where a block had no request.
    """
    known = (n_0 > 0) & (n_1 > 0)
    m_0, m_1 = np.maximum(n_0, 1), np.maximum(n_1, 1)
    r_0, r_1 = y_0 / m_0, y_1 / m_1
    size = known * (2 / (1 / m_0 + 1 / m_1)) ** 2
    return size * ((r_0 - r_1) ** 2 - r_0 / m_0 - r_1 / m_1), size * 2 * r_0 * r_1


def squared_cv(excess: Floats, scale: Floats, pairs: Floats) -> Floats:
    """Return c^2 with its margin; 0 while too few blocks are known, at most 4 (gusts that are rarer are outages)."""
    raw = np.maximum(excess, 0.0) / np.maximum(scale, 1e-9) * (1 + MARGIN / np.sqrt(np.maximum(pairs, 1)))
    return np.where((pairs >= FEWEST_BLOCKS) & (scale > 0), np.minimum(raw, 4.0), 0.0)


def expected(cv2: Floats, rate: Floats, n_c: Floats, n_s: Floats) -> Gusts:
    """Return what to expect of a block of so many requests in each arm."""
    share = n_c / np.maximum(n_c + n_s, 1)
    inflation = 2 * cv2 * share * (1 - share) * rate * (n_c + n_s)
    return Gusts(squared_cv=cv2, rate=rate, gusty=(inflation > CALM).astype(float))
