"""One tensor of the Open Inference Protocol (v2), JSON form: checked on its way in, written on its way out."""

from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

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
"""The protocol's names of types, and ours (numpy's)."""
_NAMES = {kind: datatype for datatype, kind in DATATYPES.items()}
_ACCEPTED = {"b": "b", "i": "iu", "u": "iu", "f": "iuf", "U": "U"}
"""Which kinds of JSON values (numpy kind letters) may fill a tensor of which kind."""
_WORDS = {"b": "true or false", "i": "whole numbers", "u": "whole numbers", "f": "numbers", "U": "texts"}


class BadRequest(Exception):
    """The request is wrong; the message names the input, what was seen and what was expected."""


def datatype_of(kind: str) -> str:
    """Return the protocol's name of a type.

    >>> datatype_of("float32"), datatype_of("str")
    ('FP32', 'BYTES')
    """
    return _NAMES[kind]


def refuse(what: str, seen: object, expected: str) -> NoReturn:
    """Raise BadRequest in the one form that all messages have; long values are cut."""
    shown = seen if isinstance(seen, str) else repr(seen)
    message = f"{what}: got {shown[:160]}{'...' * (len(shown) > 160)}, expected {expected}"  # noqa: PLR2004 - see above
    raise BadRequest(message)


def parse_tensor(entry: dict[str, Any], what: str) -> NDArray[np.generic]:
    """Return one input tensor as an array of its declared type and shape; raise BadRequest."""
    kind = DATATYPES.get(entry["datatype"]) if isinstance(entry.get("datatype"), str) else None
    if kind is None:
        refuse(f"{what}: datatype", entry.get("datatype"), f"one of {', '.join(DATATYPES)}")
    shape = _shape(entry.get("shape"), what)
    data = entry.get("data")
    if not isinstance(data, list):
        refuse(f"{what}: data", type(data).__name__, "a list of values")
    values = _values(data, kind, what)
    if values.size != prod(shape):
        refuse(f"{what}: data", f"{values.size} values", f"{prod(shape)}, as its shape {list(shape)} says")
    return values.reshape(shape)


def _shape(shape: object, what: str) -> tuple[int, ...]:
    if not isinstance(shape, list) or not shape or not all(type(n) is int and n >= 0 for n in shape):
        refuse(f"{what}: shape", shape, "a list of sizes, the rows first, such as [1, 64]")
    if shape[0] == 0:
        refuse(f"{what}: shape", shape, "at least one row")
    return tuple(shape)


def _values(data: list[Any], kind: str, what: str) -> NDArray[np.generic]:
    wanted = np.dtype(kind).kind
    try:
        values = np.asarray(data)
    except (ValueError, OverflowError) as error:  # ragged lists, more than 64 levels, numbers beyond 64 bits
        refuse(
            f"{what}: data", f"values that make no array ({str(error)[:80]})", "a flat list, or lists of equal length"
        )
    if values.size and values.dtype.kind not in _ACCEPTED[wanted]:
        refuse(f"{what}: data", _example(data), f"{_WORDS[wanted]}, as its datatype {datatype_of(kind)} says")
    if wanted == "U":
        return _texts(values, data, what)
    return cast(values, kind, f"{what}: data")


def _texts(values: NDArray[np.generic], data: list[Any], what: str) -> NDArray[np.generic]:
    flat = list(_flat(data))
    wrong = next((value for value in flat if not isinstance(value, str)), None)
    if wrong is not None or len(flat) != values.size:
        refuse(f"{what}: data", wrong, "texts, as its datatype BYTES says")
    return np.array(flat, dtype=object).reshape(values.shape)


def _flat(data: Any) -> Any:  # noqa: ANN401 - parsed JSON
    for value in data:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _example(data: list[Any]) -> str:
    """Show the first value that is no plain number, or else the first."""
    flat = list(_flat(data))
    odd = next((value for value in flat if isinstance(value, bool | str | dict) or value is None), flat[0])
    return "null" if odd is None else repr(odd)


def cast(values: NDArray[np.generic], kind: str, what: str) -> NDArray[np.generic]:
    """Return numbers as another type where every value fits into it; raise BadRequest."""
    if values.dtype == kind:
        return values
    integers = values.dtype.kind in "iu" and np.dtype(kind).kind in "iu"
    if kind == "str" or not (integers or np.can_cast(values.dtype, kind, "same_kind")):
        refuse(what, f"values of type {_shown(values)}", f"type {datatype_of(kind)}")
    with np.errstate(over="ignore"):
        result = values.astype(kind)
    fits = np.isfinite(result)
    if integers:
        fits = (result.astype(values.dtype) == values) & (np.less(result, 0) == np.less(values, 0))
    if not fits.all():
        wrong = values.ravel()[np.argmin(np.ravel(fits))]
        refuse(what, str(wrong), f"values within the range of {datatype_of(kind)}")
    return result


def _shown(values: NDArray[np.generic]) -> str:
    return "BYTES" if values.dtype == object else datatype_of(str(values.dtype))


def write_tensor(name: str, values: NDArray[np.generic]) -> dict[str, object]:
    """Return one output tensor as the protocol has it."""
    text = values.dtype.kind in "OUS"
    return {
        "name": name,
        "datatype": "BYTES" if text else datatype_of(str(values.dtype)),
        "shape": list(values.shape),
        "data": [str(value) for value in values.ravel()] if text else np.ascontiguousarray(values).ravel(),
    }
