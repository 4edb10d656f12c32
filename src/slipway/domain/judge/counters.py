"""Cumulative counts as routers keep them, and their difference between two looks."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Requests routed to a revision since its counter started, by kind of answer (`judge.answers`).

    All other requests were answered right, or the version did not cause how they ended.
    """

    requests: int
    errors: int
    """Failed: a server error (5xx) that is not shed, or no complete answer: reset, aborted, timed out."""
    refused: int = 0
    """The version rejected the request as invalid."""
    shed: int = 0
    """The version was overloaded."""

    def __post_init__(self) -> None:
        """Reject counts that no counter can have."""
        positive = all(count >= 0 for count in (self.errors, self.refused, self.shed))
        if not (positive and self.errors + self.refused + self.shed <= self.requests):  # NaN is refused too
            message = (
                f"requests={self.requests}, errors={self.errors}, refused={self.refused}, shed={self.shed}; "
                "need counts from 0 on, and no more errors, refused and shed together than requests"
            )
            raise ValueError(message)

    def __add__(self, other: "Counters") -> "Counters":
        """Return the sum of both.

        >>> Counters(requests=3, errors=1) + Counters(requests=2, errors=0, shed=1)
        Counters(requests=5, errors=1, refused=0, shed=1)
        """
        return Counters(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            refused=self.refused + other.refused,
            shed=self.shed + other.shed,
        )


ZERO = Counters(requests=0, errors=0)
_FIELDS = tuple(one.name for one in fields(Counters))


def counters_since(before: Counters, after: Counters) -> Counters | None:
    """Return the difference between two looks; None if the counter went backwards (its process restarted).

    >>> counters_since(Counters(requests=10, errors=1), Counters(requests=14, errors=1, refused=2))
    Counters(requests=4, errors=0, refused=2, shed=0)
    >>> counters_since(Counters(requests=10, errors=1), Counters(requests=3, errors=0)) is None
    True
    """
    came = {name: getattr(after, name) - getattr(before, name) for name in _FIELDS}
    try:
        return Counters(**came)
    except ValueError:  # fewer than before, or two numbers that were read at different moments
        return None
