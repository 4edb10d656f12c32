"""One difference between two versions, in words for authors of clients."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 6
"""Names that a sentence lists before it gives a count of the rest."""


class DifferenceKind(StrEnum):
    """The effect of a difference on clients."""

    BREAKING = "breaking"
    """A request that the champion takes is refused, or an answer can't be read as before."""
    COMPATIBLE = "compatible"
    """Clients of the champion need no change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference from the champion."""

    kind: DifferenceKind
    where: str
    """`column 'tenure'`, `answers`, `MLflow invocations`."""
    sentence: str
    """The difference, and its effect on clients."""


def breaking_difference(where: str, sentence: str) -> Difference:
    """Return a difference that affects clients."""
    return Difference(kind=DifferenceKind.BREAKING, where=where, sentence=sentence)


def compatible_difference(where: str, sentence: str) -> Difference:
    """Return a difference that does not affect clients."""
    return Difference(kind=DifferenceKind.COMPATIBLE, where=where, sentence=sentence)


def list_names(what: str, names: Sequence[str]) -> str:
    """Name a few of many.

    >>> list_names("column", ["a"]), list_names("column", ["a", "b"])
    ("column 'a'", "columns 'a', 'b'")
    """
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what}{'s' * (len(names) > 1)} {', '.join(map(repr, names[:SHOWN]))}{rest}"


def count_words(count: int, what: str) -> str:
    """Return a count with its noun.

    >>> count_words(1, "column"), count_words(2, "column")
    ('1 column', '2 columns')
    """
    return f"{count} {what}{'s' * (count != 1)}"


def verb_for(names: Sequence[str]) -> str:
    """Return the verb for a few names.

    >>> verb_for(["a"]), verb_for(["a", "b"])
    ('is', 'are')
    """
    return "is" if len(names) == 1 else "are"


def pronoun_for(names: Sequence[str]) -> str:
    """Return the pronoun for a few names."""
    return "it" if len(names) == 1 else "them"
