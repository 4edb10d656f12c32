"""The gRPC server, in a worker's own event loop; the workers of one server share its port."""

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import replace

from services.inference.bodies import BODY_LIMIT
from services.inference.grpc import health, open_inference, tensorflow
from services.inference.grpc.call import CallLimits, GrpcCall
from services.inference.grpc.call_head import METADATA_BYTES, CallHead, CallHeadReader
from services.inference.grpc.health import HealthService
from services.inference.grpc.infer_stream import InferStreams
from services.inference.grpc.open_inference import OpenInferenceGrpc
from services.inference.grpc.tensorflow import PredictionService
from services.inference.grpc.unary import UnaryCall
from services.inference.http2.connection import Connection
from services.inference.http2.hpack_codec import Field
from services.inference.http2.session import Session
from services.inference.http2.streams import Limits, Stream
from services.inference.model import Model
from services.inference.protocols.tensorflow import read_labels
from services.inference.request import Route
from services.inference.runtime.admission import MOST_WAITING
from slipway_interface.pages import GRPC

BACKLOG = 2048
LIMITS = Limits(streams=MOST_WAITING, stream_window=BODY_LIMIT + 65536, fields=METADATA_BYTES)
"""The largest message fits into its stream's window, so the peer never waits for a window update."""
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))
"""Seconds and tries after which a silent peer counts as gone."""


class GrpcServer:
    """Serves one model over gRPC; it is the application of its connections."""

    def __init__(self, model: Model, address: str) -> None:
        """Serve at `address` (`host:port`; more than MOST_WAITING calls at a time are refused, streams among them)."""
        self._address = address
        self.calls = CallLimits(model)
        protocol, predictions = OpenInferenceGrpc(model), PredictionService(model, read_labels(os.environ))
        self._streams = InferStreams(self.calls, protocol)
        self._health = HealthService(self.calls, (open_inference.SERVICE, tensorflow.SERVICE))
        services = {
            open_inference.SERVICE: {**protocol.list_methods(), "ModelStreamInfer": self._streams.make_method()},
            tensorflow.SERVICE: predictions.list_methods(),
            health.SERVICE: self._health.list_methods(),
        }
        methods = {
            f"/{service}/{name}".encode(): replace(method, path=f"{GRPC}/{service}/{name}")
            for service, named in services.items()
            for name, method in named.items()
        }
        self._methods = methods.values()
        self._heads = CallHeadReader(methods, model.manifest.revision)
        self._connections: set[Connection] = set()
        self._listening: asyncio.Server | None = None
        self._ending = False
        self._empty = asyncio.Event()

    def build_routes(self) -> dict[str, Route]:
        """Return the HTTP routes for messages of gRPC that another revision forwards."""
        return {one.path: Route(protocol=one.protocol, codec=one.codec) for one in self._methods if one.codec}

    async def start(self) -> int:
        """Start to listen; return the port."""
        try:
            bound = open_listening_socket(self._address)
        except OSError as error:
            message = f"{self._address} can't be listened on for gRPC: {error.strerror}; choose another --grpc-port"
            raise OSError(message) from error
        port: int = bound.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: Connection(self, LIMITS), sock=bound, backlog=BACKLOG)
        return port

    async def stop(self, seconds: float) -> None:
        """Accept no more calls; answer active ones for at most so many seconds."""
        self._ending = True
        if self._listening is not None:
            self._listening.close()
        self._streams.stop()
        self._health.stop_watches()
        for connection in list(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(seconds):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()

    def parse_head(self, fields: Sequence[Field] | None) -> CallHead:
        """Return the head of a call; raise MalformedRequest."""
        return self._heads.parse_head(fields)

    def open_stream(self, session: Session, number: int, head: CallHead) -> Stream:
        """Return the stream of a new call."""
        self.calls.active += 1
        method = head.method
        if method is None:
            return GrpcCall(session, number, head, self.calls)
        return (
            UnaryCall(session, number, head, self.calls)
            if method.open_call is None
            else method.open_call(session, number, head)
        )

    def on_stream_closed(self, _: Stream) -> None:
        """Count a call that is over."""
        self.calls.active -= 1

    def on_connected(self, connection: Connection) -> None:
        """Register a connection; during shutdown it is drained at once, and its client tries elsewhere."""
        self._connections.add(connection)
        if self._ending:
            connection.drain()

    def on_disconnected(self, connection: Connection) -> None:
        """Remove a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()


def open_listening_socket(address: str) -> socket.socket:
    """Return a socket that shares its port with those of other workers; raise OSError.

    >>> with open_listening_socket("127.0.0.1:0") as bound:
    ...     bound.getsockname()[0]
    '127.0.0.1'
    """
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # the kernel spreads connections over the workers
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # accepted sockets inherit it
        for name, value in KEEP_ALIVE:
            bound.setsockopt(socket.IPPROTO_TCP, name, value)
        bound.bind((host, int(port)))
    except OSError:
        bound.close()
        raise
    return bound
