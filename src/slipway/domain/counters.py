"""Cumulative counts as routers keep them, and the difference between two looks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Requests that were meant for a revision since its counter began, and how many of them failed.

    A request fails when its answer is a server error (5xx), or when there was none: refused, reset, timed out.
    """

    requests: int
    errors: int

    def __post_init__(self) -> None:
        """Refuse counts that no counter can show."""
        if self.requests < 0 or not 0 <= self.errors <= self.requests:
            message = f"requests={self.requests}, errors={self.errors}; need 0 <= errors <= requests"
            raise ValueError(message)


ZERO = Counters(requests=0, errors=0)


def since(before: Counters, after: Counters) -> Counters | None:
    """Return what came between two looks; None where the counter went backwards (its process began anew).

    >>> since(Counters(requests=10, errors=1), Counters(requests=14, errors=1))
    Counters(requests=4, errors=0)
    >>> since(Counters(requests=10, errors=1), Counters(requests=3, errors=0)) is None
    True
    """
    requests, errors = after.requests - before.requests, after.errors - before.errors
    if requests < 0 or not 0 <= errors <= requests:
        return None
    return Counters(requests=requests, errors=errors)
