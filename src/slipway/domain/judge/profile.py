"""The profile of a model's inputs: data only, so that naming a revision needs no statistics library."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """How one input column was distributed in the validation set."""

    name: str
    edges: tuple[float, ...] = ()
    """Of a numeric column, ascending: v is in bin `searchsorted(edges, v, side="right")`, one bin more than edges."""
    categories: tuple[str, ...] = ()
    """Values of any other column: one bin each, and one more for any value not listed."""
    counts: tuple[int, ...]
    """Rows of the validation set per bin; the last bin counts what is missing (NaN, None)."""

    def __post_init__(self) -> None:
        """Reject values that no column can have."""
        bins = (len(self.categories) if self.categories else len(self.edges)) + 2
        rising = all(a < b for a, b in pairwise(self.edges))
        if (self.edges and self.categories) or not rising or len(self.counts) != bins or min(self.counts) < 0:
            message = (
                f"column {self.name}: edges={self.edges}, categories={self.categories}, counts={self.counts}; need "
                "rising edges or categories, not both, and counts of 0 or more: one bin more than edges (or "
                "categories), and one for what is missing"
            )
            raise ValueError(message)
