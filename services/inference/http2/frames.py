"""Frames of HTTP/2 (RFC 9113, sections 4 and 6): their numbers, their layout, and what is wrong with one."""

from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = Struct(">BHBBI")
"""Of a frame: its length (the high byte, then the others), kind, flags, stream."""
HEAD_SIZE = 9
FRAME_SIZE = 16384
"""Bytes of a frame's payload that everybody takes; we ask for no more."""
MOST_FRAME_SIZE = (1 << 24) - 1
MOST_WINDOW = (1 << 31) - 1
FIRST_WINDOW = 65535
"""Of a connection, and of its streams until settings say otherwise."""
STREAM_BITS = (1 << 31) - 1


class Kind(IntEnum):
    """Of a frame."""

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
    """Numbers of settings."""

    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Fault(Exception):
    """What the peer did that ends the connection."""

    def __init__(self, code: Code, words: str) -> None:
        """Name it by its code, and in words for whoever looks at the peer's log."""
        super().__init__(words)
        self.code = code


def frame(kind: Kind, flags: int, stream: int, payload: bytes = b"") -> bytes:
    r"""Return a frame.

    >>> frame(Kind.PING, ACK, 0, b"12345678")
    b'\x00\x00\x08\x06\x01\x00\x00\x00\x0012345678'
    """
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """Return a frame of settings.

    >>> settings({Setting.ENABLE_PUSH: 0}).hex()
    '000006040000000000000200000000'
    """
    pairs = b"".join(number.to_bytes(2, "big") + value.to_bytes(4, "big") for number, value in values.items())
    return frame(Kind.SETTINGS, 0, 0, pairs)


def window_update(stream: int, more: int) -> bytes:
    """Return a frame that lets the peer send so many bytes more."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big"))


def goaway(last: int, code: Code, words: str) -> bytes:
    """Return a frame that ends a connection: streams above `last` were not looked at."""
    return frame(Kind.GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + words.encode())


def settings_of(payload: bytes) -> list[tuple[int, int]]:
    """Return what a frame of settings says, in its order; raise Fault."""
    if len(payload) % 6:
        raise Fault(Code.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes, expected a multiple of 6")
    starts = range(0, len(payload), 6)
    return [(number_in(payload[start : start + 2]), number_in(payload[start + 2 : start + 6])) for start in starts]


def number_in(payload: bytes) -> int:
    """Return the number that all of these bytes are."""
    return int.from_bytes(payload, "big")


def unpadded(flags: int, payload: bytes) -> bytes:
    r"""Return a payload without padding; raise Fault where more is said to be padding than there is.

    >>> unpadded(PADDED, b"\x02abc\0\0"), unpadded(0, b"abc")
    (b'abc', b'abc')
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Fault(Code.PROTOCOL_ERROR, "padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def expect_size(kind: Kind, payload: bytes, size: int) -> None:
    """Raise Fault for a frame that is not of the only size that its kind has."""
    if len(payload) != size:
        raise Fault(Code.FRAME_SIZE_ERROR, f"{kind.name} of {len(payload)} bytes, expected {size}")
