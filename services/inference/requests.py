"""A request of the Open Inference Protocol (v2), JSON form: from bytes to what a model runs on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.manifest import Column, Manifest
from services.inference.tensors import BadRequest, cast, parse_tensor, refuse

__all__ = ["BadRequest", "InferenceRequest", "parse_request"]

OUTPUTS = ("prediction", "probabilities")
"""The names our outputs have on the wire, whatever the model calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """Rows for the model, checked against its columns."""

    id: str | None
    """The client's own; echoed."""
    matrix: NDArray[np.generic] | None
    """All columns in one array, shape (rows, width); None: see `columns`."""
    columns: dict[str, NDArray[np.generic]]
    """One array per column, shape (rows, ...); empty where there is a matrix."""
    outputs: tuple[str, ...]
    """The outputs asked for; empty: all."""


def parse_request(body: bytes, manifest: Manifest) -> InferenceRequest:
    """Parse and check a body; raise BadRequest naming the input, what was seen and what was expected."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        refuse("body", f"no JSON ({error})", "one JSON object (NaN and Infinity are not JSON)")
    if not isinstance(document, dict):
        refuse("body", type(document).__name__, "one JSON object with `inputs`")
    name = document.get("id")
    if name is not None and not isinstance(name, str):
        refuse("id", name, "a text")
    tensors = _tensors(document.get("inputs"))
    matrix, columns = _rows(tensors, manifest)
    return InferenceRequest(id=name, matrix=matrix, columns=columns, outputs=_outputs(document.get("outputs")))


def _tensors(entries: object) -> dict[str, NDArray[np.generic]]:
    if not isinstance(entries, list) or not entries:
        refuse("inputs", "none" if not entries else type(entries).__name__, "a list with at least one tensor")
    tensors: dict[str, NDArray[np.generic]] = {}
    for position, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            refuse(f"inputs[{position}]", entry, "an object with name, shape, datatype and data")
        if name in tensors:
            refuse(f"input {name!r}", "the name twice", "every name once")
        tensors[name] = parse_tensor(entry, f"input {name!r}")
    return tensors


Rows = tuple[NDArray[np.generic] | None, dict[str, NDArray[np.generic]]]


def _rows(tensors: dict[str, NDArray[np.generic]], manifest: Manifest) -> Rows:
    name = next(iter(tensors))
    alone = len(tensors) == 1 and (len(manifest.columns) == 1 or name not in _names(manifest))
    if alone and manifest.matrix_kind is not None:
        return _matrix(tensors[name], f"input {name!r}", manifest, manifest.matrix_kind), {}
    return None, _columns(tensors, manifest)


def _names(manifest: Manifest) -> set[str]:
    return {column.name for column in manifest.columns}


def _matrix(values: NDArray[np.generic], what: str, manifest: Manifest, kind: str) -> NDArray[np.generic]:
    rows, width = values.shape[0], manifest.width
    shapes = {(rows, width), (rows, *manifest.columns[0].shape[1:])} if len(manifest.columns) == 1 else {(rows, width)}
    if values.shape not in shapes:
        refuse(f"{what}: shape", list(values.shape), f"[rows, {width}], or one tensor per column")
    return cast(values.reshape(rows, width), kind, what)


def _columns(tensors: dict[str, NDArray[np.generic]], manifest: Manifest) -> dict[str, NDArray[np.generic]]:
    names = [column.name for column in manifest.columns]
    unknown = [name for name in tensors if name not in names]
    if unknown:
        refuse(f"input {unknown[0]!r}", "a name the model does not have", f"one of {_listed(names)}")
    missing = [name for name in names if name not in tensors]
    if missing:
        refuse("inputs", f"none for {_listed(missing)}", f"one tensor for each of the {len(names)} columns")
    rows = tensors[names[0]].shape[0]
    return {column.name: _column(tensors[column.name], column, rows) for column in manifest.columns}


def _column(values: NDArray[np.generic], column: Column, rows: int) -> NDArray[np.generic]:
    what = f"input {column.name!r}"
    shape = (rows, *column.shape[1:])
    if values.shape != shape and not (len(shape) == 1 and values.shape == (rows, 1)):
        first = f"[{', '.join(map(str, shape))}]"
        refuse(f"{what}: shape", list(values.shape), f"{first}{f' or [{rows}, 1]' if len(shape) == 1 else ''}")
    values = values.reshape(shape)
    if column.kind == "str":
        return values if values.dtype == object else refuse(what, "numbers", "texts (datatype BYTES)")
    return cast(values, column.kind, what)


def _outputs(entries: Any) -> tuple[str, ...]:  # noqa: ANN401 - parsed JSON
    if entries is None:
        return ()
    if not isinstance(entries, list):
        refuse("outputs", type(entries).__name__, "a list of objects with a name")
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    unknown = next((name for name in names if name not in OUTPUTS), None)
    if unknown is not None or None in names:
        refuse("outputs", unknown, f"names out of {', '.join(OUTPUTS)}")
    return tuple(str(name) for name in names)


def _listed(names: list[str]) -> str:
    """Name the first few of many.

    >>> _listed(["a", "b"])
    'a, b'
    """
    shown = 8
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
