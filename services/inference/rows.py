"""Rows for the model: tensors of any protocol, checked against the model's columns.

Values keep the type in which they were sent if the model's type holds all values of it: a float32 matrix reaches a
float32 ONNX model without a copy, whatever the signature says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from services.inference.manifest import InputColumn, Manifest
from services.inference.refusals import reject
from services.inference.tensors import cast_values


@dataclass(slots=True)
class Rows:
    """Rows for the model, checked against its columns; a matrix, or columns."""

    matrix: NDArray[np.generic] | None
    """All columns in one array, shape (rows, width), of a type that fits into the manifest's; None: see `columns`."""
    columns: dict[str, NDArray[np.generic]]
    """One array per column, shape (rows, ...); empty if there is a matrix."""

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.matrix if self.matrix is not None else next(iter(self.columns.values())))


def to_rows(tensors: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> Rows:
    """Return one matrix, or one tensor per column; raise BadRequest naming the input."""
    name = next(iter(tensors))
    alone = len(tensors) == 1 and (len(manifest.columns) == 1 or name not in manifest.names)
    if alone and manifest.matrix_dtype is not None:
        return Rows(_check_matrix(tensors[name], f"input {name!r}", manifest, manifest.matrix_dtype), {})
    return Rows(None, _check_columns(tensors, manifest))


def _check_matrix(
    values: NDArray[np.generic], what: str, manifest: Manifest, dtype: np.dtype[Any]
) -> NDArray[np.generic]:
    rows, width = values.shape[0], manifest.width
    if values.shape[1:] not in manifest.row_shapes:
        reject(f"{what}: shape", list(values.shape), f"[rows, {width}], or one tensor per column")
    return _fit_type(values.reshape(rows, width), dtype, what)


def _fit_type(values: NDArray[np.generic], dtype: np.dtype[Any], what: str) -> NDArray[np.generic]:
    """Keep a type that fits into the wanted one; cast a wider type if every value fits."""
    return values if _can_hold(dtype, values.dtype) else cast_values(values, dtype, what)


@cache
def _can_hold(dtype: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Return whether every value of the other type fits; cached, because numpy's function is slow."""
    return np.can_cast(other, dtype, "safe")


def _check_columns(tensors: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> dict[str, NDArray[np.generic]]:
    if tensors.keys() != manifest.names:
        _refuse_names(tensors, manifest)
    rows = len(tensors[manifest.columns[0].name])
    return {column.name: _check_column(tensors[column.name], column, rows) for column in manifest.columns}


def _check_column(values: NDArray[np.generic], column: InputColumn, rows: int) -> NDArray[np.generic]:
    if column.plain and values.dtype == column.dtype and values.shape in {(rows,), (rows, 1)}:
        return values.reshape(rows)  # most columns
    what = f"input {column.name!r}"
    shape = (rows, *column.shape[1:])
    if values.shape != shape and not (len(shape) == 1 and values.shape == (rows, 1)):
        first = f"[{', '.join(map(str, shape))}]"
        reject(f"{what}: shape", list(values.shape), f"{first}{f' or [{rows}, 1]' if len(shape) == 1 else ''}")
    values = values.reshape(shape)
    if column.kind == "str":
        return values if values.dtype == object else reject(what, "numbers", "texts (datatype BYTES)")
    return cast_values(values, column.dtype, what)


def _refuse_names(tensors: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> NoReturn:
    names = [column.name for column in manifest.columns]
    unknown = next((name for name in tensors if name not in manifest.names), None)
    if unknown is not None:
        reject(f"input {unknown!r}", "a name the model does not have", f"one of {_list_first(names)}")
    missing = [name for name in names if name not in tensors]
    reject("inputs", f"none for {_list_first(missing)}", f"one tensor for each of the {len(names)} columns")


def _list_first(names: list[str]) -> str:
    """Name the first few of many.

    >>> _list_first(["a", "b"])
    'a, b'
    """
    shown = 8
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
