"""Connections without a network: the real application, and a transport that keeps what is written to it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from services.inference.grpc.server import LIMITS, GrpcServer
from services.inference.http2.connection import Connection
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from tests.services.inference.http2_peer import Reader


class Kept(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:  # noqa: ANN401 - any bytes
        """Keep them."""
        assert not self.closed, "nothing may be said behind the end"
        self.written += data

    def read(self) -> Reader:
        """Read them."""
        reader = Reader()
        reader.feed(bytes(self.written))
        return reader

    def close(self) -> None:
        """End."""
        self.closed = True

    abort = close


class Place:
    """The real application, with a model that is loaded, and an event loop that goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        """Load the model."""
        self.loop = asyncio.new_event_loop()
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        manifest = parse_manifest(json.loads((folder / "slipway.json").read_text()))
        self._model = Model(manifest=manifest, runtime=open_runtime(manifest, folder))
        self.loop.run_until_complete(self._model.start())
        self.server = GrpcServer(self._model, "127.0.0.1:0")

    def left(self) -> tuple[int, int, float]:
        """Return what is under way: calls, bytes that are kept for them, and requests that are counted as in flight."""
        calls = self.server.calls
        return calls.active, calls.buffered, self._model.meter.read().in_flight

    def counted(self) -> dict[tuple[str, int], float]:
        """Return how many requests were answered, by protocol and status."""
        return {key: count for key, count in self._model.meter.read().get_requests().items() if count}

    def told(self, pieces: Sequence[bytes]) -> Kept:
        """Return what a connection says to these pieces, once all that they asked for is answered."""
        return self.loop.run_until_complete(self._told(pieces))

    async def idle(self) -> None:
        """Let the event loop go on until the model has nothing to do: it is run at a turn's end, or beside the loop."""
        async with asyncio.timeout(60):
            for _ in range(10):
                await asyncio.sleep(0)
                while self._model.engine.busy:  # noqa: ASYNC110 - the engine tells nobody
                    await asyncio.sleep(0.001)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Connection, Kept]]:
        """Connect, for as long as it is wanted."""
        transport = Kept()
        connection = Connection(self.server, LIMITS)
        connection.connection_made(transport)
        yield connection, transport
        transport.closed = True
        connection.connection_lost(None)

    async def _told(self, pieces: Sequence[bytes]) -> Kept:
        async with self.connected() as (connection, transport):
            for piece in pieces:
                if not transport.closed:
                    connection.data_received(piece)
            await self.idle()
        return transport
