"""One problem in a document, described so that its author can fix it without reading any code."""

from dataclasses import dataclass

Key = tuple[str | int, ...]
"""Where in the document: `("rollout", "steps", 1, "weight_percent")`."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """What is wrong, where, and what would be right."""

    line: int
    """From 1; 0: of the document as a whole."""
    column: int
    """From 1; 0: of the document as a whole."""
    key: str
    """`rollout.steps[1].weight_percent`; empty: the document as a whole."""
    seen: str
    expected: str
    hint: str = ""
    """What to do, if that is known: `did you mean 'duration_seconds'?`."""

    def __str__(self) -> str:
        """Return it in one line.

        >>> print(Problem(line=7, column=3, key="model", seen="7", expected="text"))
        line 7, column 3: model: seen 7; expected text
        """
        place = [f"line {self.line}, column {self.column}"] if self.line else []
        what = f"seen {self.seen}; expected {self.expected}"
        hint = f" ({self.hint})" if self.hint else ""
        return ": ".join([*place, *([self.key] if self.key else []), what]) + hint


def format_key(key: Key) -> str:
    """Return a key path as text.

    >>> format_key(("rollout", "steps", 1, "weight_percent"))
    'rollout.steps[1].weight_percent'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return "".join(parts).removeprefix(".")
