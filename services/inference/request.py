"""A request and its response, as protocol handlers take and return them."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.inference.refusals import Refused, ResourceNotFound

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
    """One request; its body is complete and decompressed."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    """By lower-case name; of repeated ones the last."""
    body: bytes

    @property
    def media_type(self) -> bytes:
        """Return the content type without its parameters, lower-case; empty if it is missing.

        >>> headers = {b"content-type": b"Text/CSV; charset=utf-8"}
        >>> Request("POST", "/invocations", b"", headers, b"").media_type
        b'text/csv'
        """
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


class Response(NamedTuple):
    """The response to a request."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class InferenceCodec:
    """Parses requests for the model, and writes its outputs: for a path that is counted, limited and compared."""

    parse: Callable[["Request"], Any]
    """Returns an object with `rows`, and what else the response needs; raises Refused."""
    write: Callable[[Any, Outputs], "Response"]
    """Returns the response for what `parse` returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one path is handled, by method."""

    protocol: "ProtocolHandler"
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    codec: InferenceCodec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """The paths of a protocol, which are known before the first request."""

    exact: dict[str, Route] = field(default_factory=dict)
    prefixes: tuple[str, ...] = ()
    """Unknown paths under these prefixes get this protocol's 404."""


class ProtocolHandler(Protocol):
    """One protocol over HTTP or gRPC: its name, and the form of its errors."""

    name: str
    """Its name in metrics."""

    def write_refusal(self, refusal: Refused) -> Response:
        """Return a refusal in the protocol's own form."""
        ...


class HttpProtocolHandler(ProtocolHandler, Protocol):
    """One protocol over HTTP."""

    def build_routes(self) -> RouteTable:
        """Return the protocol's paths."""
        ...

    def explain_missing(self, path: str) -> ResourceNotFound:
        """Return the 404 for an unknown path under the protocol's prefixes."""
        ...
