"""The Open Inference Protocol's documents (v2): JSON with tensors in it, or in bytes after it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.manifest import Manifest
from services.inference.protocols.oip_binary import read_binary_tensor, write_binary_tensor
from services.inference.refusals import reject
from services.inference.request import Outputs
from services.inference.rows import Rows, to_rows
from services.inference.tensors import parse_json_tensor, write_json_tensor

SHORT_BODY = 4096
"""Up to so many bytes of JSON no text counts as long."""
LONG_TEXT = 256
"""Longer texts count as long."""
NO_PARAMETERS: dict[str, Any] = {}


@dataclass(slots=True)
class InferRequest:
    """An inference request."""

    rows: Rows
    id: str | None
    """The client's own id; echoed."""
    outputs: dict[str, bool]
    """Each output to return, and whether as bytes."""


def parse_request(body: bytes, header_length: int | None, manifest: Manifest) -> InferRequest:
    """Parse a body, whose first `header_length` bytes are JSON (None: all); raise BadRequest naming the input."""
    head = body if header_length is None else body[:header_length]
    try:
        document = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        reject("body", f"no JSON ({error})", "one JSON object (NaN and Infinity are not JSON)")
    if not isinstance(document, dict):
        reject("body", type(document).__name__, "one JSON object with `inputs`")
    name = document.get("id")
    if name is not None and not isinstance(name, str):
        reject("id", name, "a text")
    binary = None if header_length is None else memoryview(body)[header_length:]
    rows = to_rows(_parse_tensors(document.get("inputs"), binary, plain=_has_no_long_text(head)), manifest)
    wanted = _parse_parameters(document, "parameters")
    return InferRequest(
        rows, name, _parse_outputs(document.get("outputs"), manifest, wanted.get("binary_data_output") is True)
    )


def _has_no_long_text(head: bytes) -> bool:
    r"""Return whether no text in JSON is long, without parsing it: texts are between every second pair of quotes.

    >>> bodies = [b'{"a": 1}' + b" " * 5000, b'{"a": "' + b"x" * 5000 + b'"}', b'"\\"' + b"x" * 5000]
    >>> [_has_no_long_text(body) for body in bodies]
    [True, False, False]
    """
    if len(head) <= SHORT_BODY:
        return True
    return b"\\" not in head and max(map(len, head.split(b'"')[1::2]), default=0) <= LONG_TEXT


def write_response(asked: InferRequest, outputs: Outputs, manifest: Manifest) -> tuple[bytes, int | None]:
    """Return the response's body, and how many bytes of it are JSON (None: all)."""
    body: dict[str, object] = {"model_name": manifest.model, "model_version": manifest.version}
    if asked.id is not None:
        body["id"] = asked.id
    described: list[dict[str, object]] = []
    parts: list[bytes] = []
    for name, as_bytes in asked.outputs.items():
        values = outputs[name]
        if as_bytes:
            entry, part = write_binary_tensor(name, values)
            parts.append(part)
        else:
            entry = write_json_tensor(name, values)
        described.append(entry)
    body["outputs"] = described
    head = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((head, *parts)), len(head)) if parts else (head, None)


def _parse_tensors(entries: object, binary: memoryview | None, *, plain: bool) -> dict[str, NDArray[np.generic]]:
    if not isinstance(entries, list) or not entries:
        reject("inputs", "none" if not entries else type(entries).__name__, "a list with at least one tensor")
    tensors: dict[str, NDArray[np.generic]] = {}
    taken = 0
    for position, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            reject(f"inputs[{position}]", entry, "an object with name, shape, datatype and data")
        if name in tensors:
            reject(f"input {name!r}", "the name twice", "every name once")
        what = f"input {name!r}"
        size = None
        if "parameters" in entry:
            size = _parse_parameters(entry, f"{what}: parameters").get("binary_data_size")
        if size is None:
            tensors[name] = parse_json_tensor(entry, what, plain=plain)
        else:
            tensors[name] = read_binary_tensor(entry, size, binary, taken, what)
            taken += size
    if binary is not None and taken != len(binary):
        reject("body", f"{len(binary)} bytes behind the JSON", f"{taken}, as the inputs' binary_data_size say")
    return tensors


def _parse_parameters(entry: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = entry.get("parameters", NO_PARAMETERS)
    return parameters if isinstance(parameters, dict) else reject(what, parameters, "an object")


def _parse_outputs(entries: object, manifest: Manifest, as_bytes: bool) -> dict[str, bool]:  # noqa: FBT001 - the protocol's flag
    there = manifest.output_names
    if not entries and (entries is None or isinstance(entries, list)):
        return dict.fromkeys(there, as_bytes)
    if not isinstance(entries, list):
        reject("outputs", type(entries).__name__, "a list of objects with a name")
    wanted: dict[str, bool] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else entry
        if not isinstance(name, str) or name not in there:
            reject("outputs", name, f"one of {', '.join(there)}")
        if isinstance(entry, dict):
            said = _parse_parameters(entry, f"output {name!r}: parameters").get("binary_data", as_bytes)
            wanted[name] = (
                said if isinstance(said, bool) else reject(f"output {name!r}: binary_data", said, "true or false")
            )
        else:
            wanted[name] = as_bytes
    return wanted
