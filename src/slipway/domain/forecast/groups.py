"""Canaries that go through a plan together: those that enter a leg at about the same time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slipway.domain.forecast.cells import Cells, pool_cells
from slipway.domain.judge.statistics.rates import Floats

POOLS = 5
"""Canaries that leave a leg at different times continue as this many groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Canaries that entered a leg together."""

    at: float
    """Seconds since the plan began."""
    spent: Floats
    """Seconds in each leg so far whose looks were weighed."""
    cells: Cells


def pool_groups(groups: Sequence[Group], rates: Floats) -> list[Group]:
    """Return few groups instead of many: those that left at about the same time are merged.

    `rates`: events of an equal canary per second, by leg.
    """
    many = sorted(groups, key=lambda group: group.at)
    whole = sum(group.cells.mass for group in many)
    found: list[list[Group]] = [[] for _ in range(POOLS)]
    before = 0.0
    for group in many:
        middle = before + group.cells.mass / 2
        found[min(int(POOLS * middle / whole), POOLS - 1)].append(group)
        before += group.cells.mass
    return [_pool_one(pool, rates) for pool in found if pool]


def _pool_one(groups: Sequence[Group], rates: Floats) -> Group:
    """Return one group that left at the mean time: each count is moved by the events expected in between.

    So the excess of a canary's events over the expected number is kept.
    """
    shares = np.array([group.cells.mass for group in groups])
    shares /= shares.sum()
    spent = shares @ np.array([group.spent for group in groups])
    return Group(
        at=float(shares @ [group.at for group in groups]),
        spent=spent,
        cells=pool_cells([group.cells.moved(round(float((spent - group.spent) @ rates))) for group in groups]),
    )
