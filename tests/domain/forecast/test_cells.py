"""Chances of numbers of events: Poisson, wide cells, and cells that are added up."""

import numpy as np
import pytest
from scipy import stats

from slipway.domain.forecast import boundaries
from slipway.domain.forecast.cells import START, Cells, add_events, pool_cells


def test_events_come_as_a_poisson_number() -> None:
    """Two looks make the sum of two."""
    still = np.eye(boundaries.STATES)

    cells = add_events(add_events(START, 3.0, still), 4.5, still)

    counts = cells.low + np.arange(cells.chances.shape[1])
    assert cells.chances.sum(axis=0) == pytest.approx(stats.poisson.pmf(counts, 7.5), abs=1e-8)


def test_wide_cells_keep_mean_and_variance() -> None:
    """Many events are followed in cells of several counts."""
    still = np.eye(boundaries.STATES)
    cells = START
    for _ in range(40):
        cells = add_events(cells, 1000.0, still)

    centres = cells.low + cells.width * (np.arange(cells.chances.shape[1]) + 0.5) - 0.5
    share = cells.chances.sum(axis=0)
    mean = centres @ share
    assert cells.width > 1
    assert cells.mass == pytest.approx(1.0, abs=1e-4)
    assert mean == pytest.approx(40_000, abs=1)
    assert (centres - mean) ** 2 @ share == pytest.approx(40_000, rel=0.02)


def test_groups_that_go_on_together_keep_their_chances() -> None:
    """Cells of other widths and begins are added up."""
    one = Cells(low=3, width=1, chances=np.full((boundaries.STATES, 5), 0.01))
    other = Cells(low=8, width=2, chances=np.full((boundaries.STATES, 4), 0.01))

    both = pool_cells([one, other])

    counts = np.full(boundaries.STATES, 8.0)
    assert both.mass == pytest.approx(one.mass + other.mass)
    assert (both.chances * both.above(counts)).sum() == pytest.approx(
        (one.chances * one.above(counts)).sum() + (other.chances * other.above(counts)).sum(), abs=0.05
    )
