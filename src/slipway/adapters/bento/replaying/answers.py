"""Answers in each protocol as their clients see them: which outputs, of which type and shape."""

from typing import Any

import orjson

from slipway.adapters.bento.replaying.messages import Messages
from slipway.adapters.bento.replaying.requests import HEADER_LENGTH, ReplayProtocol
from slipway.domain.gates.contract.replay import NAMELESS, OutputType

Outputs = dict[str, OutputType]


def read_json(protocol: ReplayProtocol, body: bytes, headers: dict[str, str]) -> Outputs:
    """Return the outputs of an answer over HTTP; raise ValueError, KeyError or TypeError for a malformed one."""
    if protocol in {ReplayProtocol.OIP, ReplayProtocol.OIP_BINARY}:
        head = orjson.loads(body[: int(headers.get(HEADER_LENGTH, len(body)))])
        return {
            one["name"]: OutputType(_find_letter(one["datatype"]), tuple(one["shape"][1:])) for one in head["outputs"]
        }
    document = orjson.loads(body)
    if "outputs" in document:
        given = document["outputs"]
        named = given if isinstance(given, dict) else {NAMELESS: given}
        return {name: _describe_value(values[0]) for name, values in named.items()}
    first = document["predictions" if "predictions" in document else "results"][0]
    named = first if isinstance(first, dict) else {NAMELESS: first}
    return {name: _describe_value(value) for name, value in named.items()}


def read_message(messages: Messages, protocol: ReplayProtocol, body: bytes) -> Outputs:
    """Return the outputs of an answer over gRPC; raise protobuf's DecodeError for a malformed one."""
    if protocol is ReplayProtocol.OIP_GRPC:
        answer = messages.get_class("inference.ModelInferResponse").FromString(body)
        return {one.name: OutputType(_find_letter(one.datatype), tuple(one.shape[1:])) for one in answer.outputs}
    answer = messages.get_class("tensorflow.serving.PredictResponse").FromString(body)
    return {
        name: OutputType(
            _find_letter(messages.get_dtype(one.dtype)), tuple(dim.size for dim in one.tensor_shape.dim)[1:]
        )
        for name, one in answer.outputs.items()
    }


def _find_letter(datatype: str) -> str:
    """Return the kind of a protocol's type.

    >>> [_find_letter(name) for name in ("INT64", "UINT8", "FP32", "DOUBLE", "HALF", "BOOL", "BYTES", "STRING")]
    ['i', 'i', 'f', 'f', 'f', 'b', 't', 't']
    """
    if "INT" in datatype:
        return "i"
    return {"BOOL": "b", "BYTES": "t", "STRING": "t"}.get(datatype, "f")


def _describe_value(value: Any) -> OutputType:  # noqa: ANN401 - parsed JSON
    """Return the type and shape of one row's value, by its first leaf.

    >>> _describe_value([[1.5, 2.0], [0.0, 1.0]]), _describe_value("yes")
    (OutputType(letter='f', shape=(2, 2)), OutputType(letter='t', shape=()))
    """
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    letter = {bool: "b", int: "i", float: "f", str: "t"}.get(type(value), "x")
    return OutputType(letter, tuple(shape))
