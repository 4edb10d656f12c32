"""How fast evidence comes, beside plain sums."""

import numpy as np
import pytest
from scipy import stats

from slipway.domain.forecast import clocks
from slipway.domain.judge.statistics import rates


def test_information_is_the_mean_growth_of_the_likelihood() -> None:
    """Summed over Poisson counts of both arms."""
    events, ratio, odds = 7.0, 2.0, 0.5
    x = np.arange(80)
    grid = rates.grid_of(1.0, ratio)
    nats = [
        (
            rates.log_likelihoods(*(np.array([one]) for one in (a, b, odds, 1.0)), grid)
            @ np.eye(len(grid.ratios))[:, -2:]
        )[0]
        for a, b in ((1.0, 0.0), (0.0, 1.0))
    ]
    mean_x = stats.poisson.pmf(x, ratio * events) @ x
    mean_y = stats.poisson.pmf(x, events / odds) @ x

    growth = mean_x * (nats[0][1] - nats[0][0]) + mean_y * (nats[1][1] - nats[1][0])

    assert clocks.information_rate(ratio, odds) * events == pytest.approx(growth)
