"""Slipway's shadow on many traces at once: what copies show, when it ends, and what that adds to live evidence.

What copies show is judged as `judge.update_from_copies` and `decision` do it: errors (`statistics.rates`, a row each),
and times, trace by trace (`statistics.paired`).
"""

import copy
import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.copies import MOST_TICKS, Copies
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import TICKS_PER_MINUTE
from benchmarks.decisions.slipway_guards import share_of_alpha
from benchmarks.decisions.slipway_shares import Learned, Shares
from slipway.domain.judge.decision import LIVE_ALONE
from slipway.domain.judge.judge import copies_guard
from slipway.domain.judge.readings import Sums
from slipway.domain.judge.statistics import paired, rates
from slipway.domain.judge.statistics.paired import PairEvidence
from slipway.domain.judge.statistics.rates import Floats
from slipway.domain.spec.judge import Guard, JudgeSpec
from slipway.domain.spec.release import SLOWER_ON_COPIES


class Shadow:
    """Copies of all traces' requests: both versions answer each of them."""

    def __init__(self, copies: Copies, spec: JudgeSpec, guards: list[Guard]) -> None:
        """Begin with nothing compared; `guards` are all that share alpha."""
        self._copies, self._beta = copies, spec.beta
        guard = copies_guard(spec)
        self._guard, self._alpha = guard, share_of_alpha(guard, guards)
        self.shares: Shares | None = None
        latency = spec.latency
        self._slow_alpha = share_of_alpha(Guard(weight=latency.weight / 3), guards) if latency else 0.0
        self._limit = max(latency.margin, SLOWER_ON_COPIES) if latency else math.inf
        traces = copies.requests.shape[1]
        self._pairs = [PairEvidence()] * traces
        self._slow, self._quick = np.zeros(traces, dtype=bool), np.ones(traces, dtype=bool)
        self.came = np.zeros((traces, 4))
        """All copies so far: requests and failures of the canary, of stable."""

    def look(self, tick: int, copying: NDArray[np.bool_], *, cold: bool, errors: Learned) -> None:
        """Look at the copies of a tick; while replicas may be cold, they are not weighed.

        `errors`: what is known of stable by now, with which the first weighed look begins.
        """
        if tick >= MOST_TICKS:
            return
        n, x, y, both = (
            getattr(self._copies, name)[tick].astype(float) for name in ("requests", "canary", "stable", "both")
        )
        self.came += copying[:, None] * np.stack([n, x, n, y], axis=1)
        if cold:
            return
        if self.shares is None:
            self.shares = Shares(Metric.ERRORS, self._guard, self._alpha, copy.deepcopy(errors), patient=True)
        self.shares.rows = np.flatnonzero(copying)
        self.shares.look(np.stack([n, x - both, n, y - both], axis=1), tick // TICKS_PER_MINUTE, copying & (n > 0), x)
        for row in np.flatnonzero(copying & (self._copies.timed[tick] > 0)):
            self._time(tick, int(row))

    def _time(self, tick: int, row: int) -> None:
        """Weigh the times of a tick's copies in one trace."""
        names = {"count": "timed", "total": "log_ratios", "squares": "squares"}
        sums = Sums(**{name: getattr(self._copies, there)[tick, row].item() for name, there in names.items()})
        one = self._pairs[row] = paired.update_pairs(self._pairs[row], pairs=sums.count, disagreeing=0, log_ratios=sums)
        self._slow[row] |= paired.slowdown_evidence_against(one, self._limit) >= 1 / self._slow_alpha
        self._quick[row] = paired.slowdown_evidence_for(one, self._limit) >= 1 / self._beta

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Where copies say that the canary is worse."""
        if self.shares is None:
            return np.zeros_like(self._slow)
        return self._slow | (self.shares.evidence_against >= -math.log(self.shares.alpha))

    @property
    def passed(self) -> NDArray[np.bool_]:
        """Where all that copies are judged by passes."""
        if self.shares is None:
            return np.zeros_like(self._slow)
        return self._quick & (self.shares.evidence_for >= -math.log(self._beta)) & self.shares.begun

    def with_live(self, errors: Shares) -> Floats:
        """Return the evidence for live errors, with what copies showed; see `decision`."""
        if self.shares is None:
            return errors.evidence_for
        rows, grid = errors.rows, errors.grid
        whole = rates.log_passing(errors.whole[rows] + self.shares.whole[rows], grid) + errors.ratio_weight
        alone = rates.log_evidence_for(errors.whole[rows], grid) - math.log(LIVE_ALONE) - math.log(self._beta)
        together = np.where(self.shares.begun[rows], np.minimum(whole, alone), -np.inf)
        evidence_for = errors.evidence_for.copy()
        evidence_for[rows] = np.maximum(evidence_for[rows], together)
        return evidence_for
