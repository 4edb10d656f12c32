"""The server of the gRPC doors, in a worker's own event loop; the workers of one server share its port."""

import os
from collections.abc import Mapping

import grpc  # type: ignore[import-untyped]
from grpc import aio

from services.inference.bodies import LIMIT
from services.inference.grpc_doors import health, open_inference, tensorflow
from services.inference.grpc_doors.asking import Asking, Rpc
from services.inference.grpc_doors.health import Health
from services.inference.grpc_doors.open_inference import OpenInference
from services.inference.grpc_doors.streams import Streams
from services.inference.grpc_doors.tensorflow import PredictionService
from services.inference.model import Model
from services.inference.protocols.tensorflow import labels_of
from services.inference.running.admission import MOST_WAITING

OPTIONS = (
    ("grpc.so_reuseport", 1),  # connections are spread over the workers
    ("grpc.max_receive_message_length", LIMIT),  # also of what is unpacked
    ("grpc.max_send_message_length", -1),
)


class GrpcServer:
    """Serves one model over gRPC."""

    def __init__(self, model: Model, address: str) -> None:
        """Serve at `address` (`host:port`; more than MOST_WAITING RPCs at a time are refused, streams among them)."""
        asking = Asking(model)
        door = OpenInference(asking)
        self._address = _bracketed(address)
        self._streams = Streams(asking, door)
        self._health = Health(asking, (open_inference.SERVICE, tensorflow.SERVICE))
        self._server = aio.server(options=OPTIONS, maximum_concurrent_rpcs=MOST_WAITING)
        self._add(
            open_inference.SERVICE,
            door.rpcs(),
            {"ModelStreamInfer": grpc.stream_stream_rpc_method_handler(self._streams.answer)},
        )
        predictions = PredictionService(asking, labels_of(os.environ))
        self._add(tensorflow.SERVICE, predictions.rpcs(), {})
        watch = grpc.unary_stream_rpc_method_handler(self._health.watch)
        self._add(health.SERVICE, {"Check": self._health.check()}, {"Watch": watch})

    async def start(self) -> int:
        """Begin to listen; return the port."""
        try:
            port: int = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            message = f"{self._address} can't be listened on for gRPC: {error}; choose another --grpc-port"
            raise OSError(message) from error
        await self._server.start()
        return port

    async def stop(self, seconds: float) -> None:
        """Take no more; answer what is under way, for at most so long."""
        self._streams.end()
        self._health.end()
        await self._server.stop(seconds)

    def _add(self, service: str, rpcs: Mapping[str, Rpc], streams: Mapping[str, grpc.RpcMethodHandler]) -> None:
        handlers = {name: grpc.unary_unary_rpc_method_handler(rpc) for name, rpc in rpcs.items()}
        handler = grpc.method_handlers_generic_handler(service, {**handlers, **streams})
        self._server.add_generic_rpc_handlers((handler,))


def _bracketed(address: str) -> str:
    """Return an address as gRPC takes it.

    >>> _bracketed("127.0.0.1:3001"), _bracketed(":::3001")
    ('127.0.0.1:3001', '[::]:3001')
    """
    host, _, port = address.rpartition(":")
    return f"[{host}]:{port}" if ":" in host else address
