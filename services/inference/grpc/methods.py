"""The methods of gRPC services: what a call's message is read as, and what answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.inference.messages import Message
from services.inference.request import Answer, Inference, Refusing

if TYPE_CHECKING:
    from services.inference.grpc.call import Call
    from services.inference.grpc.call_head import Head
    from services.inference.http2.session import Session

Tell = Callable[[bytes], Answer]
"""Answers a message without running the model; raises Refused."""
Begin = Callable[["Session", int, "Head"], "Call"]
"""Returns the stream of a call that takes or gives several messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method: one of `inference`, `tell` and `begin`."""

    door: Refusing
    path: str = ""
    """Where another revision takes a message of it over HTTP, as it is: handed on for want of an answer."""
    inference: Inference | None = None
    """It runs the model: it is counted, limited and compared."""
    tell: Tell | None = None
    begin: Begin | None = None


def unary(door: Refusing, tell: Mapping[str, Tell], infer: Mapping[str, Inference]) -> dict[str, Method]:
    """Return methods that take one message and give one, by name."""
    telling = {name: Method(door=door, tell=one) for name, one in tell.items()}
    return telling | {name: Method(door=door, inference=one) for name, one in infer.items()}


def written(message: Message) -> Answer:
    """Return a message as the right answer."""
    return Answer(200, message.SerializeToString())
