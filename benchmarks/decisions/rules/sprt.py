"""Wald's sequential test that knows the truth: each tick's share of events in this canary, and in one that is equal.

No rule that has to learn them can, at these error probabilities and on these weights, decide sooner on average (Wald &
Wolfowitz 1948): the floor. It rolls back when the likelihood ratio reaches 1/alpha, and promotes at once at beta: one
bad canary in twenty then serves everything. The patient one promotes when the plan is over, as the other rules do: the
floor of bad answers. Where the canary is equal both test against twice the share (odds where that is over a half); for
scores, against 0.3 standard deviations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

from benchmarks.decisions.decisions import Decisions, earliest, first, settle
from benchmarks.decisions.scenario import Metric
from benchmarks.decisions.schedule import PLAN, PLAN_TICKS, TICKS, Path, path_of
from benchmarks.decisions.traces import Traces

AT_ONCE, PATIENT = "sprt-truth", "sprt-patient"
FAULTY_SHARE, FAULTY_SHIFT = 0.005, 0.3
"""What an equal canary is tested against where the stable version has no errors, and for scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SprtSetting:
    """Error probabilities."""

    alpha: float = 0.01
    beta: float = 0.05


class Sprt:
    """See the module."""

    def __init__(self, *, patient: bool = False) -> None:
        """Take whether to be patient: promote no sooner than the plan ends, and still roll back until then."""
        self.name = PATIENT if patient else AT_ONCE

    def default(self, traces: Traces) -> SprtSetting:  # noqa: ARG002 - the same for every service
        """Return Slipway's default error probabilities."""
        return SprtSetting()

    def decide(self, traces: Traces, setting: SprtSetting) -> Decisions:
        """Decide on every trace, on the default plan's weights."""
        if "sprt" not in traces.scratch:
            traces.scratch["sprt"] = np.cumsum(log_ratios(traces, path_of(PLAN)), axis=0)
        return self._decide(traces, setting, path_of(PLAN), traces.scratch["sprt"])

    def along(self, traces: Traces, path: Path) -> Decisions:
        """Decide on every trace, on the weights that another rule chose."""
        return self._decide(traces, SprtSetting(), path, np.cumsum(log_ratios(traces, path), axis=0))

    def _decide(self, traces: Traces, setting: SprtSetting, path: Path, evidence: NDArray[np.float64]) -> Decisions:
        ticks = np.arange(1, TICKS + 1)
        fine = evidence <= np.log(setting.beta)
        if self.name == PATIENT:
            fine[: PLAN_TICKS - 1] = False
        return settle(traces, path, *earliest(first(evidence >= -np.log(setting.alpha), ticks), first(fine, ticks)))

    def sweep(self, traces: Traces) -> Iterator[tuple[SprtSetting, Decisions]]:  # noqa: ARG002 - nothing to tune
        """Try nothing."""
        return iter(())


def log_ratios(traces: Traces, path: Path) -> NDArray[np.float64]:
    """Return the log-likelihood ratio of each tick's canary answers, worse against equal: (TICKS, traces)."""
    channel = traces.channels[traces.scenario.metric]
    seen = [channel.window(tick, tick + 1, path) for tick in range(TICKS)]
    requests = np.array([arms.canary_requests for arms in seen])
    events = np.array([arms.canary for arms in seen])
    equal, worse = traces.truth.equal, traces.truth.canary
    if traces.scenario.metric is Metric.SCORES:
        shift = FAULTY_SHIFT if traces.scenario.equal else worse - equal
        return np.asarray(shift * (events - requests * (equal + shift / 2)))
    if traces.scenario.equal:
        worse = _worse(equal)
    gain: NDArray[Any] = xlogy(events, worse) - xlogy(events, equal)
    loss: NDArray[Any] = xlog1py(requests - events, -worse) - xlog1py(requests - events, -equal)
    ratios: NDArray[np.float64] = np.nan_to_num(gain + loss, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return ratios


def _worse(equal: NDArray[np.float64]) -> NDArray[np.float64]:
    doubled = np.where(equal <= 1 / 4, 2 * equal, 2 * equal / (1 + equal))
    return np.where(equal == 0, FAULTY_SHARE, doubled)
