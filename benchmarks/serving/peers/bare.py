"""The limit: no more than an ASGI function that parses, runs the model and writes the answer, on uvicorn's fast parts.

The Open Inference Protocol's inference path, JSON and binary, without a single check.
"""

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from asgi import serve
from loaded import DATATYPES, DTYPES, Loaded

HEADER_LENGTH = b"inference-header-content-length"


def application(model: Loaded) -> Callable[..., Awaitable[None]]:
    """Return the application."""

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = dict(scope["headers"]).get(HEADER_LENGTH)
        if scope["method"] == "GET":
            head, answer = None, b"{}"
        elif said is None:
            head, answer = None, answered(model, parsed(orjson.loads(body)["inputs"]))
        else:
            head, answer = answered_binary(model, parsed_binary(body, int(said)))
        kind = b"application/json" if head is None else b"application/octet-stream"
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(answer))]
        if head is not None:
            headers.append((HEADER_LENGTH, b"%d" % head))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


async def empty(_: object, receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
    """Answer nothing: what HTTP and the event loop cost alone."""
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


def parsed(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tensors by name."""
    return {
        entry["name"]: np.asarray(entry["data"], dtype=DTYPES.get(entry["datatype"], object)).reshape(entry["shape"])
        for entry in entries
    }


def parsed_binary(body: bytes, head: int) -> dict[str, Any]:
    """Return tensors by name; the bytes behind the JSON hold them one after the other."""
    tensors = {}
    for entry in orjson.loads(body[:head])["inputs"]:
        size = entry["parameters"]["binary_data_size"]
        raw = body[head : head + size]
        head += size
        dtype = DTYPES.get(entry["datatype"])
        values = np.array(texts(raw), dtype=object) if dtype is None else np.frombuffer(raw, dtype=dtype)
        tensors[entry["name"]] = values.reshape(entry["shape"])
    return tensors


def texts(raw: bytes) -> list[str]:
    """Return texts: a length of four bytes before each."""
    found, place = [], 0
    while place < len(raw):
        end = place + 4 + int.from_bytes(raw[place : place + 4], "little")
        found.append(raw[place + 4 : end].decode())
        place = end
    return found


def answered(model: Loaded, tensors: dict[str, Any]) -> bytes:
    """Run the model and write JSON."""
    outputs = [
        {"name": name, "datatype": DATATYPES[values.dtype.name], "shape": values.shape, "data": values.ravel()}
        for name, values in model.run(tensors).items()
    ]
    document = {"model_name": model.name, "model_version": "1", "outputs": outputs}
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def answered_binary(model: Loaded, tensors: dict[str, Any]) -> tuple[int, bytes]:
    """Run the model and write bytes behind JSON; return how many bytes are JSON, too."""
    outputs, parts = [], []
    for name, values in model.run(tensors).items():
        parts.append(values.tobytes())
        described = {"name": name, "datatype": DATATYPES[values.dtype.name], "shape": values.shape}
        outputs.append({**described, "parameters": {"binary_data_size": len(parts[-1])}})
    head = orjson.dumps({"model_name": model.name, "model_version": "1", "outputs": outputs})
    return len(head), b"".join((head, *parts))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--empty", action="store_true", help="read requests, and answer all of them with {}")
    asked = parser.parse_args()
    served = empty if asked.empty else application(Loaded(asked.model))
    serve(served, asked.port)
