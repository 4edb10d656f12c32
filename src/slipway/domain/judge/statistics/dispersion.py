r"""Overdispersion of stable's events, learned from stable alone: how large a difference chance can explain.

Three ways in which events carry less information than their number, each learned from stable's own counts:

**Within a minute** (`cluster_factor`, phi). A request that failed is retried by its client and fails again: one fault,
counted three times. The variance of a look's events is phi times that of independent ones. Successive looks of one
block have the same rate, however bursts change it from block to block, so with counts y of n requests in each

    E[(y_0/n_0 - y_1/n_1)^2]  =  phi (r/n_0 + r/n_1)

**From block to block** (c^2). Bursts multiply a block's rate, with mean 1 and variance v_0. They begin at any time: one
as long as a block falls into two blocks, which share v_1 of their variance. The squared difference of the rates of two
blocks, less what counting adds, has expectation 2 (v_0 - v_1) times the squared rate where they are successive, and 2
v_0 where there is one between them. c^2 = v_0 + 2 v_1 is the variance of a sum of blocks, per block, whenever bursts
begin: the first plus three times the excess of the second. A standard deviation of what chance alone shows is
subtracted from each: otherwise that noise would cost evidence where there are no bursts, and bursts that small add
little to a block's counting noise: after an hour a fifth. Only blocks near each other are compared, so that a base rate
that drifts slowly adds next to nothing.

**Over several blocks**. A burst of length L blocks is seen in few differences of successive blocks, and counts L times.
The same formula over spans of 2, 4 and 8 blocks gives the variance v_L of a span's mean; L v_L is c^2 where blocks are
independent, and L times a burst's own variance where a burst lasts L of them: the variance of a sum of blocks, per
block. The largest of them is used. Few spans are known, so each is reduced by its own noise (`SURE`).

Few blocks give a poor estimate: c^2 is used with a margin, and until `KNOWN_BLOCKS` are known the canary's share stays
small (`judge.knows_bursts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARGIN = 6.0
"""c^2 is used times 1 + MARGIN / (pairs of blocks it is from)."""
CLUSTER_MARGIN = 3.0
"""phi - 1 is used times 1 + CLUSTER_MARGIN / sqrt(pairs of looks it is from), after a standard deviation of what chance
alone shows was subtracted: if there are no clusters nothing is lost."""
FEWEST_BLOCKS = 3
"""Fewer differences of blocks say nothing about bursts."""
FEWEST_LOOKS = 15
"""Fewer differences of looks say nothing about clusters."""
KNOWN_BLOCKS = 10
"""Differences of blocks after which stable's bursts are known well enough."""
SPANS = (2, 4, 8)
"""Lengths of bursts that are looked for, in blocks."""
SURE = 1.5
"""Standard deviations of its own estimate that are subtracted from a span's v_L: of the sampling of bursts, and of
counting alone."""
LARGEST = 4.0
"""Largest c^2 of a block: bursts that are rarer and larger are outages."""
LARGEST_LONG = 16.0
"""The same for spans."""
RECENT = 10
"""Blocks of stable that are kept one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Differences of two looks of a block, of two blocks, of two spans of blocks."""

    excess: float = 0.0
    """Sum of squared differences beyond counting noise."""
    scale: float = 0.0
    """Sum of their scale."""
    count: int = 0


NO_PAIRS = Pairs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some blocks in a row, taken as one."""

    blocks: int = 0
    """Blocks in the span under way."""
    requests: int = 0
    events: int = 0
    requests_before: int = 0
    events_before: int = 0
    """Counted in the span before it; no requests: that span is not known."""
    pairs: Pairs = NO_PAIRS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """The overdispersion of stable's events, from its looks and blocks."""

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
    requests_two_before: int = 0
    events_two_before: int = 0
    """Counted in the block before the one before."""
    apart: Pairs = NO_PAIRS
    """Of blocks that have one between them."""
    all_requests: int = 0
    all_events: int = 0
    """Counted in all closed blocks."""
    last_requests: int = 0
    last_events: int = 0
    """Counted in the last look of the block under way that had requests."""
    looks_here: Pairs = NO_PAIRS
    """Of successive looks within the block under way."""
    looks: Pairs = NO_PAIRS
    """The same within all closed blocks."""
    spans: tuple[Span, ...] = ()
    """One per length in `SPANS`; empty: none seen."""
    recent: tuple[tuple[int, int], ...] = ()
    """Requests and events of the last closed blocks, oldest first; a block without requests is not kept, and none is
    after a gap of `RECENT` blocks: stable's rate at its own release says nothing about now."""


NOTHING_LEARNED = Dispersion()


def update_dispersion(before: Dispersion, block: int, requests: int, events: int) -> Dispersion:
    """Return the dispersion after a look in the block with this number; every field is named, as `replace` is slow."""
    old = before if before.block in {None, block} else _close_block(before, block - (before.block or 0))
    return Dispersion(
        block=block,
        requests=old.requests + requests,
        events=old.events + events,
        requests_before=old.requests_before,
        events_before=old.events_before,
        excess=old.excess,
        scale=old.scale,
        pairs=old.pairs,
        requests_two_before=old.requests_two_before,
        events_two_before=old.events_two_before,
        apart=old.apart,
        all_requests=old.all_requests,
        all_events=old.all_events,
        last_requests=requests or old.last_requests,
        last_events=events if requests else old.last_events,
        looks_here=_compare_looks(old, requests, events),
        looks=old.looks,
        spans=old.spans,
        recent=old.recent,
    )


def _compare_looks(old: Dispersion, requests: int, events: int) -> Pairs:
    """Compare a look with the one before it in the same block."""
    if not requests or not old.last_requests:
        return old.looks_here
    excess, scale = excess_within_block(old.last_requests, old.last_events, requests, events)
    return _add_pairs(old.looks_here, Pairs(excess=excess, scale=scale, count=1))


def _add_pairs(known: Pairs, more: Pairs) -> Pairs:
    return Pairs(excess=known.excess + more.excess, scale=known.scale + more.scale, count=known.count + more.count)


def _compare_blocks(before: tuple[int, int], here: tuple[int, int]) -> Pairs:
    """Compare two blocks, or two spans: requests and events of each."""
    excess, scale = excess_and_scale(*np.array([*before, *here], dtype=float))
    return Pairs(excess=float(excess), scale=float(scale), count=int(bool(before[0] and here[0])))


def _close_block(old: Dispersion, blocks: int) -> Dispersion:
    """Close the block under way, this many blocks before the next; if that is over 1 it has no neighbour."""
    follows = blocks == 1
    block = (old.requests, old.events)
    near = _compare_blocks((old.requests_before, old.events_before), block)
    far = _compare_blocks((old.requests_two_before, old.events_two_before), block)
    here = ((old.requests, old.events),) if old.requests else ()
    spans = old.spans or tuple(Span() for _ in SPANS)
    return replace(
        old,
        requests=0,
        events=0,
        requests_before=old.requests if follows else 0,
        events_before=old.events if follows else 0,
        excess=old.excess + near.excess,
        scale=old.scale + near.scale,
        pairs=old.pairs + near.count,
        requests_two_before=old.requests_before if follows else 0,
        events_two_before=old.events_before if follows else 0,
        apart=_add_pairs(old.apart, far),
        all_requests=old.all_requests + old.requests,
        all_events=old.all_events + old.events,
        last_requests=0,
        last_events=0,
        looks_here=NO_PAIRS,
        looks=_add_pairs(old.looks, old.looks_here),
        spans=tuple(_extend_span(span, length, old, follows) for span, length in zip(spans, SPANS, strict=True)),
        recent=(*old.recent, *here)[-RECENT:] if blocks <= RECENT else (),
    )


def _extend_span(span: Span, length: int, block: Dispersion, follows: bool) -> Span:  # noqa: FBT001 - see `_close_block`
    """Add a closed block to a span; at its length the span is compared with the one before it."""
    if not block.requests:
        return Span(pairs=span.pairs)
    grown = replace(
        span, blocks=span.blocks + 1, requests=span.requests + block.requests, events=span.events + block.events
    )
    if grown.blocks == length:
        found = _compare_blocks((grown.requests_before, grown.events_before), (grown.requests, grown.events))
        grown = Span(requests_before=grown.requests, events_before=grown.events, pairs=_add_pairs(grown.pairs, found))
    return grown if follows else Span(pairs=grown.pairs)


def excess_within_block(n_0: float, y_0: float, n_1: float, y_1: float) -> tuple[float, float]:
    """Return, for two looks with requests, the squared difference beyond counting noise, and that noise.

    Both in squared events of a look of the harmonic mean size: phi - 1 is the ratio of their sums.

    >>> excess_within_block(128, 4, 128, 12), excess_within_block(128, 4, 384, 12)
    ((48.0, 16.0), (-12.0, 12.0))
    """
    size = 2 * n_0 * n_1 / (n_0 + n_1)
    r_0, r_1 = y_0 / n_0, y_1 / n_1
    noise = size * size * (r_0 / n_0 + r_1 / n_1)
    return (size * (r_0 - r_1)) ** 2 - noise, noise


def excess_and_scale(n_0: Floats, y_0: Floats, n_1: Floats, y_1: Floats) -> tuple[Floats, Floats]:
    """Return, for two blocks, the squared difference beyond Poisson noise, and its scale 2 rate^2.

    Both in squared events of a block of the harmonic mean size; zero where a block had no request.
    """
    known = (n_0 > 0) & (n_1 > 0)
    m_0, m_1 = np.maximum(n_0, 1), np.maximum(n_1, 1)
    r_0, r_1 = y_0 / m_0, y_1 / m_1
    size = known * (2 / (1 / m_0 + 1 / m_1)) ** 2
    return size * ((r_0 - r_1) ** 2 - r_0 / m_0 - r_1 / m_1), size * 2 * r_0 * r_1


def has_known_blocks(known: Dispersion, least_cv: float) -> bool:
    """Return whether stable's bursts are known well enough; with `least_cv` the spec gives the value to expect."""
    return least_cv > 0 or known.pairs >= KNOWN_BLOCKS


@dataclass(frozen=True, slots=True, kw_only=True)
class DispersionSums:
    """The sums of some dispersions as arrays: leading dimensions are metrics, or simulated rollouts."""

    looks: Floats
    """Excess, scale and count of looks within blocks: (..., 3)."""
    blocks: Floats
    """The same of successive blocks, of blocks with one between, of each length of span: (..., 2 + len(SPANS), 3)."""
    counted: Floats
    """Requests and events of all closed blocks: (..., 2)."""
    recent: Floats
    """Requests and events of the last blocks, zeros where none is known: (..., RECENT, 2)."""

    @property
    def rate(self) -> Floats:
        """Stable's events per request."""
        return np.asarray(self.counted[..., 1] / np.maximum(self.counted[..., 0], 1))


def sum_dispersions(dispersions: Sequence[Dispersion]) -> DispersionSums:
    """Return the sums of several metrics."""
    count = len(dispersions)
    blocks, recent = np.zeros((count, 2 + len(SPANS), 3)), np.zeros((count, RECENT, 2))
    for row, one in enumerate(dispersions):
        near = Pairs(excess=one.excess, scale=one.scale, count=one.pairs)
        for number, pairs in enumerate((near, one.apart, *(span.pairs for span in one.spans))):
            blocks[row, number] = pairs.excess, pairs.scale, pairs.count
        if one.recent:
            recent[row, -len(one.recent) :] = one.recent
    return DispersionSums(
        looks=np.array([(one.looks.excess, one.looks.scale, one.looks.count) for one in dispersions], dtype=float),
        blocks=blocks,
        counted=np.array([(one.all_requests, one.all_events) for one in dispersions], dtype=float),
        recent=recent,
    )


def cluster_factor(known: DispersionSums) -> Floats:
    """Return phi with its margin, shape (...): 1 where too few looks are known."""
    excess, scale, count = np.moveaxis(known.looks, -1, 0)
    pairs = np.maximum(count, 1)
    chance = np.sqrt((2 + pairs / np.maximum(scale, 1e-9)) / pairs)
    beyond = np.maximum(0.0, _divide(excess, scale) - chance)
    phi: Floats = 1 + beyond * (1 + CLUSTER_MARGIN / np.sqrt(pairs)) * (count >= FEWEST_LOOKS)
    return phi


def squared_cv(known: DispersionSums, least_cv: float = 0.0) -> Floats:
    """Return c^2 with its margin, shape (...): by blocks, or by bursts that last several of them, whichever is larger.

    0 while too few blocks are known, and never less than `least_cv` squared.
    """
    excess, scale, count = np.moveaxis(known.blocks, -1, 0)
    seen = _divide(excess, scale) * (count >= FEWEST_BLOCKS)
    chance = 2 / np.sqrt(np.maximum(scale, 1e-9))  # standard deviation of the ratio of independent counts
    near, apart, spans = seen[..., 0], seen[..., 1], slice(2, None)
    block = np.maximum(0.0, near - chance[..., 0]) + 3 * np.maximum(0.0, apart - near - chance[..., 1])
    noise = seen[..., spans] / np.sqrt(np.maximum(count[..., spans], 1)) + chance[..., spans]
    long = (np.array(SPANS) * np.maximum(0.0, seen[..., spans] - SURE * noise)).max(axis=-1)
    whole = np.maximum(np.minimum(block, LARGEST), np.minimum(long, LARGEST_LONG))
    pairs = count[..., 0]
    # what clusters add to the variance of blocks is in phi
    spread = np.where(known.looks[..., 2] >= FEWEST_LOOKS, _divide(known.looks[..., 0], known.looks[..., 1]), 0.0)
    events = known.counted[..., 1] / np.maximum(pairs + 1, 1)
    alone = np.maximum(0.0, whole - spread / np.maximum(events, 0.1))
    most = np.where(whole > LARGEST, LARGEST_LONG, LARGEST)
    c2 = np.minimum(alone * (1 + MARGIN / np.maximum(pairs, 1)), most)
    return np.asarray(np.maximum(c2, least_cv**2))


def _divide(excess: Floats, scale: Floats) -> Floats:
    return np.where(scale > 0, np.maximum(excess, 0.0) / np.maximum(scale, 1e-9), 0.0)
