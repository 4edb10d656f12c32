"""One stream of a connection: a request, and its answer. What a stream does is its application's to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from services.inference.http2.hpack_codec import Field

if TYPE_CHECKING:
    from services.inference.http2.connection import Connection
    from services.inference.http2.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may ask of one connection."""

    streams: int
    """At a time."""
    stream_window: int
    """Bytes of one stream's body that may be on their way before its application says to send more."""
    fields: int
    """Bytes of one request's header fields."""
    window: int = 1 << 24
    """Bytes of all bodies that may be on their way; what came is given back at once, streams have their own bounds."""


class Stream:
    """A request that was begun, as long as it is not answered."""

    __slots__ = ("closed", "id", "is_complete", "outbox", "receive_window", "session", "trailers", "window")

    def __init__(self, session: "Session", number: int) -> None:
        """Begin with nothing received and nothing sent."""
        self.session = session
        self.id = number
        self.window = session.flow.initial_window
        """Bytes that the peer takes of this stream."""
        self.receive_window = session.limits.stream_window
        """Bytes that the peer may send of it."""
        self.is_complete = False
        self.closed = False
        """Nothing more comes or goes."""
        self.outbox = bytearray()
        """What waits for the peer's window."""
        self.trailers: bytes | None = None
        """The block that ends it, once the outbox is empty."""

    def on_open(self) -> None:
        """Go on, now that the connection knows the stream. Nothing of the body has come."""

    def on_incomplete(self) -> None:
        """Know that the rest of the request did not come together with its beginning."""

    def on_data(self, piece: bytes) -> None:
        """Take a piece of the body; `is_complete` says whether it is the last."""

    def on_drained(self) -> None:
        """Go on, now that nothing waits any more."""

    def on_sent(self) -> None:
        """Know that the last frame was sent."""

    def on_lost(self) -> None:
        """Let go: nobody waits for an answer."""


class StreamApplication(Protocol):
    """What the requests of connections are for."""

    def parse_head(self, fields: Sequence[Field] | None) -> Any:  # noqa: ANN401 - the application's own
        """Return what `open_stream` needs of a request's fields (None: there were too many).

        It is kept for requests whose header block has the same bytes. Raises MalformedRequest.
        """

    def open_stream(self, session: "Session", number: int, head: Any) -> Stream:  # noqa: ANN401 - as above
        """Return the stream of a new request."""

    def on_stream_closed(self, stream: Stream) -> None:
        """Know that a stream is closed."""

    def on_connected(self, connection: "Connection") -> None:
        """Know a connection."""

    def on_disconnected(self, connection: "Connection") -> None:
        """Forget a connection."""


class ConnectionEvents(Protocol):
    """What the connection wants to hear of."""

    def on_ping_ack(self, payload: bytes) -> None:
        """Take a PING that came back."""

    def on_empty(self) -> None:
        """Know that nothing is left to be answered, and nothing new is taken."""


class MalformedRequest(Exception):
    """Fields that are no request of HTTP/2: the stream is reset."""


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
