"""Rows for requests: values of the types in the champion's signature."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slipway.domain.release.version import Column, Signature

if TYPE_CHECKING:
    import pandas as pd

DATATYPES = {
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
    "str": "BYTES",
}
"""The Open Inference Protocol's names of numpy's types."""
TAKEN = 3
"""Rows of the file that are sent: the first, one in the middle, the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRows:
    """A few rows, by input."""

    columns: tuple[Column, ...]
    values: dict[str, NDArray[np.generic]]
    """By input, shape (rows, ...), each of its input's type; texts are objects."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.values.values())))

    @property
    def tensor(self) -> Column | None:
        """The model's only input, if it has a shape of its own."""
        return self.columns[0] if len(self.columns) == 1 and len(self.columns[0].shape) > 1 else None

    @property
    def matrix(self) -> NDArray[np.generic] | None:
        """All inputs side by side, shape (rows, width); None with texts among them."""
        if any(column.kind == "str" for column in self.columns):
            return None
        return np.concatenate([values.reshape(self.rows, -1) for values in self.values.values()], axis=1)

    def select_columns(self, names: Sequence[str]) -> "RequestRows":
        """Return the same rows with some of the inputs."""
        columns = tuple(column for column in self.columns if column.name in names)
        return RequestRows(columns=columns, values={column.name: self.values[column.name] for column in columns})

    def replace_values(self, values: dict[str, NDArray[np.generic]]) -> "RequestRows":
        """Return the same rows with other values of some inputs."""
        return RequestRows(columns=self.columns, values=self.values | values)

    def list_records(self) -> list[dict[str, Any]]:
        """Return the rows as objects by input."""
        lists = {name: values.tolist() for name, values in self.values.items()}
        return [{name: values[row] for name, values in lists.items()} for row in range(self.rows)]


def make_samples(frame: "pd.DataFrame", signature: Signature, columns: Sequence[str]) -> list[RequestRows]:
    """Return single rows of a rows file and a batch of them, in the form of the signature's inputs.

    `columns`: those of the file that are the model's inputs. A column that the file does not have is zeros, or empty
    texts.
    """
    places = sorted({0, len(frame) // 2, len(frame) - 1})[:TAKEN]
    picked = frame.iloc[places]
    inputs = tuple(_normalize_column(column) for column in signature.inputs)
    if len(inputs) == 1 and len(inputs[0].shape) > 1:
        values = {inputs[0].name: _make_tensor(picked, inputs[0], columns)}
    else:
        values = {column.name: _make_column(picked, column) for column in inputs}
    singles = [{name: value[place : place + 1] for name, value in values.items()} for place in range(len(places))]
    return [RequestRows(columns=inputs, values=one) for one in (*singles, *([values] if len(places) > 1 else []))]


def _normalize_column(column: Column) -> Column:
    kind = "str" if column.kind == "object" else column.kind
    return Column(name=column.name, kind=kind, shape=column.shape, required=column.required)


def _make_tensor(frame: "pd.DataFrame", column: Column, columns: Sequence[str]) -> NDArray[np.generic]:
    shape = (len(frame), *column.shape[1:])
    there = [name for name in columns if name in frame.columns]
    if len(there) != prod(column.shape[1:]):
        return np.zeros(shape, dtype=column.kind)
    matrix = np.column_stack([_convert_values(frame[name].to_numpy(), column.kind) for name in there])
    return matrix.reshape(shape)


def _make_column(frame: "pd.DataFrame", column: Column) -> NDArray[np.generic]:
    if column.name in frame.columns and column.shape == (-1,):
        return _convert_values(frame[column.name].to_numpy(), column.kind)
    shape = (len(frame), *column.shape[1:])
    return np.full(shape, "", object) if column.kind == "str" else np.zeros(shape, column.kind)


def _convert_values(values: NDArray[Any], kind: str) -> NDArray[np.generic]:
    """Return values of a type; a missing or invalid value is 0."""
    if kind == "str":
        return np.array(["" if value is None or value != value else str(value) for value in values], dtype=object)  # noqa: PLR0124 - NaN
    try:
        numbers = np.nan_to_num(values.astype(np.float64))
    except (TypeError, ValueError):
        return np.zeros(len(values), dtype=kind)
    exact = values.dtype.kind in "iub"
    return (values if exact else numbers).astype(kind)
