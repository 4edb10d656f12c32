"""How live rows spread over the bins of the package's profile, so that a judge can see inputs drift.

Counted for every row, so it must be cheap: numbers of all columns are compared with all edges at once. Per edge, the
number of values that reached it is kept; a bin's count is the difference of two neighbours, computed when it is read.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.inference.manifest import InputColumn, Manifest
from services.inference.rows import Rows
from slipway_interface.manifest import ColumnBins

COMPARISONS = 1 << 18
"""Comparisons done at once: 256 KiB of truth values, however many rows a request has."""
TRUE_FROM = (0.5,)
"""The edge between false and true."""


class InputBins:
    """Rows per bin of each profiled column since the process started.

    >>> column = InputColumn(name="age", kind="float64")
    >>> bins = InputBins((column,), "float64", (ColumnBins(name="age", edges=(20.0, 60.0)),))
    >>> ages = np.array([[19.5], [20.0], [70.0], [float("nan")]])
    >>> bins.count(Rows(ages, {}))
    >>> bins.read_counts()
    {'age': [1, 1, 1, 1]}
    """

    def __init__(self, columns: Sequence[InputColumn], matrix_kind: str | None, profile: Sequence[ColumnBins]) -> None:
        """Start with no rows; `columns` in the order of a matrix, whose dtype is `matrix_kind`."""
        kinds = {column.name: column.kind for column in columns}
        self._profile = profile
        self._texts = {one.name: _TextBins(one.categories or ()) for one in profile if kinds[one.name] == "str"}
        numbers = [one for one in profile if one.name not in self._texts]
        self._numbers = _NumberBins(columns, matrix_kind, numbers) if numbers else None

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "InputBins":
        """Return the bins that a package's manifest asks for."""
        return cls(manifest.columns, manifest.matrix_kind, manifest.profile)

    def count(self, rows: Rows) -> None:
        """Add rows."""
        if self._numbers is not None:
            self._numbers.count(rows)
        for name, bins in self._texts.items():
            bins.count(rows.columns[name])

    def read_counts(self) -> dict[str, list[int]]:
        """Return the rows per bin by column, in the profile's order; the last number counts missing values."""
        numbers = {} if self._numbers is None else self._numbers.read_counts()
        texts = {name: bins.counts for name, bins in self._texts.items()}
        found = numbers | texts
        return {one.name: list(found[one.name]) for one in self._profile}


class _TextBins:
    """One text column: a bin per category, one for any other text, one for values that are not texts (null, NaN)."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._place = {category: place for place, category in enumerate(categories)}
        self.counts = [0] * (len(categories) + 2)

    def count(self, values: NDArray[np.generic]) -> None:
        """Add values, shape (rows,)."""
        other, missing = len(self.counts) - 2, len(self.counts) - 1
        for value in values.tolist():
            self.counts[self._place.get(value, other) if isinstance(value, str) else missing] += 1


class _NumberBins:
    """All columns of numbers and truth values together."""

    def __init__(self, columns: Sequence[InputColumn], matrix_kind: str | None, profile: Sequence[ColumnBins]) -> None:
        kinds = {column.name: column.kind for column in columns}
        offsets = np.cumsum([0, *(column.width for column in columns)])
        places = {column.name: int(offset) for column, offset in zip(columns, offsets, strict=False)}
        self._profile = profile
        self._names = [one.name for one in profile]
        self._places = _select_columns([places[name] for name in self._names], int(offsets[-1]))
        edges = [TRUE_FROM if one.categories is not None else one.edges for one in profile]
        # values have the matrix's dtype, or each column's own: edges must be rounded in the same way
        self._matrix_edges = _pad_edges([_round_edges(some, matrix_kind or "float64") for some in edges])
        self._column_edges = _pad_edges(
            [_round_edges(some, kinds[one.name]) for some, one in zip(edges, profile, strict=True)]
        )
        self._widths = [len(some) for some in edges]
        self._at_once = max(1, COMPARISONS // self._matrix_edges.size)
        self._rows = 0
        self._reached = np.zeros(self._matrix_edges.shape, dtype=np.int64)

    def count(self, rows: Rows) -> None:
        """Add rows."""
        if rows.matrix is not None:
            values, edges = rows.matrix[:, self._places], self._matrix_edges
        else:
            parts = [rows.columns[name] for name in self._names]
            flat = np.concatenate(parts, dtype=np.float64, casting="unsafe")
            values, edges = flat.reshape(len(parts), -1).T, self._column_edges
        self._rows += len(values)
        if len(values) == 1:  # most requests: nothing to sum
            self._reached += np.greater_equal(values.reshape(-1, 1), edges)
            return
        for start in range(0, len(values), self._at_once):
            some = values[start : start + self._at_once, :, None]
            self._reached += np.count_nonzero(np.greater_equal(some, edges), axis=0)

    def read_counts(self) -> dict[str, list[int]]:
        """Return the rows per bin, missing values last, by column."""
        shown = {}
        for one, width, row in zip(self._profile, self._widths, self._reached, strict=True):
            reached = [*row[: width + 1].tolist(), 0]
            bins = [low - high for low, high in pairwise(reached)]
            whole = bins if one.categories is None else _count_truths(one.categories, *bins)
            shown[one.name] = [*whole, self._rows - reached[0]]
        return shown


def _select_columns(places: list[int], width: int) -> list[int] | slice:
    """Return an index of these columns of a matrix; a slice for all of them in order, which copies nothing."""
    return slice(None) if places == list(range(width)) else places


def _pad_edges(edges: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return one row per column: -inf, which all but NaN reach, its edges, and +inf up to the longest."""
    padded = np.full((len(edges), 1 + max(map(len, edges))), np.inf)
    padded[:, 0] = -np.inf
    for row, some in zip(padded, edges, strict=True):
        row[1 : 1 + len(some)] = some
    return padded


def _round_edges(edges: Sequence[float], kind: str) -> NDArray[np.float64]:
    """Return edges rounded as values of a dtype are, still rising: 0.7 as float32 is below 0.7, but must reach it.

    >>> _round_edges([0.7, 0.9], "float32") == np.array([0.7, 0.9], dtype=np.float32)
    array([ True,  True])
    """
    exact = np.asarray(edges, dtype=np.float64)
    if kind not in {"float16", "float32"}:
        return exact
    with np.errstate(over="ignore"):  # an edge beyond the dtype's range is infinite, and never reached
        narrow = exact.astype(kind)
        for place in range(1, len(narrow)):
            narrow[place] = max(narrow[place], np.nextafter(narrow[place - 1], narrow.dtype.type(np.inf)))
    return narrow.astype(np.float64)


def _count_truths(categories: Sequence[str], false: int, true: int) -> list[int]:
    """Return counts of truth values by category ("True", "False"; any case), and of values without a category.

    >>> _count_truths(["True", "False"], 3, 4), _count_truths(["True"], 3, 4)
    ([4, 3, 0], [4, 3])
    """
    seen = {"false": false, "true": true}
    named = [seen.pop(category.lower(), 0) for category in categories]
    return [*named, sum(seen.values())]
