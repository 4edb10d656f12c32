"""One stream of a connection: a request and its response. Applications define what streams do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from services.inference.http2.hpack_codec import Field

if TYPE_CHECKING:
    from services.inference.http2.connection import Connection
    from services.inference.http2.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one connection."""

    streams: int
    """Most streams at a time."""
    stream_window: int
    """Window of one stream: bytes of a body that the peer may send before its application widens it."""
    fields: int
    """Most bytes of one request's header fields."""
    window: int = 1 << 24
    """Window of all bodies together; received bytes are returned at once, because streams have their own windows."""


class Stream:
    """A request until it is answered."""

    __slots__ = ("closed", "id", "is_complete", "outbox", "receive_window", "session", "trailers", "window")

    def __init__(self, session: "Session", number: int) -> None:
        """Start with nothing received and nothing sent."""
        self.session = session
        self.id = number
        self.window = session.flow.initial_window
        """Bytes that the peer accepts now."""
        self.receive_window = session.limits.stream_window
        """Bytes that the peer may send now."""
        self.is_complete = False
        self.closed = False
        """Nothing more is received or sent."""
        self.outbox = bytearray()
        """Data that waits for the peer's window."""
        self.trailers: bytes | None = None
        """The trailers, to be sent when the outbox is empty."""

    def on_open(self) -> None:
        """Start: the stream is registered, and nothing of the body has arrived."""

    def on_incomplete(self) -> None:
        """Handle that the request did not arrive completely at once."""

    def on_data(self, piece: bytes) -> None:
        """Handle a piece of the body; `is_complete` says whether it is the last."""

    def on_drained(self) -> None:
        """Handle that the outbox is empty."""

    def on_sent(self) -> None:
        """Handle that the last frame was sent."""

    def on_lost(self) -> None:
        """Handle that the client reset the stream, or the connection is gone."""


class StreamApplication(Protocol):
    """Handles the requests of connections."""

    def parse_head(self, fields: Sequence[Field] | None) -> Any:  # noqa: ANN401 - the application's own
        """Return what `open_stream` needs of a request's fields (None: too many).

        The result is cached for requests whose header block has the same bytes. Raises MalformedRequest.
        """

    def open_stream(self, session: "Session", number: int, head: Any) -> Stream:  # noqa: ANN401 - as above
        """Return the stream of a new request."""

    def on_stream_closed(self, stream: Stream) -> None:
        """Handle that a stream is closed."""

    def on_connected(self, connection: "Connection") -> None:
        """Register a connection."""

    def on_disconnected(self, connection: "Connection") -> None:
        """Remove a connection."""


class ConnectionEvents(Protocol):
    """Notifies the connection."""

    def on_ping_ack(self, payload: bytes) -> None:
        """Handle the ACK of a PING."""

    def on_empty(self) -> None:
        """Handle that no stream is left while draining."""


class MalformedRequest(Exception):
    """Fields that are not a valid HTTP/2 request: the stream is reset."""


PSEUDO_HEADERS = frozenset([b":method", b":scheme", b":path", b":authority"])
CONNECTION_HEADERS = frozenset([b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"])
"""Fields of HTTP/1.1 that HTTP/2 forbids."""


def parse_request_fields(fields: Sequence[Field]) -> dict[bytes, bytes]:
    """Return a request's fields by name, of repeated ones the last (RFC 9113, sections 8.2 and 8.3).

    Raises MalformedRequest.

    >>> fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b"te", b"trailers")]
    >>> parse_request_fields(fields)[b":path"]
    b'/'
    """
    found: dict[bytes, bytes] = {}
    regular = False
    for name, value in fields:
        if name[:1] == b":":
            if regular or name in found or name not in PSEUDO_HEADERS:
                raise MalformedRequest(f"{name!r} where it may not be")
        else:
            regular = True
            _check_field(name, value)
        if any(mark in value for mark in (b"\0", b"\r", b"\n")):
            raise MalformedRequest(f"{name!r} has characters that no field may have")
        found[name] = value
    if not (found.get(b":path") and b":method" in found and b":scheme" in found):
        raise MalformedRequest("no :method, :scheme or :path")
    return found


def _check_field(name: bytes, value: bytes) -> None:
    if not name or name != name.lower() or name in CONNECTION_HEADERS:
        raise MalformedRequest(f"{name!r}: no name of HTTP/2")
    if name == b"te" and value != b"trailers":
        raise MalformedRequest(f"te: {value!r}, expected trailers")
