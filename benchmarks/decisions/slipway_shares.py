"""Slipway's shares of requests on many traces at once, a row each: `counts` and `dispersion`."""

from dataclasses import fields, replace
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import TICKS_PER_MINUTE
from benchmarks.decisions.traces import History
from slipway.domain.judge.statistics import bursts, counts, dispersion, rates
from slipway.domain.judge.statistics.bursts import Overdispersion, Tally
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS
from slipway.domain.judge.statistics.rates import Floats, Grid
from slipway.domain.spec.judge import RateGuard

Rows = slice | NDArray[np.intp]
Parts = TypeVar("Parts", Tally, Overdispersion)
NONE_YET = -(10**6)
"""Number of a minute before any."""


class Defence(StrEnum):
    """What is done about bursts that hit one arm alone."""

    NONE = "none"
    """Errors count as independent."""
    TEMPERED = "tempered"
    """The likelihood is tempered by the over-dispersion learned, whatever its size."""
    LEARNED = "learned"
    """Slipway's: tempered while calm, by the block when gusty."""


class Learned:
    """How stable's events come together, as `dispersion.Dispersion`: arrays by trace."""

    def __init__(self, history: History, defence: Defence, burst_cv: float) -> None:
        """Learn from the time before, look by look."""
        self._defence, self._least_cv, traces = defence, burst_cv, history.requests.shape[1]
        self._lengths = np.array(dispersion.SPANS)[:, None]
        spans = len(dispersion.SPANS)
        self.known = dispersion.DispersionSums(
            looks=np.zeros((traces, 3)),
            blocks=np.zeros((traces, 2 + spans, 3)),
            counted=np.zeros((traces, 2)),
            recent=np.zeros((traces, dispersion.RECENT, 2)),
        )
        self._minute = np.full(traces, NONE_YET)
        self._here, self._last = np.zeros((3, traces)), np.zeros((2, traces))
        self._block, self._before, self._two_before = np.zeros((3, 2, traces))
        self._span, self._span_before = np.zeros((spans, 3, traces)), np.zeros((spans, 2, traces))
        began, everywhere = -len(history.requests) // TICKS_PER_MINUTE, np.ones(traces, dtype=bool)
        looks = zip(history.requests.astype(float), history.events.astype(float), strict=True)
        for number, (requests, events) in enumerate(looks):
            self.note(np.stack([requests, events]), began + number // TICKS_PER_MINUTE, everywhere)

    def note(self, stable: Floats, minute: int, here: NDArray[np.bool_]) -> None:
        """Take a look at stable in these traces: requests and events, (2, traces)."""
        ends = here & (self._minute != minute) & (self._minute != NONE_YET)
        if ends.any():
            self._end_block(ends, self._minute == minute - 1)
        self._minute = np.where(here, minute, self._minute)
        stable = here * stable
        both = (stable[0] > 0) & (self._last[0] > 0)
        pair = (np.maximum(self._last[0], 1), self._last[1], np.maximum(stable[0], 1), stable[1])
        self._here += both * np.stack([*dispersion.excess_within_block(*pair), np.ones_like(both, dtype=float)])
        self._last = np.where(stable[0] > 0, stable, self._last)
        self._block += stable

    def _end_block(self, ends: NDArray[np.bool_], follows: NDArray[np.bool_]) -> None:
        """End the block under way in some traces; one that no look follows at once has no neighbour."""
        known, block = self.known, ends * self._block
        known.looks[...] += (ends * self._here).T
        known.counted[...] += block.T
        known.blocks[:, 0] += _pairs(self._before, block)
        known.blocks[:, 1] += _pairs(self._two_before, block)
        seen = ends & (block[0] > 0)
        known.recent[seen] = np.roll(known.recent[seen], -1, axis=1)
        known.recent[seen, -1] = block.T[seen]
        self._span += np.stack([ends.astype(float), *block])
        full = (self._span[:, 0] == self._lengths) & seen
        for number in range(len(dispersion.SPANS)):
            whole = full[number] * self._span[number, 1:]
            known.blocks[:, 2 + number] += _pairs(self._span_before[number], whole)
            self._span_before[number] = np.where(full[number], whole, self._span_before[number])
        self._span *= ~full[:, None]
        alone = ends & ((block[0] == 0) | ~follows)
        self._span *= ~alone
        self._span_before *= ~alone
        self._two_before = np.where(ends, self._before * follows, self._two_before)
        self._before = np.where(ends, block * follows, self._before)
        self._block, self._here, self._last = (~ends * one for one in (self._block, self._here, self._last))

    def expects(self, look: Floats) -> Overdispersion:
        """Return what is expected of the block that begins with this look."""
        share = look[:, 2] / np.maximum(look[:, 0] + look[:, 2], 1)
        size = self._before[0] / np.maximum(share, 0.01)
        found = bursts.expect_overdispersion(
            self._squared_cv, self.known.rate, (size * (1 - share), size * share), self._clusters
        )
        return found if self._defence is Defence.LEARNED else replace(found, gusty=np.zeros_like(found.gusty))

    @property
    def _squared_cv(self) -> Floats:
        if self._defence is Defence.NONE:
            return np.zeros(len(self.known.looks))
        return dispersion.squared_cv(self.known, self._least_cv)

    @property
    def _clusters(self) -> Floats:
        return (
            np.ones(len(self.known.looks)) if self._defence is Defence.NONE else dispersion.cluster_factor(self.known)
        )


def _pairs(before: Floats, here: Floats) -> Floats:
    """Return what two neighbours, (2, traces) each, add to the sums of `dispersion.DispersionSums`: (traces, 3)."""
    known = ((before[0] > 0) & (here[0] > 0)).astype(float)
    return np.stack([*dispersion.excess_and_scale(*before, *here), known], axis=1)


class Shares:
    """One share of requests on all traces, as `statistics.counts`."""

    def __init__(
        self, metric: Metric, guard: RateGuard, alpha: float, learned: Learned, *, patient: bool = False
    ) -> None:
        """Begin with nothing counted; `alpha` is this check's own. `patient`: see `counts.CountDelta`."""
        self.metric, self.guard, self.alpha, self.learned = metric, guard, alpha, learned
        self.grid: Grid = rates.grid_of(guard.margin, guard.tolerance)
        traces = len(learned.known.looks)
        self._negligible = np.full(traces, guard.negligible)
        self._tally: Tally = bursts.empty_tally((traces,), len(self.grid.ratios))
        self._patient, self._rare = patient, learned.known.rate < guard.negligible
        self._minute, self._began = np.full(traces, NONE_YET), np.full(traces, NONE_YET)
        self._gusts = replace(learned.expects(np.zeros((traces, 4))), known=np.ones(traces))
        self.canary, self.stable = np.zeros((2, traces)), np.zeros((2, traces))
        self.evidence_against, self.evidence_for = np.zeros((2, traces))
        self.total, self.whole = np.zeros((2, *self._tally.closed.shape))
        """Log-likelihoods by ratio: what speaks against the canary, and all that speaks for it."""
        self.rows: Rows = slice(None)
        """Traces that are still to be decided: of the others nothing is worked out any more."""

    @property
    def ratio_weight(self) -> Floats:
        """Log weight of passing by the ratio, for `rows`."""
        return np.log(rates.ratio_weight(self._rare[self.rows]))

    @property
    def begun(self) -> NDArray[np.bool_]:
        """Where anything was weighed."""
        return self._minute != NONE_YET

    def look(self, look: Floats, minute: int, here: NDArray[np.bool_], alone: Floats | None = None) -> None:
        """Weigh a look in these traces: canary's requests and events, stable's requests and events, (traces, 4).

        `alone`: the canary's events where `look` leaves out those that both arms share.
        """
        begins = here & (self._minute != minute)
        first = begins & ~self.begun
        if first.any():  # as stable was known before this look: the shadow may have shown it first
            self._rare = np.where(first, self.learned.known.rate < self._negligible, self._rare)
        closes = np.flatnonzero(begins & self.begun)
        if closes.size:
            self._close(closes)
        self._minute = np.where(here, minute, self._minute)
        self.learned.note(look[:, 2:].T, minute, here)
        if begins.any():
            self._expect(look, begins)
        look = np.where(here[:, None], look, 0.0)
        self.stable, self.canary = self.stable + look[:, 2:].T, self.canary + look[:, :2].T
        events = look[:, 1] if alone is None else np.where(here, alone, 0.0)
        rows, grid = self.rows, self.grid
        tally, overdispersion = _taken(self._tally, rows), _taken(self._gusts, rows)
        bursts.add_look(tally, np.column_stack([look, events])[rows], grid, self._negligible[rows])
        _put(self._tally, rows, tally)
        total = self.total[rows] = bursts.total_against(tally, overdispersion, grid)
        whole = self.whole[rows] = bursts.total_for(tally, overdispersion, grid)
        self.evidence_against[rows] = rates.log_evidence_against(total, grid)
        small = rates.log_mean(bursts.small_total(tally, overdispersion))
        self.evidence_for[rows] = rates.log_pass(rates.log_passing(whole, grid), small, self._rare[rows])

    def _close(self, rows: NDArray[np.intp]) -> None:
        """End the block before in these traces."""
        ended, recent = _taken(self._tally, rows), self.learned.known.recent[rows]
        bursts.close_block(ended, _taken(self._gusts, rows), self.grid, self._negligible[rows], recent)
        _put(self._tally, rows, ended)

    def _expect(self, look: Floats, begins: NDArray[np.bool_]) -> None:
        """Say how the block that begins in these traces is weighed."""
        self._began = np.where(begins & (self._began == NONE_YET), self._minute, self._began)
        waited = self._minute - self._began >= counts.PATIENCE_BLOCKS
        known = np.full(len(begins), not self._patient) | (self.learned.known.blocks[:, 0, 2] >= KNOWN_BLOCKS) | waited
        now = replace(self.learned.expects(look), known=known.astype(float))
        self._gusts = Overdispersion(
            **{
                field.name: np.where(begins, getattr(now, field.name), getattr(self._gusts, field.name))
                for field in fields(Overdispersion)
            }
        )

    def under(self, ratios: Floats) -> Floats:
        """Return the log e-value against "the canary fails at least so many times as often", for `rows`."""
        return rates.log_under(self.total[self.rows], self.grid, ratios[self.rows])


def _taken(parts: Parts, rows: Rows) -> Parts:
    """Return these traces of a tally, or of what is expected of a block: views where they are all."""
    return type(parts)(**{field.name: getattr(parts, field.name)[rows] for field in fields(parts)})


def _put(tally: Tally, rows: Rows, part: Tally) -> None:
    for field in fields(Tally):
        getattr(tally, field.name)[rows] = getattr(part, field.name)


def look_of(arms: Arms) -> Floats:
    """Return canary's requests and events, stable's requests and events: (traces, 4)."""
    return np.stack([arms.canary_requests, arms.canary, arms.stable_requests, arms.stable], axis=1).astype(float)
