"""How a call ends in gRPC: a status and a message in the trailers."""

from enum import IntEnum
from urllib.parse import quote

from services.inference.grpc.compression import ACCEPTED
from services.inference.headers import REQUEST_ID, RESCUED, REVISION
from services.inference.http2.hpack_codec import encode_fields
from services.inference.refusals import BadRequest, Refused
from services.inference.request import Response

MESSAGE_LIMIT = 800
"""Longest error message: it is sent as metadata, of which clients accept 8 KiB."""
PUSHBACK = b"grpc-retry-pushback-ms"
"""gRPC's metadata for retry-after, in milliseconds."""
RETRY_AFTER = b"retry-after"
PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
"""Characters of a message that are not escaped."""


class Status(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


STATUSES = {
    200: Status.OK,
    400: Status.INVALID_ARGUMENT,
    404: Status.NOT_FOUND,
    408: Status.CANCELLED,
    413: Status.RESOURCE_EXHAUSTED,
    415: Status.UNIMPLEMENTED,
    429: Status.RESOURCE_EXHAUSTED,
    500: Status.INTERNAL,
    503: Status.UNAVAILABLE,
    504: Status.DEADLINE_EXCEEDED,
}
"""gRPC's status by HTTP's."""
_HEADERS_ALONE = encode_fields((b":status", b"200"), (b"content-type", b"application/grpc"))
"""Encoded headers of a response that has trailers only."""
_ANNOUNCED = b", ".join((b"grpc-status", b"grpc-message", REVISION, RESCUED, REQUEST_ID, b"traceresponse"))
RESPONSE_HEADERS = _HEADERS_ALONE + encode_fields((b"trailer", _ANNOUNCED))
"""Encoded headers before the first message. Routers see a status in the trailers only if it is announced: otherwise
Traefik counts the response as UNKNOWN. It needs the names of all trailers."""
FRAME_HEAD = 5
"""Bytes before a message: whether it is compressed, and its length."""


class CallEnding:
    """How a call ends: the encoded trailers, alone and with headers before them."""

    __slots__ = ("alone", "trailers")

    def __init__(self, trailers: bytes, before: bytes = _HEADERS_ALONE) -> None:
        """Take encoded trailers, and the headers before them if nothing else was sent."""
        self.trailers, self.alone = trailers, before + trailers


def make_ending(status: Status, message: str, more: bytes = b"") -> CallEnding:
    """Return the ending with a status and a message; `more` are further fields, encoded."""
    fields = [(b"grpc-status", b"%d" % status)]
    if message:
        fields.append((b"grpc-message", quote(message[:MESSAGE_LIMIT], safe=PLAIN).encode()))
    if status == Status.UNIMPLEMENTED:
        fields.append((b"grpc-accept-encoding", ACCEPTED))
    return CallEnding(encode_fields(*fields) + more)


def make_response_ending(answer: Response, about: bytes) -> CallEnding:
    """Return the ending for a response; the body of an error is the message."""
    status = STATUSES.get(answer.status, Status.INTERNAL)
    said = "" if status == Status.OK else answer.body.decode()
    return make_ending(
        status, said, about + encode_fields(*(_convert_header(name, value) for name, value in answer.headers))
    )


def make_http_ending(status: int, more: bytes) -> CallEnding:
    """Return the ending of a request that is not gRPC: a status of HTTP; `more` as above."""
    return CallEnding(more, encode_fields((b":status", b"%d" % status)))


def make_refusal(refusal: Refused) -> Response:
    """Return a refusal as every gRPC handler writes it: the message alone, which `make_response_ending` reads."""
    return Response(refusal.status, str(refusal)[:MESSAGE_LIMIT].encode())


def frame_message(message: bytes) -> bytes:
    r"""Return a message with its prefix, as it is sent.

    >>> frame_message(b"abc")
    b'\x00\x00\x00\x00\x03abc'
    """
    return b"\0" + len(message).to_bytes(4, "big") + message


def read_message_length(body: bytes | bytearray) -> int:
    """Return the length of the message that a body begins with; 0 if the prefix is incomplete.

    >>> read_message_length(frame_message(b"abc")), read_message_length(b"")
    (3, 0)
    """
    return int.from_bytes(body[1:FRAME_HEAD], "big") if len(body) >= FRAME_HEAD else 0


def make_malformed(body: bytes | bytearray) -> BadRequest:
    """Return the refusal of a body that is not exactly one message."""
    if not body:
        return BadRequest("message: got none, expected one")
    if len(body) < FRAME_HEAD or body[0] > 1:
        return BadRequest(f"message: got {len(body)} bytes that are none of gRPC's, expected a length and a message")
    seen = f"{len(body) - FRAME_HEAD} bytes where its length says {read_message_length(body)}"
    return BadRequest(f"message: got {seen}, expected one message, whole")


def _convert_header(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a response header as gRPC metadata.

    >>> _convert_header(b"retry-after", b"2"), _convert_header(b"traceresponse", b"00-1")
    ((b'grpc-retry-pushback-ms', b'2000'), (b'traceresponse', b'00-1'))
    """
    return (PUSHBACK, b"%d" % (1000 * int(value))) if name == RETRY_AFTER else (name, value)
