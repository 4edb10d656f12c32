"""Types of values: which values of one type a column of another accepts, as services/inference casts them."""

import numpy as np

NUMBERS = frozenset("iuf")
LARGEST_HALF = 65504
"""The largest number of float16."""
DIGITS = {"float16": 3, "float32": 7, "float64": 15}
"""Decimal digits that a type keeps."""
WORDS = {"t": "text", "x": "another thing", "b": "true or false", "i": "a whole number", "u": "a whole number"}
"""By letter: what an answer is; any other is a fractional number."""


def plain_kind(kind: str) -> str:
    """Return the canonical name of a type: text has two."""
    return "str" if kind == "object" else kind


def dtype_letter(kind: str) -> str:
    """Return numpy's letter of a number or truth value, `t` for text, `x` for a type that the service does not support.

    >>> [dtype_letter(kind) for kind in ("int32", "bool", "object", "datetime64[ns]", "bytes")]
    ['i', 'b', 't', 'x', 'x']
    """
    if plain_kind(kind) == "str":
        return "t"
    found = np.dtype(kind).kind
    return found if found in NUMBERS | {"b"} else "x"


def is_numeric(kind: str) -> bool:
    """Return whether values of this type may be in a matrix."""
    return dtype_letter(kind) in NUMBERS | {"b"}


def find_refused_values(before: str, after: str) -> str:
    """Describe the values of the first type that a column of the second refuses; empty: none.

    >>> find_refused_values("int64", "int32")
    'numbers beyond -2,147,483,648 to 2,147,483,647'
    >>> [find_refused_values(*pair) for pair in (("int32", "int64"), ("int64", "float64"), ("float64", "float32"))]
    ['', '', '']
    >>> [find_refused_values(*pair) for pair in (("bool", "int64"), ("str", "float64"), ("float64", "int64"))]
    ['true and false', 'texts', 'numbers with a fraction, and any that is sent as a fractional one,']
    """
    old, new = dtype_letter(before), dtype_letter(after)
    if old not in NUMBERS or new not in NUMBERS:
        return (
            ""
            if plain_kind(before) == plain_kind(after)
            else {"t": "texts", "b": "true and false"}.get(old, "its values")
        )
    if np.can_cast(before, after, "safe"):
        return ""
    if old == "f" and new != "f":
        return "numbers with a fraction, and any that is sent as a fractional one,"
    if new == "f":
        return f"numbers beyond {LARGEST_HALF:,}" if after == "float16" else ""
    limits = np.iinfo(after)
    return f"numbers beyond {limits.min:,} to {limits.max:,}"


def describe_rounding(before: str, after: str) -> str:
    """Describe the rounding of values that are all accepted; integers have as many bits as floats keep, or more.

    >>> describe_rounding("float64", "float32"), describe_rounding("int64", "float64")
    ('every value is taken, rounded to 7 digits', 'every value is taken, rounded to 15 digits')
    >>> describe_rounding("float32", "float64"), describe_rounding("int16", "float32")
    ('every value is taken as before', 'every value is taken as before')
    """
    exact = dtype_letter(after) != "f" or _count_bits(before) <= _count_bits(after)
    return "every value is taken as before" if exact else f"every value is taken, rounded to {DIGITS[after]} digits"


def _count_bits(kind: str) -> int:
    """Return how many binary digits of a number a type keeps."""
    return int(np.finfo(kind).nmant) + 1 if dtype_letter(kind) == "f" else int(np.iinfo(kind).bits)
