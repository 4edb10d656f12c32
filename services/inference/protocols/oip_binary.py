"""The Open Inference Protocol's binary tensor extension: values as little-endian bytes after the JSON.

Numbers are not copied: an array is a view of the request's body. Texts are a length of four bytes and UTF-8 each.
"""

import struct
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.refusals import reject
from services.inference.tensors import get_array_datatype, parse_dtype, parse_shape

LENGTH = struct.Struct("<I")
"""The length of one text, in bytes."""


def read_binary_tensor(
    entry: dict[str, Any], size: object, binary: memoryview | None, start: int, what: str
) -> NDArray[np.generic]:
    """Return the tensor whose `size` bytes begin at `start` after the JSON; raise BadRequest."""
    if type(size) is not int or size < 0:
        reject(f"{what}: binary_data_size", size, "a whole number of bytes")
    if "data" in entry:
        reject(f"{what}: data", "both data and binary_data_size", "one of them")
    if binary is None:
        reject(what, "binary_data_size without Inference-Header-Content-Length", "that header: the length of the JSON")
    if start + size > len(binary):
        left = max(0, len(binary) - start)
        reject(f"{what}: binary_data_size", f"{size} bytes", f"no more than the {left} that follow in the body")
    return parse_raw_tensor(entry.get("datatype"), entry.get("shape"), binary[start : start + size], what)


def parse_raw_tensor(datatype: object, shape: object, raw: memoryview, what: str) -> NDArray[np.generic]:
    """Return a tensor of declared type and shape from its bytes; numbers as a view of them. Raises BadRequest."""
    dtype = parse_dtype(datatype, what)
    sizes = parse_shape(shape, what)
    count = prod(sizes)
    if dtype.kind == "O":
        return np.array(_parse_texts(raw, count, what), dtype=object).reshape(sizes)
    size = count * dtype.itemsize
    if size != len(raw):
        reject(f"{what}: binary data", f"{len(raw)} bytes", f"{size}, as {datatype} of shape {list(sizes)} has")
    values = np.frombuffer(raw, dtype=dtype)
    if dtype.kind == "b" and values.view(np.uint8).max(initial=0) > 1:
        reject(f"{what}: binary data", "a byte over 1", "0 or 1 for each truth value")
    return values.reshape(sizes)


def _parse_texts(raw: memoryview, count: int, what: str) -> list[str]:
    """Return the texts; raise BadRequest unless they fill the bytes and are as many as the shape says."""
    if count * LENGTH.size > len(raw):
        reject(f"{what}: binary data", f"{len(raw)} bytes", f"at least {count * LENGTH.size} for {count} texts")
    texts: list[str] = []
    place = 0
    for _ in range(count):
        if place + LENGTH.size > len(raw):
            reject(f"{what}: binary data", f"{len(texts)} texts", f"{count}, as its shape says")
        end = place + LENGTH.size + LENGTH.unpack_from(raw, place)[0]
        if end > len(raw):
            reject(f"{what}: binary data", f"text {len(texts)} ending at byte {end}", f"no more than {len(raw)} bytes")
        try:
            texts.append(str(raw[place + LENGTH.size : end], "utf-8"))
        except UnicodeDecodeError:
            reject(f"{what}: binary data", f"text {len(texts)} that is not UTF-8", "UTF-8")
        place = end
    if place != len(raw):
        reject(f"{what}: binary data", f"{len(raw)} bytes", f"{place}, as its {count} texts have")
    return texts


def encode_values(values: NDArray[np.generic]) -> bytes:
    """Return a tensor's values as bytes."""
    if values.dtype.kind not in "OUS":
        return values.tobytes()
    texts = [str(value).encode() for value in values.ravel()]
    return b"".join(part for text in texts for part in (LENGTH.pack(len(text)), text))


def write_binary_tensor(name: str, values: NDArray[np.generic]) -> tuple[dict[str, object], bytes]:
    """Return an output tensor's description and its bytes."""
    raw = encode_values(values)
    datatype = get_array_datatype(values)
    return {
        "name": name,
        "datatype": datatype,
        "shape": values.shape,
        "parameters": {"binary_data_size": len(raw)},
    }, raw
