"""A response that can't be written, because its client has gone, is not counted as answered, in any protocol.

Without a network: each way of a request through the service, and a client that disconnects while the model is run.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from uvicorn.server import ServerState

from services.inference.application import build_application
from services.inference.http2.connection import Connection
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings
from services.inference.processes.fast_path import FastPathProtocol
from tests.services.inference.grpc_serving import INFER, oip
from tests.services.inference.http2_peer import HELLO, call
from tests.services.inference.http2_place import LIMITS, Kept, Place

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ROW = np.array([[2, 0, 0]], dtype=np.float32)
MESSAGE = oip(ROW.tobytes()).SerializeToString()
BODY = json.dumps(
    {"inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP32", "data": ROW.ravel().tolist()}]}
).encode()
Connect = Callable[[Place], Any]


def over_http(place: Place) -> FastPathProtocol:
    """Return a connection of HTTP."""
    model = place.server.calls.model
    application = build_application(model, OperationsPages(model, Siblings(model, None, "")))
    config = uvicorn.Config(application, http=FastPathProtocol, ws="none", lifespan="off", log_config=None)
    return FastPathProtocol(config, ServerState(), {}, place.loop)


def over_grpc(place: Place) -> Connection:
    """Return a connection of HTTP/2."""
    return Connection(place.server, LIMITS)


def posted(*more: bytes) -> bytes:
    """Return a request for one prediction over HTTP."""
    head = [b"POST /v2/models/toy/infer HTTP/1.1", b"host: x", b"content-length: %d" % len(BODY), *more]
    return b"\r\n".join([*head, b"", BODY])


WAYS: dict[str, tuple[Connect, str, bytes]] = {
    "HTTP, fast path": (over_http, "oip", posted()),
    "HTTP, slow path": (over_http, "oip", posted(b"content-encoding: identity")),
    "gRPC, unary": (over_grpc, "oip-grpc", HELLO + call(1, INFER, MESSAGE)),
    "gRPC, stream": (over_grpc, "oip-grpc", HELLO + call(1, STREAM, MESSAGE)),
}


@pytest.fixture
def place(tree_model: Path) -> Iterator[Place]:
    """Load a model."""
    one = Place(tree_model)
    yield one
    one.loop.close()


class Client(Kept):
    """A client's end of a connection, which it may leave."""

    def is_closing(self) -> bool:
        """Tell whether it has left."""
        return self.closed

    def pause_reading(self) -> None:
        """Send on: a client that is told to wait sends nothing more here."""

    resume_reading = pause_reading


def play(place: Place, way: str, *, leaves: bool) -> tuple[dict[tuple[str, int], float], int, float]:
    """Send a request; return what is counted by protocol and status, in the summary, and as in flight."""
    connect, _, request = WAYS[way]

    async def send() -> None:
        connection, client = connect(place), Client()
        connection.connection_made(client)
        connection.data_received(request)
        if leaves:
            client.closed = True
            connection.connection_lost(None)
        await place.idle()
        assert leaves or client.written
        if not leaves:
            connection.connection_lost(None)
        await asyncio.sleep(0)

    place.loop.run_until_complete(send())
    model = place.server.calls.model
    return place.counted(), model.summary.snapshot()["requests"], model.meter.read().in_flight


@pytest.mark.parametrize("way", WAYS)
def test_a_response_that_is_written_is_counted_as_answered(place: Place, way: str) -> None:
    """By its status, and in the summary that judges of releases read."""
    assert play(place, way, leaves=False) == ({(WAYS[way][1], 200): 1}, 1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_response_to_a_client_that_has_gone_is_not(place: Place, way: str) -> None:
    """It counts as 499, and what was predicted for it is not summed up."""
    assert play(place, way, leaves=True) == ({(WAYS[way][1], 499): 1}, 0, 0)
