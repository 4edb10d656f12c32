"""One request and its answer, as they are handed to a protocol and taken back."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.inference.refusals import NotFound, Refused

JSON = b"application/json"
Header = tuple[bytes, bytes]
Outputs = dict[str, NDArray[np.generic]]
Handler = Callable[["Request"], Awaitable["Response"]]
AsgiMessage = MutableMapping[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


@dataclass(slots=True)
class Request:
    """One request, its body read whole and decoded."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    """By lower-case name; of repeated ones the last."""
    body: bytes

    @property
    def media_type(self) -> bytes:
        """Return the content type without its parameters, lower-case; empty where there is none.

        >>> headers = {b"content-type": b"Text/CSV; charset=utf-8"}
        >>> Request("POST", "/invocations", b"", headers, b"").media_type
        b'text/csv'
        """
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


class Response(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class InferenceCodec:
    """A POST that runs the model: it is counted, limited and compared."""

    parse: Callable[["Request"], Any]
    """Returns what has `rows`, and whatever else the answer needs; raises Refused."""
    write: Callable[[Any, Outputs], "Response"]
    """Returns the answer to what `parse` gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What one path does, by method."""

    protocol: "ProtocolHandler"
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    codec: InferenceCodec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """The paths of a protocol: one model has a number of them that is known before the first request."""

    exact: dict[str, Route] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    """What else begins so is this protocol's to refuse."""


class ProtocolHandler(Protocol):
    """One protocol, over whatever it travels: its name, and how it refuses."""

    name: str
    """How metrics call it."""

    def write_refusal(self, refusal: Refused) -> Response:
        """Return a refusal in the protocol's own form."""
        ...


class HttpProtocolHandler(ProtocolHandler, Protocol):
    """One protocol over HTTP."""

    def build_routes(self) -> RouteTable:
        """Return what it answers."""
        ...

    def explain_missing(self, path: str) -> NotFound:
        """Say what there is instead of a path that begins as this protocol's do."""
        ...
