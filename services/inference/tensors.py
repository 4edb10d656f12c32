"""Tensors of the Open Inference Protocol (v2) in JSON: parsed and checked, and written."""

from collections.abc import Sequence
from math import hypot, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.refusals import reject

DATATYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "str",
}
"""The protocol's names of types, and the manifest's (numpy's)."""
DTYPES = {datatype: np.dtype(object if kind == "str" else kind) for datatype, kind in DATATYPES.items()}
_SIZES = "a list of sizes, the rows first, such as [1, 64]"
DIMENSIONS = 32
"""Most dimensions of a shape."""
_NAMES = {kind: datatype for datatype, kind in DATATYPES.items()}
_NAMES_OF_DTYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}
_ACCEPTED = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""Which kinds of JSON values (numpy kind letters) may fill a tensor of which kind."""
FEW = 256
"""Up to so many numbers a check is faster without numpy."""
DEPTH = 64
"""Most levels of nested lists: numpy has no more dimensions."""
_WORDS = {"b": "true or false", "i": "whole numbers", "u": "whole numbers", "f": "numbers"}


def get_datatype(kind: str) -> str:
    """Return the protocol's name of a type.

    >>> get_datatype("float32"), get_datatype("str")
    ('FP32', 'BYTES')
    """
    return _NAMES[kind]


def get_array_datatype(values: NDArray[np.generic]) -> str:
    """Return the protocol's name of an array's type; texts of any kind are BYTES.

    >>> get_array_datatype(np.zeros(2, dtype=np.int8)), get_array_datatype(np.array(["a"]))
    ('INT8', 'BYTES')
    """
    return _NAMES_OF_DTYPES.get(values.dtype, "BYTES")


def parse_json_tensor(entry: dict[str, Any], what: str, *, plain: bool = False) -> NDArray[np.generic]:
    """Return one input tensor as an array of its type and shape (`plain`: see `parse_values`); raise BadRequest."""
    dtype = parse_dtype(entry.get("datatype"), what)
    shape = parse_shape(entry.get("shape"), what)
    data = entry.get("data")
    if not isinstance(data, list):
        reject(f"{what}: data", type(data).__name__, "a list of values")
    values = parse_values(data, dtype, what, plain=plain)
    if values.size != prod(shape):
        reject(f"{what}: data", f"{values.size} values", f"{prod(shape)}, as its shape {list(shape)} says")
    return values.reshape(shape)


def parse_dtype(datatype: object, what: str) -> np.dtype[Any]:
    """Return numpy's type for the protocol's name of it; raise BadRequest."""
    dtype = DTYPES.get(datatype) if isinstance(datatype, str) else None
    return reject(f"{what}: datatype", datatype, f"one of {', '.join(DATATYPES)}") if dtype is None else dtype


def parse_shape(shape: object, what: str) -> tuple[int, ...]:
    """Return a tensor's sizes, the rows first; raise BadRequest."""
    if not isinstance(shape, list) or not shape:
        reject(f"{what}: shape", shape, _SIZES)
    for size in shape:
        if type(size) is not int or size < 0:
            reject(f"{what}: shape", shape, _SIZES)
    if shape[0] == 0:
        reject(f"{what}: shape", shape, "at least one row")
    if len(shape) > DIMENSIONS or 0 in shape:  # beyond what numpy can hold, or with nothing in it
        reject(f"{what}: shape", shape[: DIMENSIONS + 1], f"at most {DIMENSIONS} sizes, all over 0")
    return tuple(shape)


def parse_values(data: list[Any], dtype: np.dtype[Any], what: str, *, plain: bool = False) -> NDArray[np.generic]:
    """Return parsed JSON, flat or nested, as an array of a type (object: texts); raise BadRequest.

    `plain`: it holds no long text. numpy would give every value of a list the length of its longest text, gigabytes
    for a body of megabytes; so texts become objects, and lists of numbers are searched for texts first.
    """
    if dtype.kind == "O":
        return parse_texts(data, what)
    if len(data) == 1 and dtype in _FLOATS and type(data[0]) is float and abs(data[0]) <= _FLOATS[dtype]:
        return np.array(data, dtype)  # a column of one row
    text = None if plain else find_text(data)
    if text is not None:
        reject(f"{what}: data", repr(text), f"{_WORDS[dtype.kind]}, as its datatype {_NAMES_OF_DTYPES[dtype]} says")
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError) as error:  # ragged lists, more than 64 levels, numbers beyond 64 bits
        seen = f"values that make no array ({str(error)[:80]})"
        reject(f"{what}: data", seen, "a flat list, or lists of equal length")
    if values.dtype == dtype:
        return values
    if dtype == _FLOAT32 and values.dtype == _FLOAT64 and values.size and _within_float32(values, data):
        return values.astype(_FLOAT32)  # the most frequent case by far
    if values.size and values.dtype.kind not in _ACCEPTED[dtype.kind]:
        expected = f"{_WORDS[dtype.kind]}, as its datatype {_NAMES_OF_DTYPES[dtype]} says"
        reject(f"{what}: data", _show_example(data), expected)
    return cast_values(values, dtype, f"{what}: data")


def find_text(values: Sequence[Any]) -> str | None:
    """Return a text in nested lists; None: there is none."""
    level: list[Sequence[Any]] = [values]
    for _ in range(DEPTH):
        kinds = {kind for one in level for kind in set(map(type, one))}
        if str in kinds:
            return next(value for one in level for value in one if isinstance(value, str))
        if not kinds & {list, tuple}:
            return None
        level = [value for one in level for value in one if isinstance(value, list | tuple)]
    return None


_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_FLOATS = {dtype: float(np.finfo(dtype).max) for dtype in (_FLOAT32, _FLOAT64)}
"""The largest number of each type."""
_LARGEST = float(np.finfo(np.float32).max)


def _within_float32(values: NDArray[np.generic], data: list[Any]) -> bool:
    """Return whether all values are in float32's range: if the root of the sum of squares is, they all are."""
    if values.ndim == 1 and values.size <= FEW and hypot(*data) <= _LARGEST:
        return True
    return bool(values.max() <= _LARGEST and values.min() >= -_LARGEST)


def parse_texts(data: list[Any], what: str) -> NDArray[np.generic]:
    """Return texts, flat or in lists of equal length, as an array of objects; raise BadRequest."""
    flat, sizes = data, [len(data)]
    while flat and isinstance(flat[0], list):
        size = len(flat[0])
        if len(sizes) == DEPTH or not all(isinstance(one, list) and len(one) == size for one in flat):
            reject(f"{what}: data", "lists of different lengths", "a flat list, or lists of equal length")
        sizes.append(size)
        flat = [value for one in flat for value in one]
    for value in flat:
        if not isinstance(value, str):
            reject(f"{what}: data", "null" if value is None else value, "texts, as its datatype BYTES says")
    array: NDArray[np.generic] = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array.reshape(sizes)


def _flatten(data: Any) -> Any:  # noqa: ANN401 - parsed JSON
    for value in data:
        if isinstance(value, list):
            yield from _flatten(value)
        else:
            yield value


def _show_example(data: list[Any]) -> str:
    """Return the first value that is not a number, or else the first, for a message."""
    flat = list(_flatten(data))
    odd = next((value for value in flat if isinstance(value, bool | str | dict) or value is None), flat[0])
    return "null" if odd is None else repr(odd)


def cast_values(values: NDArray[np.generic], dtype: np.dtype[Any], what: str) -> NDArray[np.generic]:
    """Return numbers as another type; NaN stays NaN. Raise BadRequest if a value does not fit."""
    if values.dtype == dtype:
        return values
    integers = values.dtype.kind in "iu" and dtype.kind in "iu"
    if dtype.kind == "O" or not (integers or np.can_cast(values.dtype, dtype, "same_kind")):
        reject(what, f"values of type {get_array_datatype(values)}", f"type {get_array_datatype(np.empty(0, dtype))}")
    with np.errstate(over="ignore"):
        result = values.astype(dtype)
    fits = np.isfinite(result)
    if not fits.all():  # values that were not finite before may stay so
        fits |= ~np.isfinite(values)
    if integers:
        fits = (result.astype(values.dtype) == values) & (np.less(result, 0) == np.less(values, 0))
    if not fits.all():
        wrong = values.ravel()[np.argmin(np.ravel(fits))]
        reject(what, str(wrong), f"values within the range of {_NAMES_OF_DTYPES[dtype]}")
    return result


def write_json_tensor(name: str, values: NDArray[np.generic]) -> dict[str, object]:
    """Return one output tensor as JSON."""
    datatype = get_array_datatype(values)
    flat = values.ravel()
    return {
        "name": name,
        "datatype": datatype,
        "shape": values.shape,
        "data": [str(value) for value in flat] if datatype == "BYTES" else flat,
    }
