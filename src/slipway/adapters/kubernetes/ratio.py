"""Shares that follow from counts: behind one Service every replica gets the same share of the requests.

A canary with `c` replicas next to `s` of the stable revision gets c / (s + c) of them. With at most 10 replicas each,
9 % (10 and 1) is the smallest share: 1 % would take 99 stable replicas for one of the canary.
"""

from dataclasses import dataclass
from functools import cache

from slipway.domain.rollout.scaling import ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Replicas of both revisions."""

    stable: int
    canary: int

    @property
    def total(self) -> int:
        """All replicas: they serve the load together."""
        return self.stable + self.canary

    @property
    def percent(self) -> int:
        """The canary's share, rounded.

        >>> Counts(stable=9, canary=1).percent
        10
        """
        return round(ALL * self.canary / self.total)


def find_reachable_shares(maximum: int) -> tuple[int, ...]:
    """Return the canary's shares in percent that are possible with at most this many replicas of each, ascending.

    >>> find_reachable_shares(3)
    (25, 33, 40, 50, 60, 67, 75, 100)
    """
    return (*sorted({counts.percent for counts in _list_counts(maximum)}), ALL)


def describe_reachable_shares(maximum: int) -> str:
    """Describe which shares can be reached, and why no others.

    >>> describe_reachable_shares(2)
    'no Gateway: requests follow replicas, and with at most 2 of each revision 33, 50, 67, 100 % can be reached'
    """
    shares = ", ".join(map(str, find_reachable_shares(maximum)))
    return (
        f"no Gateway: requests follow replicas, and with at most {maximum} of each revision {shares} % can be reached"
    )


def find_counts(percent: int, maximum: int, least: int = 2) -> Counts:
    """Return the fewest replicas, at least `least` together, with the canary's share or the nearest possible one.

    If the share is not possible with at least that many, the most replicas that have it.

    >>> find_counts(10, maximum=20, least=15)
    Counts(stable=18, canary=2)
    >>> find_counts(10, maximum=10, least=15)
    Counts(stable=9, canary=1)
    """
    pairs = _list_counts(maximum)
    nearest = min(pairs, key=lambda one: (abs(one.percent - percent), one.percent)).percent
    making = [one for one in pairs if one.percent == nearest]
    enough = [one for one in making if one.total >= least]
    exactness = {one: abs(ALL * one.canary / one.total - percent) for one in making}
    if enough:
        return min(enough, key=lambda one: (one.total, exactness[one]))
    return max(making, key=lambda one: (one.total, -exactness[one]))


@cache
def _list_counts(maximum: int) -> list[Counts]:
    # past 100 of each there is no new whole percent, and the square would get large
    most = range(1, min(maximum, ALL) + 1)
    return [Counts(stable=stable, canary=canary) for stable in most for canary in most]
