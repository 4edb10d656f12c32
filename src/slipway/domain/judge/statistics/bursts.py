r"""Bursts: errors that cluster in time in one arm, and how the comparison allows for them.

A bad node, a slow disk or a chatty client makes one arm fail more for a minute, then less. Two arms that are equal in
the long run then differ wildly within a minute, and a test that treats every error as independent rolls healthy
canaries back (measured: up to 90 % of them, see docs/decision-benchmark.md). So the overdispersion of stable's own
errors is learned before and during the rollout (`dispersion`: c^2 from block to block, phi within one), and evidence is
weighed by the block (a minute) once bursts matter.

**Calm** (expected inflation of the variance, 2 c^2 V with V = sum p (1 - p) k over a block's errors k, below CALM): the
likelihood of `rates`, tempered by 1/(phi (1 + 2 c^2 V)).

**Bursty** (field `gusty`): the rates of both arms in a block are gamma with a common mean mu and the ratio w; shapes
kappa_c, kappa_s with 1/kappa = c^2 + phi/(expected events), which adds the counting noise. mu is not known; under the
right Haar prior 1/mu it drops out. Up to WINDOW blocks with the same share of requests are taken to have one mean; with
K_c, K_s the sums of their shapes, and C and S the sums of kappa times each arm's rate, such a window adds

    l(w) = -K_c log w - (K_c + K_s) log(C/w + S)

Ratios of it are e-values for every mu (scale invariance: Perez-Ortiz, Lardy, de Heide & Gruenwald, arXiv 2208.07610).
mu differs between windows: sums over more blocks would be stronger where it never moves, but count the base rate
against the canary where it rises with the weight (Simpson: one mean for the whole rollout rolls 10 to 60 % of healthy
canaries back where the base rate moves). Only in the evidence for the canary, stable's last blocks before the window
count too: there a base rate that moves can only cause an error at promotion (docs/decisions/0019 gives its size).

Counts of few events are zero more often than a gamma variable is near zero, so HALF an event is added to each block,
shared by the arms as requests are. The evidence of one burst is bounded by its kappa; a canary that is worse in every
block is still found.

**Not known yet**: before enough blocks of stable were seen, a burst in one arm looks as if the canary caused it. If
there is time to wait, blocks then count for the canary only, not against it.

How a block is weighed is decided before it, from earlier ones; the product stays an e-process, as far as the gamma is
right: its counts are not quite those of a negative binomial (`HALF`).
"""

from dataclasses import dataclass

import numpy as np

from slipway.domain.judge.statistics.rates import SMALLER, Floats, Grid, log_likelihoods, small_likelihoods

CALM = 0.5
"""Inflation of a block's variance up to which errors count as independent, tempered."""
COUNTS = 6
"""Numbers in `Tally.counts`."""
HALF = 0.5
"""Events added to a bursty block. The expectation of a block's e-value for a worse canary is then 0.9 to 1.1 at c^2 of
0.5 and more, up to 1.8 at 0.25, and more for the smaller; there few blocks are bursty, and c^2 has its margin. The part
held against `negligible` adds none: in a bursty block of a canary just negligible its expectation is 1.9 to 2.7. Wrong
passes stayed under beta all the same (2.6 %, 26 of 1,000, a canary at twice 0.2 % with CV 1)."""
WINDOW = 5
"""Bursty blocks that are taken to have one mean."""
SAME_SHARE = 0.3
"""Relative change of the canary's share of requests with which a window ends."""
MOST_SAID = 3.0
"""Largest log evidence of one window against the canary for any ratio over the margin: one burst as long as a window,
however strong, does not roll back."""
WINDOWED = 8
"""Numbers in `Tally.window`."""


@dataclass(slots=True)
class Tally:
    """Counts and likelihoods by block; arrays with leading dimensions of metrics or simulated rollouts."""

    closed: Floats
    """Log-likelihoods of closed blocks and windows, shape (..., ratios)."""
    open: Floats
    """The same of the block under way, not tempered."""
    small_closed: Floats
    """Log-likelihood ratios against "not negligible", shape (..., SMALLER)."""
    small_open: Floats
    counts: Floats
    """Of the block under way: canary's requests and events, stable's requests and events, V, and the canary's events
    if they were just negligible. Shape (..., 6)."""
    evidence_for: Floats
    """As `closed`, with stable's blocks before each window: the basis of a PASS."""
    window: Floats
    """Of the window under way: K_c, K_s, C, S, its blocks, the canary's share of requests; and what stable's blocks
    before it add to K_s and S in the evidence for the canary. Shape (..., 8)."""


def part_lengths(ratios: int) -> list[int]:
    """Return how many numbers each part of a tally has, in order."""
    return [ratios, ratios, len(SMALLER), len(SMALLER), COUNTS, ratios, WINDOWED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """The overdispersion expected of a block, known before it begins: shapes (...)."""

    squared_cv: Floats
    """c^2, with its margin."""
    rate: Floats
    """Stable's events per request."""
    gusty: Floats
    """1 where a block is bursty (weighed by the scale likelihood), 0 where it is calm (by the counts)."""
    clusters: Floats
    """phi, with its margin."""
    known: Floats | float = 1.0
    """1 where it is learned from enough blocks, 0 where it is not: such a block does not count against the canary."""


def empty_tally(shape: tuple[int, ...], ratios: int) -> Tally:
    """Return an empty tally."""
    return Tally(*(np.zeros((*shape, length)) for length in part_lengths(ratios)))


def add_look(tally: Tally, look: Floats, grid: Grid, negligible: Floats) -> None:
    """Add one look, in place: shape (..., 5).

    The canary's requests and events, stable's requests and events, and the canary's events to be compared with
    `negligible`: the same as before, or more where `x` leaves out those that both arms share (pairs).
    """
    n_c, x, n_s, y, alone = (look[..., part] for part in range(5))
    tally.open += log_likelihoods(x, y, n_c, n_s, grid)
    tally.small_open += small_likelihoods(alone, n_c, negligible)
    share = n_c / np.maximum(n_c + n_s, 1)
    tally.counts[..., :4] += look[..., :4]
    tally.counts[..., 4] += share * (1 - share) * (x + y)
    tally.counts[..., 5] += negligible * n_c


def close_block(
    tally: Tally, overdispersion: Overdispersion, grid: Grid, negligible: Floats, recent: Floats | None = None
) -> None:
    """End the block, in place: its weight is then final.

    `recent`: requests and events of stable's blocks before this one, shape (..., RECENT, 2), zeros where not known.
    """
    tempered, alone = _find_weights(tally, overdispersion)
    tally.closed += tally.open * (overdispersion.known * tempered)[..., None]
    tally.evidence_for += tally.open * tempered[..., None]
    tally.small_closed += tally.small_open * alone[..., None] + _weigh_negligible(tally, overdispersion, negligible)
    block = _weigh_block(tally, overdispersion)
    _end_windows(tally, block, grid)
    begins = (tally.window[..., 4] == 0) & (block[..., 4] > 0)
    if recent is not None and begins.any():
        tally.window[..., 6:] += begins[..., None] * _sum_reference(overdispersion, recent)
    tally.window[..., :5] += block[..., :5]
    tally.window[..., 5] = np.where(block[..., 4] > 0, block[..., 5], tally.window[..., 5])
    for part in (tally.open, tally.small_open, tally.counts):
        part[...] = 0.0


def total_against(tally: Tally, overdispersion: Overdispersion, grid: Grid) -> Floats:
    """Return l(w) of everything so far, shape (..., ratios). A bursty block counts when it is over."""
    tempered = overdispersion.known * _find_weights(tally, overdispersion)[0]
    return tally.closed + tally.open * tempered[..., None] + _bound_window(tally.window, grid)


def total_for(tally: Tally, overdispersion: Overdispersion, grid: Grid) -> Floats:
    """Return the same as used for a PASS: with stable's blocks before each window."""
    window = tally.window[..., :4].copy()
    window[..., [1, 3]] += tally.window[..., 6:]
    return (
        tally.evidence_for
        + tally.open * _find_weights(tally, overdispersion)[0][..., None]
        + _weigh_window(window, grid)
    )


def small_total(tally: Tally, overdispersion: Overdispersion) -> Floats:
    """Return the log-likelihood ratios against "not negligible" of everything so far, shape (..., SMALLER)."""
    whole: Floats = tally.small_closed + tally.small_open * _find_weights(tally, overdispersion)[1][..., None]
    return whole


def _find_weights(tally: Tally, overdispersion: Overdispersion) -> tuple[Floats, Floats]:
    """Return the weight of the block under way: by the ratio, and against "not negligible"; 0 where it is bursty.

    The canary alone is tempered by the events that a rate just negligible would make, not by those it had: tempered
    less when it happened to have few, it would pass too often.
    """
    calm = (1 - overdispersion.gusty) / overdispersion.clusters
    counts = tally.counts
    return calm / (1 + 2 * overdispersion.squared_cv * counts[..., 4]), calm / (
        1 + overdispersion.squared_cv * counts[..., 5]
    )


def _weigh_block(tally: Tally, overdispersion: Overdispersion) -> Floats:
    """Return what a bursty block adds to its window, shape (..., 6): zeros where it is calm or lacks an arm."""
    n_c, x, n_s, y = (tally.counts[..., part] for part in range(4))
    both = overdispersion.known * overdispersion.gusty * (n_c > 0) * (n_s > 0)
    kappa_c, kappa_s = (
        both * _find_shape(overdispersion, overdispersion.rate * n_c),
        both * _find_shape(overdispersion, overdispersion.rate * n_s),
    )
    added = HALF / np.maximum(n_c + n_s, 1)
    scaled_c, scaled_s = kappa_c * (x / np.maximum(n_c, 1) + added), kappa_s * (y / np.maximum(n_s, 1) + added)
    return np.stack([kappa_c, kappa_s, scaled_c, scaled_s, both, both * n_c / np.maximum(n_c + n_s, 1)], axis=-1)


def _end_windows(tally: Tally, block: Floats, grid: Grid) -> None:
    """End windows that a bursty block no longer fits: they are full, or the canary's share of requests changed."""
    window = tally.window
    moved = np.abs(block[..., 5] - window[..., 5]) > SAME_SHARE * np.maximum(block[..., 5], window[..., 5])
    ends = (block[..., 4] > 0) & (window[..., 4] > 0) & (moved | (window[..., 4] >= WINDOW))
    if not ends.any():
        return
    evidence_for = window[..., :4].copy()
    evidence_for[..., [1, 3]] += window[..., 6:]
    tally.closed += ends[..., None] * _bound_window(window, grid)
    tally.evidence_for += ends[..., None] * _weigh_window(evidence_for, grid)
    window[...] = np.where(ends[..., None], 0.0, window)


def _bound_window(window: Floats, grid: Grid) -> Floats:
    """Return a window's evidence against the canary, relative to the margin: at most MOST_SAID."""
    logs = _weigh_window(window[..., :4], grid)
    return np.asarray(np.minimum(logs - logs[..., -2:-1], MOST_SAID))


def _weigh_window(sums: Floats, grid: Grid) -> Floats:
    """Return l(w) of a window from its K_c, K_s, C and S, shape (..., ratios); zeros where it has no block."""
    if not sums.any():
        return np.zeros((*sums.shape[:-1], grid.ratios.shape[-1]))
    shape_c, shape_s, scaled_c, scaled_s = (sums[..., part, None] for part in range(4))
    scaled = scaled_c / grid.ratios + scaled_s
    logs = -shape_c * np.log(grid.ratios) - (shape_c + shape_s) * np.log(np.maximum(scaled, 1e-300))
    return np.where((shape_c > 0) & (scaled > 0), logs, 0.0)


def _sum_reference(overdispersion: Overdispersion, recent: Floats) -> Floats:
    """Return K_s and S of stable's blocks before a window, shape (..., 2)."""
    requests, events = recent[..., 0], recent[..., 1]
    kappa = (requests > 0) / (
        overdispersion.squared_cv[..., None]
        + overdispersion.clusters[..., None] / np.maximum(overdispersion.rate[..., None] * requests, 1e-9)
    )
    return np.stack([kappa.sum(axis=-1), (kappa * events / np.maximum(requests, 1)).sum(axis=-1)], axis=-1)


def _weigh_negligible(tally: Tally, overdispersion: Overdispersion, negligible: Floats) -> Floats:
    """Return a bursty block's evidence against "not negligible", shape (..., SMALLER)."""
    n_c, x = tally.counts[..., 0], tally.counts[..., 1]
    kappa = overdispersion.gusty * _find_shape(overdispersion, negligible * n_c) * (n_c > 0)
    times = x / np.maximum(n_c, 1) / negligible
    said: Floats = -kappa[..., None] * (np.log(SMALLER) + times[..., None] * (1 / SMALLER - 1))
    return said


def _find_shape(overdispersion: Overdispersion, events: Floats) -> Floats:
    shape: Floats = 1 / (overdispersion.squared_cv + overdispersion.clusters / np.maximum(events, 1e-9))
    return shape


def expect_overdispersion(
    cv2: Floats, rate: Floats, requests: tuple[Floats, Floats], clusters: Floats | float = 1.0
) -> Overdispersion:
    """Return the overdispersion to expect of a block with this many requests per arm: canary's, stable's."""
    n_c, n_s = requests
    share = n_c / np.maximum(n_c + n_s, 1)
    inflation = 2 * cv2 * share * (1 - share) * rate * (n_c + n_s)
    gusty = (inflation > CALM).astype(float)
    return Overdispersion(squared_cv=cv2, rate=rate, gusty=gusty, clusters=np.broadcast_to(clusters, gusty.shape))
