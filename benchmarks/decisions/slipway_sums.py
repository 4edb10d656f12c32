"""Slipway's scores and class mixes, trace by trace with the domain's own functions, a look every 20 seconds."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import NOTHING
from benchmarks.decisions.slipway_guards import CLASSES, SCORES, share_of_alpha
from benchmarks.decisions.traces import Traces
from slipway.domain.judge.readings import Sums
from slipway.domain.judge.statistics import classes, means
from slipway.domain.spec.judge import Guard, JudgeSpec

LOOK_TICKS = 2
"""Ticks between looks, for time."""


class Walk(ABC):
    """One such metric on all traces, looked at every few ticks; in between, what was said stands."""

    passed: NDArray[np.bool_]

    def __init__(self, traces: Traces, guard: Guard, guards: list[Guard]) -> None:
        """Begin with nothing seen; `guards` are all that share alpha."""
        self._alpha, self._beta = share_of_alpha(guard, guards), JudgeSpec().beta
        self._channel = traces.channels[traces.scenario.metric]
        self._failed = np.zeros(traces.count, dtype=bool)
        self.passed = np.zeros(traces.count, dtype=bool)

    def failed(self, tick: int, path: NDArray[np.int8], under_way: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Weigh what came for traces that are under way, and return where the canary is to be rolled back."""
        if (tick + 1) % LOOK_TICKS == 0:
            ticks = range(tick + 1 - LOOK_TICKS, tick + 1)
            came = [(self._channel.window(one, one + 1, path), path[one] != NOTHING) for one in ticks]
            arms = Arms(
                **{name: np.sum([getattr(one, name) * live for one, live in came], axis=0) for name in Arms.__slots__}
            )
            for row in np.flatnonzero(under_way):
                evidence_against, evidence_for = self._weigh(int(row), arms)
                self._failed[row] |= evidence_against >= 1 / self._alpha
                self.passed[row] = evidence_for >= 1 / self._beta
        return self._failed

    @abstractmethod
    def _weigh(self, row: int, arms: Arms) -> tuple[float, float]:
        """Return the e-values against the canary and for it, with this look."""


class _Scores(Walk):
    def __init__(self, traces: Traces, guards: list[Guard]) -> None:
        super().__init__(traces, SCORES, guards)
        self._evidence = [means.MeanEvidence()] * traces.count

    def _weigh(self, row: int, arms: Arms) -> tuple[float, float]:
        canary, stable = (
            Sums(count=int(n[row]), total=float(t[row]), squares=float(s[row])) if n[row] else Sums()
            for n, t, s in (
                (arms.canary_requests, arms.canary, arms.canary_squares),
                (arms.stable_requests, arms.stable, arms.stable_squares),
            )
        )
        grown = self._evidence[row] = means.update_means(self._evidence[row], canary, stable)
        return means.mean_evidence_against(grown, SCORES.margin, SCORES.worse), means.mean_evidence_for(
            grown, SCORES.tolerance, SCORES.worse
        )


class _Classes(Walk):
    def __init__(self, traces: Traces, guards: list[Guard]) -> None:
        super().__init__(traces, CLASSES, guards)
        self._evidence = [classes.ClassEvidence()] * traces.count

    def _weigh(self, row: int, arms: Arms) -> tuple[float, float]:
        canary, stable = (
            {"A": float(x[row]), "B": max(0.0, float(n[row] - x[row]))}  # shares of ten rows add up to a hair more
            for n, x in ((arms.canary_requests, arms.canary), (arms.stable_requests, arms.stable))
        )
        grown = self._evidence[row] = classes.update_class_mix(self._evidence[row], canary, stable)
        return classes.class_evidence_against(grown, CLASSES.margin), classes.class_evidence_for(
            grown, CLASSES.tolerance
        )


def walk(traces: Traces, guards: list[Guard]) -> Walk:
    """Return the scenario's own metric."""
    return (_Scores if traces.scenario.metric is Metric.SCORES else _Classes)(traces, guards)
