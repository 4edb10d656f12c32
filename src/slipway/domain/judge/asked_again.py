"""What is asked for several times at one look, of values that never change: worked out once."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar, TypeVarTuple, cast

Given = TypeVarTuple("Given")
Result = TypeVar("Result")
KEPT = 8
"""Results that are remembered of each function: those of a look."""


class _Same:
    """A key that stands for these very objects, not for equal ones: comparing evidence takes longer than is saved."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[object, ...]) -> None:
        self.values = values  # held: as long as the key is there, nothing else has their identity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and [*map(id, self.values)] == [*map(id, other.values)]

    def __hash__(self) -> int:
        return hash(tuple(map(id, self.values)))


def worked_out_once(act: Callable[[*Given], Result]) -> Callable[[*Given], Result]:
    """Return the function with its last results remembered, by the very objects that it was given.

    >>> asked = []
    >>> twice = worked_out_once(lambda one, other: asked.append(one) or [one, other])
    >>> first = ["a"]
    >>> twice(first, "b") is twice(first, "b"), len(asked)
    (True, 1)
    >>> _ = twice(["a"], "b")
    >>> len(asked)
    2
    """

    @lru_cache(maxsize=KEPT)
    def kept(key: _Same) -> Result:
        return act(*cast("tuple[*Given]", key.values))

    @wraps(act)
    def asked(*values: *Given) -> Result:
        return kept(_Same(values))

    return asked
