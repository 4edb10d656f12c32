"""A client of HTTP/2 that says what it is told to, right or wrong: frames are put together and read by other code."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = SettingsFrame(0).serialize()
HELLO = PREFACE + SETTINGS
CHECK = "/grpc.health.v1.Health/Check"
EMPTY = bytes(5)
"""A message of gRPC without a byte."""
Fields = Sequence[tuple[str, str]]


def fields_of(path: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the fields of a call."""
    first = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x")]
    return [*first, ("te", "trailers"), ("content-type", "application/grpc"), *more]


def block(fields: Fields, encoder: Encoder | None = None) -> bytes:
    """Return fields as a header block, the first of a connection unless an encoder comes with it."""
    return (encoder or Encoder()).encode(fields)


def headers(stream: int, data: bytes, *flags: str) -> bytes:
    """Return a frame of a header block, whole unless the flags are others."""
    return HeadersFrame(stream, data, flags=flags or ("END_HEADERS",)).serialize()


def data(stream: int, body: bytes, *flags: str) -> bytes:
    """Return a piece of a body, the last one unless the flags are others."""
    return DataFrame(stream, body, flags=flags or ("END_STREAM",)).serialize()


def piece(stream: int, body: bytes) -> bytes:
    """Return a piece of a body that goes on."""
    return DataFrame(stream, body).serialize()


def call(stream: int, path: str, message: bytes, *more: tuple[str, str], encoder: Encoder | None = None) -> bytes:
    """Return a whole call of one message."""
    framed = b"\0" + len(message).to_bytes(4, "big") + message
    return headers(stream, block(fields_of(path, *more), encoder)) + data(stream, framed)


def raw(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of any kind, be it possible or not."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@dataclass(slots=True)
class Answer:
    """What came of one stream."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    """Of all header blocks."""
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def said(self) -> dict[str, str]:
        """Return the fields by name."""
        return dict(self.fields)


class Reader:
    """Reads what a server says."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = b""
        self._decoder = Decoder()
        self.frames: list[Frame] = []
        self.answers: dict[int, Answer] = {}

    def feed(self, received: bytes) -> None:
        """Read some bytes."""
        self._rest += received
        while len(self._rest) >= 9:
            frame, size = Frame.parse_frame_header(memoryview(self._rest[:9]))
            if len(self._rest) < 9 + size:
                return
            frame.parse_body(memoryview(self._rest[9 : 9 + size]))
            self._rest = self._rest[9 + size :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        answer = self.answers.setdefault(frame.stream_id, Answer())
        if isinstance(frame, HeadersFrame):
            answer.fields += self._decoder.decode(frame.data)
        elif isinstance(frame, DataFrame):
            answer.body += frame.data
        elif isinstance(frame, RstStreamFrame):
            answer.reset = frame.error_code
        answer.ended = answer.ended or "END_STREAM" in frame.flags

    @property
    def goaway(self) -> GoAwayFrame | None:
        """Return the last GOAWAY."""
        return next((one for one in reversed(self.frames) if isinstance(one, GoAwayFrame)), None)

    @property
    def pongs(self) -> list[bytes]:
        """Return what came back of pings."""
        return [one.opaque_data for one in self.frames if isinstance(one, PingFrame) and "ACK" in one.flags]


class Peer(Reader):
    """A connection."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak over a socket."""
        super().__init__()
        self._socket = connection
        self.closed = False

    def send(self, *parts: bytes) -> "Peer":
        """Send bytes; a server that has closed the connection already is read from all the same."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(b"".join(parts))
        return self

    def read_some(self) -> None:
        """Read what comes next; raise TimeoutError."""
        try:
            received = self._socket.recv(65536)
        except ConnectionResetError:
            received = b""
        self.closed = not received
        self.feed(received)

    def read_all(self) -> "Peer":
        """Read until the server closes the connection."""
        while not self.closed:
            self.read_some()
        return self

    def answer(self, stream: int) -> Answer:
        """Return a stream's answer when it has ended, or was reset."""
        while not (self.closed or self.ended(stream)):
            self.read_some()
        return self.answers[stream]

    def begun(self, stream: int) -> "Peer":
        """Read until the head of a stream's answer has come."""
        while not (self.closed or (stream in self.answers and self.answers[stream].fields)):
            self.read_some()
        return self

    def ended(self, stream: int) -> bool:
        """Tell whether nothing more comes of a stream."""
        answer = self.answers.get(stream)
        return answer is not None and (answer.ended or answer.reset is not None)

    def ping(self, word: bytes = b"are you?") -> "Peer":
        """Read until a ping comes back: what was sent before was handled by then."""
        self.send(PingFrame(0, word).serialize())
        while word not in self.pongs and not self.closed:
            self.read_some()
        return self


@contextlib.contextmanager
def connected(address: str) -> Iterator[Peer]:
    """Connect; nothing is said yet."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        yield Peer(connection)
