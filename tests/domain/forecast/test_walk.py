"""Chances from look to look: enumerated, and what must hold for any numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from slipway.domain.forecast.walk import walk_plan
from slipway.domain.judge.statistics import rates
from slipway.domain.judge.statistics.rates import Floats
from tests.domain.forecast.plans import GUARD, METRIC, alone


@pytest.mark.parametrize(("share", "ratio"), [(0.05, 4.0), (0.5, 3.0)])
def test_chances_of_two_looks_are_those_of_all_their_outcomes(share: float, ratio: float) -> None:
    """Enumerated: every number of events in both arms at both looks."""
    plan = alone(share, 20, 120.0 / share)
    n_c, n_s = 1200.0, 1200.0 * (1 - share) / share
    x = np.arange(90)
    y = np.arange(int(stats.poisson.ppf(1e-6, n_s * METRIC.base)), int(stats.poisson.ppf(1 - 1e-6, n_s * METRIC.base)))
    p_x = stats.poisson.pmf(x, n_c * METRIC.base * ratio)
    p_y = stats.poisson.pmf(y, n_s * METRIC.base)
    grid = rates.grid_of(GUARD.margin, GUARD.tolerance)

    def rolled_back(looks: int, events: Floats, stable: Floats) -> Floats:
        shape = np.broadcast_shapes(events.shape, stable.shape)
        total = rates.log_likelihoods(
            np.broadcast_to(events, shape), np.broadcast_to(stable, shape),
            np.full(shape, looks * n_c), np.full(shape, looks * n_s), grid,
        )  # fmt: skip
        return (rates.log_evidence_against(total, grid) >= -np.log(METRIC.alpha)).astype(float)

    first = rolled_back(1, x[:, None].astype(float), y[None].astype(float))
    once = float(p_x @ first @ p_y)
    open_ = p_x[:, None] * p_y[None] * (1 - first)
    later = np.zeros((2 * len(x), 2 * len(y)))
    spread = stats.poisson.pmf(x, n_c * METRIC.base * ratio)
    for i in range(len(x)):
        later[i : i + len(x), : 2 * len(y) - 1] += spread[:, None] * np.convolve(open_[i], p_y)[None]
    both = rolled_back(2, np.arange(2.0 * len(x))[:, None], (2 * y[0] + np.arange(2.0 * len(y)))[None])
    twice = once + float((later * both).sum())

    found = walk_plan(plan, METRIC, ratio).found

    assert float(found.by(10)) == pytest.approx(once, abs=0.025)
    assert float(found.by(20)) == pytest.approx(twice, abs=0.025)


def test_sparse_looks_say_little() -> None:
    """Where most looks have no request of the canary, what stable did in them is not counted.

    Twenty times the errors: what sparse looks lose must be far beyond the approximations.
    """
    even = alone(0.05, 3600, 0.2)
    sparse = replace(even, even=False)

    chances = [walk_plan(plan, replace(METRIC, base=0.01), 20.0).found.ever for plan in (even, sparse)]

    assert chances[0] > chances[1] + 0.2


@settings(max_examples=15)
@given(
    rate=st.floats(0.5, 500),
    base=st.floats(0.0005, 0.2),
    share=st.sampled_from([0.01, 0.1, 0.5]),
    ratio=st.floats(1.1, 4),
)
def test_worse_is_found_sooner_and_good_hardly_ever(rate: float, base: float, share: float, ratio: float) -> None:
    """Chances are chances, grow with the ratio and with time, and an equal canary's stays under alpha."""
    metric = replace(METRIC, base=base)
    plan = alone(share, 1800, rate)

    equal, worse, worst = (walk_plan(plan, metric, one) for one in (1.0, ratio, ratio * 1.3))

    times = np.linspace(0, 1800, 50)
    assert equal.found.ever <= metric.alpha * 1.05
    assert worse.found.ever <= worst.found.ever + 1e-3
    assert (np.diff(worse.found.by(times)) >= -1e-12).all()
    assert equal.found.ever + equal.promoted.ever <= 1 + 1e-9
