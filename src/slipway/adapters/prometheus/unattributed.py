"""Requests that failed on the route and were counted with no revision: their attribution to revisions.

Traefik answers 503 for a share whose Service has no ready pod, and 500 for one whose Service is gone; it counts both
with the route only. So they belong to the revision without a ready pod when they are seen. If that is not one revision
(a pod is back already; none has any), they are split in proportion to requests, which biases neither arm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

IsEmpty = Callable[[str], bool]
"""Whether a revision has no ready pod."""


@dataclass(slots=True, kw_only=True)
class UnattributedFailures:
    """One route's failures without a revision, and their attribution, since this process's first look."""

    failed: int | None = None
    """All failures of the route at the last look; None: no look yet."""
    counted: int = 0
    """The largest number without a revision so far: for a moment a failure may be counted only with its revision, and
    must not be found again afterwards."""
    served: dict[str, int] = field(default_factory=dict)
    """Requests per revision at the last look."""
    given: dict[str, int] = field(default_factory=dict)
    """Failures by the revision that they were routed to."""

    def add_look(self, failed: int, stray: int, served: Mapping[str, int], is_empty: IsEmpty) -> Mapping[str, int]:
        """Add one look; return each revision's failures, cumulative. `is_empty` is called only for new ones.

        >>> strays = UnattributedFailures()
        >>> dict(strays.add_look(6, 4, {"v1": 90, "v2": 10}, lambda name: name == "v2"))
        {}
        >>> dict(strays.add_look(11, 9, {"v1": 190, "v2": 10}, lambda name: name == "v2"))
        {'v2': 5}
        """
        anew = self.failed is None or failed < self.failed  # the first look, or the gateway counts from zero again
        new = 0 if anew else stray - self.counted
        if new > 0:
            for name, number in self._share_new(new, served, is_empty).items():
                self.given[name] = self.given.get(name, 0) + number
        self.counted = stray if anew else max(stray, self.counted)
        self.failed, self.served = failed, dict(served)
        return {name: number for name, number in self.given.items() if name in served}

    def _share_new(self, new: int, served: Mapping[str, int], is_empty: IsEmpty) -> Mapping[str, int]:
        empty = list(served) if len(served) == 1 else [name for name in served if is_empty(name)]
        if len(empty) == 1:
            return {empty[0]: new}
        shares = {name: max(0, number - self.served.get(name, 0)) for name, number in served.items()}
        return divide_in_proportion(new, shares if any(shares.values()) else dict.fromkeys(served, 1))


def divide_in_proportion(number: int, shares: Mapping[str, int]) -> Mapping[str, int]:
    """Divide a number into integers in proportion to the shares; they add up to it.

    >>> divide_in_proportion(7, {"v1": 90, "v2": 10})
    {'v1': 6, 'v2': 1}
    """
    whole = sum(shares.values())
    ends = [number * upto // whole for upto in accumulate(shares.values())]
    return {name: end - begin for name, begin, end in zip(shares, [0, *ends], ends, strict=False)}
