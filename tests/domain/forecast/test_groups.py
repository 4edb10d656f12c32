"""Rollouts that left a step at different times, followed as one."""

from dataclasses import replace

import numpy as np
import pytest

from slipway.domain.forecast import boundaries
from slipway.domain.forecast.cells import START, add_events
from slipway.domain.forecast.groups import Group, pool_groups


def test_groups_that_left_at_other_times_keep_what_they_have_over_the_expected() -> None:
    """Ten events in a minute and forty in four are both as expected: so are the thirty of their mean time."""
    groups = []
    for minutes, mass in ((1.0, 0.05), (4.0, 0.1), (5.0, 0.85)):  # the last one goes on by itself
        cells = add_events(START, 10.0 * minutes, np.eye(boundaries.STATES))
        cells = replace(cells, chances=mass * cells.chances)
        groups.append(Group(at=60 * minutes, spent=np.array([60 * minutes]), cells=cells))

    both, _ = pool_groups(groups, rates=np.array([10 / 60]))

    counts = both.cells.low + np.arange(both.cells.chances.shape[1])
    chances = both.cells.chances.sum(axis=0) / both.cells.mass
    assert (both.at, both.spent[0]) == pytest.approx((180, 180))
    assert (counts @ chances, (counts - 30) ** 2 @ chances) == pytest.approx((30, 30), abs=0.01)
