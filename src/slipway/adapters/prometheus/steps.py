"""Readings that change only once every source was scraped again, so that both arms cover the same time.

A gateway, stable's pods and the canary's are scraped at times of their own (of several pods the newest scrape counts).
Read in between, one arm has requests and the other none, or requests are counted and their errors are not: such looks
can't be compared, however many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Steps(Generic[T]):
    """The last reading, and the times of its samples, by source."""

    times: Mapping[tuple[str, str], float] = field(default_factory=dict)
    given: dict[str, T] = field(default_factory=dict)

    def get_last_reading(self, names: list[str], times: Mapping[tuple[str, str], float]) -> dict[str, T] | None:
        """Return the last reading while any source was not scraped since; None: read again.

        A source that is not scraped any more is not waited for.

        >>> steps = Steps()
        >>> steps.keep_reading({("gateway", "v1"): 10.0, ("pods", "v1"): 11.0}, {"v1": 5})
        {'v1': 5}
        >>> steps.get_last_reading(["v1"], {("gateway", "v1"): 12.0, ("pods", "v1"): 11.0})
        {'v1': 5}
        >>> steps.get_last_reading(["v1"], {("gateway", "v1"): 12.0}) is None
        True
        """
        waits = any(times.get(who, before + 1) <= before for who, before in self.times.items())
        return dict(self.given) if waits and self.given.keys() == set(names) else None

    def keep_reading(self, times: Mapping[tuple[str, str], float], read: dict[str, T]) -> dict[str, T]:
        """Store a reading, and return it."""
        self.times, self.given = times, dict(read)
        return read
