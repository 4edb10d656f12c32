"""An ASGI function around our own parsing, checks, runtime and writing: the limit, with what we do of each request.

What is left between it and our service is the server: the short way, batches, counting, deadlines, the bounded queue.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from asgi import serve

from services.inference.loading import open_runtime
from services.inference.manifest import read_manifest
from services.inference.protocols import oip_json
from services.inference.refusals import ModelFailed
from services.inference.runtime.model_runtime import InlineRuntime

HEADER_LENGTH = b"inference-header-content-length"


def application(folder: Path) -> Callable[..., Awaitable[None]]:
    """Return the application, with its model loaded."""
    manifest = read_manifest(folder)
    runtime = open_runtime(manifest, folder)
    asyncio.run(runtime.start())
    assert isinstance(runtime, InlineRuntime)  # noqa: S101 - the benchmark's models are ONNX

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = [(b"content-type", b"application/json")]
        answer = b"{}"
        if scope["method"] == "POST":
            said = dict(scope["headers"]).get(HEADER_LENGTH)
            asked = oip_json.parse_request(body, None if said is None else int(said), manifest)
            (result,) = runtime.run([runtime.make_feeds(asked.rows)])
            if isinstance(result, ModelFailed):
                raise result
            answer, head = oip_json.write_response(asked, result, manifest)
            if head is not None:
                headers = [(b"content-type", b"application/octet-stream"), (HEADER_LENGTH, b"%d" % head)]
        headers.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    served = application(asked.model)
    serve(served, asked.port)
