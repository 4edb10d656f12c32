"""Limits on one number that Flagger and Argo Rollouts compare the canary's with, and how that number is read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.scenario import Metric, Scenario
from benchmarks.decisions.schedule import Path
from benchmarks.decisions.traces import Traces

FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
SHARES = (0.0, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
MEANS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5)
"""Tuning picks from these: of the base share, as shares, and as mean scores in standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The canary's share of events (or mean score) must not be above."""

    metric: str
    most: float


def limits(scenario: Scenario) -> tuple[Limit, ...]:
    """Return the limits that tuning may choose for a scenario's metric; the last can't be broken by any share."""
    base = scenario.shares[0]
    if scenario.metric is Metric.SCORES:
        values = {*MEANS, np.inf}
    else:
        values = {share for share in (*(base * factor for factor in FACTORS), *SHARES) if share < 1} | {1.0}
    return tuple(Limit(metric=scenario.metric, most=value) for value in sorted(values))


def broken(traces: Traces, checks: tuple[Limit, ...], ticks: tuple[int, int], path: Path) -> NDArray[np.bool_]:
    """Return where a check fails in a window of ticks: (traces,). No data fails too, as it does in both peers.

    A metric that the traces do not have is not checked: nothing happens to it in that scenario.
    """
    fails = np.zeros(traces.count, dtype=bool)
    for check in checks:
        if check.metric in traces.channels:
            requests, events = traces.channels[check.metric].canary_window(*ticks, path)
            fails |= ~(_mean(events, requests) <= check.most)
    return fails


def canary_value(arms: Arms) -> NDArray[Any]:
    """Return the canary's share or mean; NaN without requests."""
    return _mean(arms.canary, arms.canary_requests)


def stable_value(arms: Arms) -> NDArray[Any]:
    """Return the stable version's share or mean; NaN without requests."""
    return _mean(arms.stable, arms.stable_requests)


def _mean(total: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
    value: NDArray[Any] = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return value
