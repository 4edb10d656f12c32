"""What disturbs the share of bad answers: by what each arm's is multiplied, tick by tick, history included."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.scenario import Scenario
from benchmarks.decisions.schedule import TICK_SECONDS, TICKS, TICKS_PER_MINUTE

HISTORY_MINUTES = 60
HISTORY_TICKS = HISTORY_MINUTES * TICKS_PER_MINUTE
GUST_FACTOR, GUST_EXPONENT, GUST_APART_MINUTES = 4.0, 1.5, 20.0
"""Of gusts of Pareto lengths."""
MOST_GUSTS = 32
"""In the two hours of a trace; more are as good as impossible."""
Floats = NDArray[np.float64]
Levels = tuple[Floats, Floats]
"""Canary's and stable's: (HISTORY_TICKS + TICKS, traces or 1) each."""


def levels(scenario: Scenario, rng: np.random.Generator, count: int) -> Levels:
    """Draw the factors on the share."""
    minutes = HISTORY_MINUTES + TICKS // TICKS_PER_MINUTE
    seconds = 60.0 * np.arange(-HISTORY_MINUTES, minutes - HISTORY_MINUTES, dtype=np.float64)
    base = np.repeat(scenario.base_at(seconds)[:, None], TICKS_PER_MINUTE, axis=0)
    if scenario.pareto_gusts:
        return base * _pareto(rng, count), base * _pareto(rng, count)
    if not scenario.bursts:
        return base, base
    stable = _gusts(scenario, rng, count)
    canary = stable if scenario.bursts_shared else _gusts(scenario, rng, count)
    return base * canary, base * stable


def _gusts(scenario: Scenario, rng: np.random.Generator, count: int) -> Floats:
    """Draw gamma factors by tick and trace; each holds for the scenario's minutes."""
    shape, length = scenario.bursts**-2, scenario.burst_minutes * TICKS_PER_MINUTE
    ticks = np.arange(HISTORY_TICKS + TICKS)[:, None]
    apart = 1 if scenario.bursts_any_time else TICKS_PER_MINUTE
    begin = apart * rng.integers(0, length // apart, count)
    drawn = rng.gamma(shape, 1 / shape, (len(ticks) // length + 2, count))
    return np.take_along_axis(drawn, (ticks + begin) // length, axis=0)


def _pareto(rng: np.random.Generator, count: int) -> Floats:
    """Draw calm and gust in turn, from a calm time on: a factor by tick and trace."""
    calm = rng.exponential(60 * GUST_APART_MINUTES, (count, MOST_GUSTS))
    lasts = 60 * (1 + rng.pareto(GUST_EXPONENT, (count, MOST_GUSTS)))
    ends = np.cumsum(calm + lasts, axis=1)
    seconds = TICK_SECONDS * np.arange(HISTORY_TICKS + TICKS)
    blows = np.zeros((len(seconds), count), dtype=bool)
    for number in range(MOST_GUSTS):
        end = ends[:, number]
        blows |= (seconds[:, None] >= end - lasts[:, number]) & (seconds[:, None] < end)
    return np.where(blows, GUST_FACTOR, 1.0)
