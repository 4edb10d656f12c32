"""The grid and the likelihoods that the tests of rates share."""

import numpy as np

from slipway.domain.judge.statistics.rates import Floats, Grid, grid_of, log_likelihoods

GRID = grid_of(1.0, 1.5)


def total(*looks: tuple[float, float, float, float], grid: Grid = GRID) -> Floats:
    """Return l(w) after looks at (canary's requests, events, stable's requests, events)."""
    n_c, x, n_s, y = np.array(looks, dtype=float).T
    return log_likelihoods(x, y, n_c, n_s, grid).sum(axis=0)


EXAMPLE = (2004, 41, 8010, 71)
"""The worked example of the documentation."""
