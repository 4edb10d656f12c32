"""HTTP/2 frames (RFC 9113, sections 4 and 6): codes, layout, and errors."""

from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER = Struct(">BHBBI")
"""Layout of a frame's header: length (the high byte, then the others), kind, flags, stream."""
FRAME_HEADER_SIZE = 9
FRAME_SIZE = 16384
"""Default for the largest payload of a frame; also the service's own limit."""
MOST_FRAME_SIZE = (1 << 24) - 1
MOST_WINDOW = (1 << 31) - 1
FIRST_WINDOW = 65535
"""Window of a connection, and of its streams unless settings change it."""
STREAM_BITS = (1 << 31) - 1


class FrameKind(IntEnum):
    """Kinds of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20


class Setting(IntEnum):
    """Codes of settings."""

    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Error codes of streams and connections."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class ConnectionFault(Exception):
    """An error of the peer that ends the connection."""

    def __init__(self, code: ErrorCode, words: str) -> None:
        """Describe the error by its code, and in words for the peer's log."""
        super().__init__(words)
        self.code = code


def make_frame(kind: FrameKind, flags: int, stream: int, payload: bytes = b"") -> bytes:
    r"""Return a frame.

    >>> make_frame(FrameKind.PING, ACK, 0, b"12345678")
    b'\x00\x00\x08\x06\x01\x00\x00\x00\x0012345678'
    """
    size = len(payload)
    return FRAME_HEADER.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def make_settings(values: dict[Setting, int]) -> bytes:
    """Return a frame of settings.

    >>> make_settings({Setting.ENABLE_PUSH: 0}).hex()
    '000006040000000000000200000000'
    """
    pairs = b"".join(number.to_bytes(2, "big") + value.to_bytes(4, "big") for number, value in values.items())
    return make_frame(FrameKind.SETTINGS, 0, 0, pairs)


def make_window_update(stream: int, more: int) -> bytes:
    """Return a frame that widens a window by so many bytes."""
    return make_frame(FrameKind.WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big"))


def make_goaway(last: int, code: ErrorCode, words: str) -> bytes:
    """Return a frame that ends a connection: streams above `last` were not handled."""
    return make_frame(FrameKind.GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + words.encode())


def parse_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the settings of a frame in their order; raise ConnectionFault."""
    if len(payload) % 6:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes, expected a multiple of 6")
    starts = range(0, len(payload), 6)
    return [
        (decode_number(payload[start : start + 2]), decode_number(payload[start + 2 : start + 6])) for start in starts
    ]


def decode_number(payload: bytes) -> int:
    """Return bytes as a big-endian number."""
    return int.from_bytes(payload, "big")


def strip_padding(flags: int, payload: bytes) -> bytes:
    r"""Return a payload without padding; raise ConnectionFault if the padding exceeds the payload.

    >>> strip_padding(PADDED, b"\x02abc\0\0"), strip_padding(0, b"abc")
    (b'abc', b'abc')
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def check_size(kind: FrameKind, payload: bytes, size: int) -> None:
    """Raise ConnectionFault if a frame does not have the fixed size of its kind."""
    if len(payload) != size:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"{kind.name} of {len(payload)} bytes, expected {size}")


def check_has_stream(kind: FrameKind, number: int) -> None:
    """Raise ConnectionFault for a frame of a stream that names none."""
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{kind.name} of no stream")


def check_no_stream(kind: FrameKind, number: int) -> None:
    """Raise ConnectionFault for a frame of the connection that names a stream."""
    if number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{kind.name} of stream {number}, expected none")
