"""Messages between the service and its pyfunc process: a length, then JSON; arrays with dtype and shape.

JSON and not pickle: the child runs an untrusted model file, and its messages must not run code here.
"""

import struct
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

HEADER = struct.Struct(">I")
"""Length of the JSON that follows, in bytes."""


def pack_frame(message: dict[str, Any]) -> bytes:
    """Return a message as one frame."""
    body = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
    return HEADER.pack(len(body)) + body


def pack_array(values: NDArray[np.generic]) -> dict[str, Any]:
    """Return an array as JSON; NaN and infinities become text, because JSON has none."""
    if values.dtype.kind in "OUS":
        return {"kind": "str", "shape": list(values.shape), "values": [str(value) for value in values.ravel()]}
    flat = np.ascontiguousarray(values).ravel()
    if values.dtype.kind == "f" and not np.isfinite(flat).all():
        return {"kind": str(values.dtype), "shape": list(values.shape), "values": [repr(float(v)) for v in flat]}
    return {"kind": str(values.dtype), "shape": list(values.shape), "values": flat.tolist()}


def unpack_array(entry: dict[str, Any]) -> NDArray[np.generic]:
    """Return the array that `pack_array` packed.

    >>> unpack_array(pack_array(np.array([[1.5], [float("nan")]])))
    array([[1.5],
           [nan]])
    """
    kind = object if entry["kind"] == "str" else entry["kind"]
    return np.array(entry["values"], dtype=kind).reshape(entry["shape"])
