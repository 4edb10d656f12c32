"""Tensors of the Open Inference Protocol's messages: values as bytes, or in a field for their type."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from services.inference.grpc.text_values import decode_texts, encode_texts
from services.inference.messages import Message
from services.inference.protocols.oip_binary import encode_values, parse_raw_tensor
from services.inference.refusals import reject
from services.inference.tensors import cast_values, get_array_datatype, parse_dtype, parse_shape

FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field of `contents` that holds values of a type; the protocol has none for FP16."""
_HELD = {
    "bool_contents": np.dtype(np.bool_),
    "int_contents": np.dtype(np.int32),
    "int64_contents": np.dtype(np.int64),
    "uint_contents": np.dtype(np.uint32),
    "uint64_contents": np.dtype(np.uint64),
    "fp32_contents": np.dtype(np.float32),
    "fp64_contents": np.dtype(np.float64),
}
"""The types of values in those fields."""
_NOT_OFFERED = ("shared_memory_region", "classification")
"""Parameters of Triton that change where values are or what they mean, so they can't be ignored."""


def read_oip_tensors(request: Message) -> dict[str, NDArray[np.generic]]:
    """Return a request's tensors by name; raise BadRequest naming the input."""
    entries, raw = request.inputs, request.raw_input_contents
    if not entries:
        reject("inputs", "none", "at least one tensor")
    tensors: dict[str, NDArray[np.generic]] = {}
    for position, entry in enumerate(entries):
        name = entry.name
        what = f"input {name!r}"
        if not name:
            reject(f"inputs[{position}]: name", "an empty one", "an input's name")
        if name in tensors:
            reject(what, "the name twice", "every name once")
        if entry.parameters:
            check_parameters(entry, what)
        tensors[name] = _read_raw(entry, raw, position, what) if raw else _read_typed(entry, what)
    if raw and len(raw) != len(entries):
        reject("raw_input_contents", f"{len(raw)} entries", f"{len(entries)}, one for each input")
    return tensors


def check_parameters(entry: Message, what: str) -> None:
    """Raise BadRequest for a parameter that is not supported; others are ignored."""
    for parameter in _NOT_OFFERED:
        if parameter in entry.parameters:
            reject(f"{what}: parameter {parameter!r}", "one", "none: values travel in messages, as they are")


def _read_raw(entry: Message, raw: Message, position: int, what: str) -> NDArray[np.generic]:
    if entry.HasField("contents"):
        reject(f"{what}: contents", "both contents and raw_input_contents", "one of them, for all inputs")
    if position >= len(raw):
        reject(f"{what}: raw_input_contents", f"{len(raw)} entries", "one for each input")
    return parse_raw_tensor(entry.datatype, list(entry.shape), memoryview(raw[position]), what)


def _read_typed(entry: Message, what: str) -> NDArray[np.generic]:
    datatype = entry.datatype
    dtype = parse_dtype(datatype, what)
    shape = parse_shape(list(entry.shape), what)
    field = FIELDS.get(datatype)
    if field is None:
        reject(f"{what}: contents", f"datatype {datatype}", "raw_input_contents: no field holds it")
    other = next((held.name for held, _ in entry.contents.ListFields() if held.name != field), None)
    if other is not None:
        reject(f"{what}: contents", other, f"{field}, as its datatype {datatype} says")
    given = getattr(entry.contents, field)
    if len(given) != prod(shape):
        reject(f"{what}: {field}", f"{len(given)} values", f"{prod(shape)}, as its shape {list(shape)} says")
    if dtype.kind == "O":
        return decode_texts(given, f"{what}: {field}").reshape(shape)
    return cast_values(np.array(given, dtype=_HELD[field]), dtype, f"{what}: {field}").reshape(shape)


def write_oip_tensors(response: Message, outputs: dict[str, NDArray[np.generic]], *, raw: bool) -> None:
    """Add outputs to a response, as bytes or by type. If one has no field for its type, all are bytes."""
    datatypes = {name: get_array_datatype(values) for name, values in outputs.items()}
    raw = raw or not datatypes.keys() <= {name for name, datatype in datatypes.items() if datatype in FIELDS}
    for name, values in outputs.items():
        datatype = datatypes[name]
        entry = response.outputs.add(name=name, datatype=datatype, shape=values.shape)
        if raw:
            response.raw_output_contents.append(encode_values(values))
        else:
            field = getattr(entry.contents, FIELDS[datatype])
            field.extend(encode_texts(values) if datatype == "BYTES" else values.ravel().tolist())
