"""Cumulative counts as routers keep them, and the difference between two looks."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Requests that were meant for a revision since its counter began, by what became of them (`judge.answers`).

    What is no error, not refused and not shed was answered right, or its end was not the version's doing.
    """

    requests: int
    errors: int
    """Failed: a server error (5xx) that is not shed, or no whole answer: reset, broken off, timed out."""
    refused: int = 0
    """The version said that the request is wrong."""
    shed: int = 0
    """The version had too much to do."""

    def __post_init__(self) -> None:
        """Refuse counts that no counter can show."""
        positive = all(count >= 0 for count in (self.errors, self.refused, self.shed))
        if not (positive and self.errors + self.refused + self.shed <= self.requests):  # not a number is refused too
            message = (
                f"requests={self.requests}, errors={self.errors}, refused={self.refused}, shed={self.shed}; "
                "need counts from 0 on, and no more errors, refused and shed together than requests"
            )
            raise ValueError(message)

    def __add__(self, other: "Counters") -> "Counters":
        """Return both together.

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
    """Return what came between two looks; None where the counter went backwards (its process began anew).

    >>> counters_since(Counters(requests=10, errors=1), Counters(requests=14, errors=1, refused=2))
    Counters(requests=4, errors=0, refused=2, shed=0)
    >>> counters_since(Counters(requests=10, errors=1), Counters(requests=3, errors=0)) is None
    True
    """
    came = {name: getattr(after, name) - getattr(before, name) for name in _FIELDS}
    try:
        return Counters(**came)
    except ValueError:  # fewer than before, or two numbers that were not read at one moment
        return None
