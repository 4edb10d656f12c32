"""The methods of gRPC services, and how each is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.inference.messages import Message
from services.inference.request import InferenceCodec, ProtocolHandler, Response

if TYPE_CHECKING:
    from services.inference.grpc.call import GrpcCall
    from services.inference.grpc.call_head import CallHead
    from services.inference.http2.session import Session

MessageAnswerer = Callable[[bytes], Response]
"""Answers a message without running the model; raises Refused."""
CallOpener = Callable[["Session", int, "CallHead"], "GrpcCall"]
"""Returns the stream of a call that takes or gives several messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcMethod:
    """One method; it has one of `codec`, `answer` and `open_call`."""

    protocol: ProtocolHandler
    path: str = ""
    """The HTTP path under which another revision takes a forwarded message."""
    codec: InferenceCodec | None = None
    """Of a method that runs the model: it is counted, limited and compared."""
    answer: MessageAnswerer | None = None
    open_call: CallOpener | None = None


def make_unary_methods(
    protocol: ProtocolHandler, tell: Mapping[str, MessageAnswerer], infer: Mapping[str, InferenceCodec]
) -> dict[str, GrpcMethod]:
    """Return methods that take one message and return one, by name."""
    telling = {name: GrpcMethod(protocol=protocol, answer=one) for name, one in tell.items()}
    return telling | {name: GrpcMethod(protocol=protocol, codec=one) for name, one in infer.items()}


def write_message(message: Message) -> Response:
    """Return a message as a successful response."""
    return Response(200, message.SerializeToString())
