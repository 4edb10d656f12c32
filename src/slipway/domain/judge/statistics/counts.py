"""The judge's evidence on a share of requests (errors, slow answers, wrong labels ...), and its e-values.

`update_counts` takes all such metrics of one look at once: the arithmetic is one pass over arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.statistics import bursts, dispersion, rates
from slipway.domain.judge.statistics.bursts import Overdispersion, Tally
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS, Dispersion
from slipway.domain.judge.statistics.rates import Floats, Grid
from slipway.domain.spec.judge import RateGuard

PATIENCE_BLOCKS = 2 * KNOWN_BLOCKS
"""After this many blocks all of them count, even if bursts are not known: with rare looks they are never learned."""
LARGEST_LOG = 690.0
"""Evidence is capped at 1e300, so that it stays finite in any document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountEvidence:
    """One metric's evidence: about 250 numbers, however much was counted."""

    canary: Counters = ZERO
    """Requests and events counted so far."""
    stable: Counters = ZERO
    tally: tuple[float, ...] = ()
    """`bursts.Tally`, one part after the other; empty: nothing counted."""
    block: int | None = None
    """Number of the block under way."""
    gusty: bool = False
    """How the block under way is weighed."""
    began: int | None = None
    """Number of the first block."""
    known: bool = True
    """Whether stable's bursts were known when the block under way began, or are no longer waited for."""
    rare: bool = True
    """Whether stable's events were known to be rarer than negligible, or not known, when this began."""
    dispersion: Dispersion = dispersion.NOTHING_LEARNED
    """The overdispersion of stable's own events."""


NOTHING = CountEvidence()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDelta:
    """Counts since the last look."""

    canary: Counters
    stable: Counters
    canary_alone: int | None = None
    """All of the canary's events, if `canary` leaves out those that both arms share (pairs); None: the same."""
    patient: bool = False
    """Whether it counts against the canary only once stable's bursts are known."""

    @property
    def row(self) -> tuple[int, int, int, int, int]:
        """The five numbers of `bursts.add_look`."""
        alone = self.canary.errors if self.canary_alone is None else self.canary_alone
        return (self.canary.requests, self.canary.errors, self.stable.requests, self.stable.errors, alone)


def update_counts(
    before: Sequence[CountEvidence],
    looks: Sequence[CountDelta],
    guards: Sequence[RateGuard],
    block: int,
    least_cv: float,
) -> list[CountEvidence]:
    """Return the evidence of several metrics after one look each; `block` is the number of the block it falls in."""
    grid, negligible = _grid_of(guards), np.array([guard.negligible for guard in guards])
    state = _to_array(before, grid)
    begins = np.array([one.block != block for one in before])
    if any(one.block not in {None, block} for one in before):
        ended = state.copy()
        known = dispersion.sum_dispersions([one.dispersion for one in before])
        bursts.close_block(
            _split_tally(ended, grid), _expect_overdispersion(before, least_cv), grid, negligible, known.recent
        )
        state[begins] = ended[begins]
    rows = np.array([look.row for look in looks], dtype=float)
    bursts.add_look(_split_tally(state, grid), rows, grid, negligible)
    learned = [
        dispersion.update_dispersion(one.dispersion, block, look.stable.requests, look.stable.errors)
        for one, look in zip(before, looks, strict=True)
    ]
    gusty, rare = _find_bursty(learned, rows, least_cv), _find_rare(before, guards)
    return [
        CountEvidence(
            canary=one.canary + look.canary,
            stable=one.stable + look.stable,
            tally=tuple(state[row].tolist()),
            block=block,
            began=block if one.began is None else one.began,
            gusty=bool(gusty[row]) if begins[row] else one.gusty,
            known=not look.patient or _bursts_known(learned[row], one.began, block, least_cv)
            if begins[row]
            else one.known,
            rare=rare[row],
            dispersion=learned[row],
        )
        for row, (one, look) in enumerate(zip(before, looks, strict=True))
    ]


def add_start(before: CountEvidence, guard: RateGuard, share: float) -> CountEvidence:
    """Return the evidence with one more start, of this weight: as if a part of it were counted only from now on.

    For each alternative w, L(w) = exp(l(w) - l(margin)) becomes L(w) + share. With weights that add up to one, their
    mixture is an e-process again (later starts count as 1), and finds what begins late: what was counted
    before does not dilute it. The likelihoods are then used only for the evidence against the canary.
    """
    if not before.tally:
        return before
    ratios = len(rates.grid_of(guard.margin, guard.tolerance).ratios)
    closed = np.array(before.tally[:ratios])
    margin = closed[-2]
    closed = margin + np.logaddexp(closed - margin, np.log(share))
    closed[-2] = margin
    return replace(before, tally=(*closed.tolist(), *before.tally[ratios:]))


def learn_dispersion(before: CountEvidence, stable: Counters, block: int) -> CountEvidence:
    """Return the evidence after stable alone was counted: only its overdispersion is learned."""
    return replace(
        before, dispersion=dispersion.update_dispersion(before.dispersion, block, stable.requests, stable.errors)
    )


def log_evidence(
    evidence: Sequence[CountEvidence], guards: Sequence[RateGuard], least_cv: float
) -> tuple[Floats, Floats]:
    """Return the log e-values against the canary, and for it: shape (metrics,) each."""
    grid, overdispersion = _grid_of(guards), _expect_overdispersion(evidence, least_cv)
    tally = _split_tally(_to_array(evidence, grid), grid)
    evidence_against = rates.log_evidence_against(bursts.total_against(tally, overdispersion, grid), grid)
    ratio = rates.log_passing(bursts.total_for(tally, overdispersion, grid), grid)
    rare = np.array([one.rare for one in evidence])
    evidence_for = rates.log_pass(ratio, rates.log_mean(bursts.small_total(tally, overdispersion)), rare)
    return np.minimum(evidence_against, LARGEST_LOG), np.minimum(evidence_for, LARGEST_LOG)


def ratio_passes(evidence: CountEvidence, guard: RateGuard, least_cv: float) -> tuple[float, bool]:
    """Return the log e-value for the canary by its ratio alone, and whether its counts fit the margin."""
    grid = _grid_of((guard,))
    total = bursts.total_for(
        _split_tally(_to_array((evidence,), grid), grid), _expect_overdispersion((evidence,), least_cv), grid
    )
    return float(rates.log_evidence_for(total, grid)[0]), bool(rates.fits_margin(total, grid)[0])


def log_evidence_for_with(evidence: Sequence[CountEvidence], guard: RateGuard, least_cv: float) -> tuple[float, float]:
    """Return the log e-values for the canary by its ratio: of all this evidence together, and of the first alone.

    Likelihoods of looks at other requests multiply: together they are an e-value where the ratio is the same in all.
    The e-value of all evidence has the weight that a ratio has in `log_evidence`.
    """
    grid = _grid_of((guard,))
    each = bursts.total_for(
        _split_tally(_to_array(evidence, grid), grid), _expect_overdispersion(evidence, least_cv), grid
    )
    alone, whole = each[0], each.sum(axis=0)
    weight = np.log(rates.ratio_weight(np.array(evidence[0].rare)))
    one = rates.grid_of(guard.margin, guard.tolerance)
    return float(rates.log_passing(whole, one) + weight), float(rates.log_evidence_for(alone, one))


def metric_likelihood(evidence: CountEvidence, guard: RateGuard, least_cv: float) -> tuple[Floats, Grid]:
    """Return one metric's log-likelihood by ratio, and the grid it is on; of everything counted."""
    grid = _grid_of((guard,))
    seen = bursts.total_against if evidence.known else bursts.total_for
    total = seen(_split_tally(_to_array((evidence,), grid), grid), _expect_overdispersion((evidence,), least_cv), grid)
    return total[0], rates.grid_of(guard.margin, guard.tolerance)


def log_evidence_under(evidence: CountEvidence, guard: RateGuard, ratio: float, least_cv: float) -> float:
    """Return the log e-value against "the canary fails at least `ratio` times as often as stable"."""
    total, grid = metric_likelihood(evidence, guard, least_cv)
    return min(float(rates.log_under(total, grid, np.array(ratio))), LARGEST_LOG)


def _grid_of(guards: Sequence[RateGuard]) -> Grid:
    return _stack_grids(tuple((guard.margin, guard.tolerance) for guard in guards))


@lru_cache(maxsize=64)
def _stack_grids(bounds: tuple[tuple[float, float], ...]) -> Grid:
    return rates.stack_grids(tuple(rates.grid_of(*each) for each in bounds))


def _to_array(evidence: Sequence[CountEvidence], grid: Grid) -> Floats:
    """Return the tallies as one array, shape (metrics, numbers); zeros where nothing was seen."""
    return np.array([_tally_numbers(one.tally, grid.ratios.shape[-1]) for one in evidence])


def _tally_numbers(tally: tuple[float, ...], ratios: int) -> tuple[float, ...]:
    """Return a tally's numbers; zeros where nothing was counted. Raises ValueError for a tally of another length."""
    length = sum(bursts.part_lengths(ratios))
    if tally and len(tally) != length:
        message = f"a tally of {len(tally)} numbers; expected {length}: another Slipway wrote it"
        raise ValueError(message)
    return tally or (0.0,) * length


def _split_tally(state: Floats, grid: Grid) -> Tally:
    """Return views into the array: changes to the tally change the array."""
    return Tally(*np.split(state, np.cumsum(bursts.part_lengths(grid.ratios.shape[-1]))[:-1], axis=1))


def _expect_overdispersion(evidence: Sequence[CountEvidence], least_cv: float) -> Overdispersion:
    """Return the overdispersion expected of the blocks under way."""
    known = dispersion.sum_dispersions([one.dispersion for one in evidence])
    return Overdispersion(
        squared_cv=dispersion.squared_cv(known, least_cv),
        rate=known.rate,
        gusty=np.array([float(one.gusty) for one in evidence]),
        clusters=dispersion.cluster_factor(known),
        known=np.array([float(one.known) for one in evidence]),
    )


def _find_rare(before: Sequence[CountEvidence], guards: Sequence[RateGuard]) -> list[bool]:
    """Return for each metric whether stable's events are rarer than negligible, as known when it began."""
    known = dispersion.sum_dispersions([one.dispersion for one in before]).rate
    return [
        one.rare if one.tally else bool(rate < guard.negligible)
        for one, rate, guard in zip(before, known, guards, strict=True)
    ]


def _bursts_known(known: Dispersion, began: int | None, block: int, least_cv: float) -> bool:
    """Return whether stable's bursts are known when this block begins, or the wait for that is over."""
    waited = 0 if began is None else block - began
    return dispersion.has_known_blocks(known, least_cv) or waited >= PATIENCE_BLOCKS


def _find_bursty(dispersions: Sequence[Dispersion], rows: Floats, least_cv: float) -> Floats:
    """Return whether a block that begins is weighed as bursty, judged from earlier blocks.

    Requests, unlike errors, may be used: how many an arm gets says nothing about how it fails.
    """
    known = dispersion.sum_dispersions(dispersions)
    cv2 = dispersion.squared_cv(known, least_cv)
    share = rows[:, 2] / np.maximum(rows[:, 0] + rows[:, 2], 1)
    size = np.array([one.requests_before for one in dispersions]) / np.maximum(share, 0.01)
    return bursts.expect_overdispersion(cv2, known.rate, (size * (1 - share), size * share)).gusty
