"""Readings that move only once everybody who counts was scraped anew: both arms then tell of the same time.

A gateway, stable's pods and the canary's are scraped at times of their own (of several pods the newest scrape counts).
Read in between, one arm has requests and the other none, or requests came and their errors did not: a
comparison of such looks says nothing, however many come.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Steps(Generic[T]):
    """What was read last, and how new the samples were, by whoever counts."""

    times: Mapping[tuple[str, str], float] = field(default_factory=dict)
    given: dict[str, T] = field(default_factory=dict)

    def waiting(self, names: list[str], times: Mapping[tuple[str, str], float]) -> dict[str, T] | None:
        """Return what was read last, while somebody was not scraped since; None: it is time to read anew.

        Who is not scraped any more is not waited for.

        >>> steps = Steps()
        >>> steps.took({("gateway", "v1"): 10.0, ("pods", "v1"): 11.0}, {"v1": 5})
        {'v1': 5}
        >>> steps.waiting(["v1"], {("gateway", "v1"): 12.0, ("pods", "v1"): 11.0})
        {'v1': 5}
        >>> steps.waiting(["v1"], {("gateway", "v1"): 12.0}) is None
        True
        """
        waits = any(times.get(who, before + 1) <= before for who, before in self.times.items())
        return dict(self.given) if waits and self.given.keys() == set(names) else None

    def took(self, times: Mapping[tuple[str, str], float], read: dict[str, T]) -> dict[str, T]:
        """Remember what was read, and return it."""
        self.times, self.given = times, dict(read)
        return read
