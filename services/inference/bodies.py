"""Bodies of requests and answers: read whole up to a bound, in time, and packed or unpacked as headers say."""

import asyncio
import zlib
from collections.abc import Callable

from services.inference.refusals import BadRequest, TooLarge, TooSlow, UnknownMedia
from services.inference.request import Receive

LIMIT = 16 * 1024 * 1024
"""Bytes of one request, unpacked: about 30,000 rows of 64 numbers; their arrays still fit into a small container."""
SECONDS = 30.0
"""How long a body may take to come."""
PACKED_FROM = 4096
"""Bytes of an answer from which packing pays, for a client that takes it."""
BESIDE_FROM = 65536
"""Bytes from which packing and unpacking are done beside the event loop."""
GZIP_WINDOW, ZLIB_WINDOW = 31, 15
"""zlib's numbers for a gzip stream, and for one of its own."""
LEVEL = 1
"""Of compression: the answer is wanted soon."""


class Gone(Exception):
    """The connection ended before the body was whole: nobody hears an answer."""


async def read_body(receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    """Return the body, unpacked; raise TooLarge, TooSlow, UnknownMedia, or Gone where it broke off."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > LIMIT:
        raise too_large()
    parts = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            body = await _whole(receive, parts)
    except TimeoutError as error:
        raise too_slow(len(parts)) from error
    encoding = headers.get(b"content-encoding")
    return body if encoding is None else await _unpacked(body, encoding.strip().lower())


async def _whole(receive: Receive, parts: bytearray) -> bytes:
    """Return all that comes; `parts` holds what came so far."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece: bytes = message.get("body", b"")
        if len(parts) + len(piece) > LIMIT:
            raise too_large()
        if not message.get("more_body", False):
            return bytes(parts) + piece if parts else piece
        parts += piece


async def _unpacked(body: bytes, encoding: bytes) -> bytes:
    unpack = UNPACKED.get(encoding)
    if unpack is None:
        shown = encoding[:40].decode("latin-1")
        raise UnknownMedia(f"content-encoding: got {shown!r}, expected gzip, zstd or identity")
    return await asyncio.to_thread(unpack, body) if len(body) > BESIDE_FROM else unpack(body)


def gunzip(body: bytes) -> bytes:
    """Unpack gzip members up to the limit: a few bytes may stand for gigabytes; raise TooLarge, BadRequest."""
    return _unzipped(body, "gzip", GZIP_WINDOW)


def inflate(body: bytes) -> bytes:
    """Unpack what is called deflate, zlib's own streams, in the same way."""
    return _unzipped(body, "deflate", ZLIB_WINDOW)


def _unzipped(body: bytes, name: str, window: int) -> bytes:
    whole = bytearray()
    while body:
        stream = zlib.decompressobj(window)
        try:
            whole += stream.decompress(body, LIMIT + 1 - len(whole))
        except zlib.error as error:
            raise BadRequest(f"body: got bytes that are not {name}, expected what its encoding says") from error
        if len(whole) > LIMIT:
            raise too_large()
        if not stream.eof:
            raise BadRequest(f"body: got a {name} stream that breaks off, expected all of it")
        body = stream.unused_data
    return bytes(whole)


def _unzstd(body: bytes) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=LIMIT).stream_reader(body, read_across_frames=True) as stream:
            whole = stream.read(LIMIT + 1)
    except zstandard.ZstdError as error:
        raise BadRequest("body: got bytes that are not zstd, expected what content-encoding says") from error
    if len(whole) > LIMIT:
        raise too_large()
    return whole


UNPACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gunzip,
    b"x-gzip": gunzip,
    b"zstd": _unzstd,
    b"identity": bytes,
}
"""Encodings of requests that are understood."""


async def packed(body: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, bytes | None]:
    """Return an answer as the client takes it, and its content encoding (None: as it was)."""
    if len(body) < PACKED_FROM or b"accept-encoding" not in headers:
        return body, None
    accepted = headers[b"accept-encoding"]
    takes = {part.partition(b";")[0].strip().lower() for part in accepted.split(b",") if not _refuses(part)}
    encoding = next((one for one in (b"zstd", b"gzip") if one in takes), None)
    if encoding is None:
        return body, None
    pack = {b"zstd": _zstd, b"gzip": _gzip}[encoding]
    return (await asyncio.to_thread(pack, body) if len(body) > BESIDE_FROM else pack(body)), encoding


def _refuses(part: bytes) -> bool:
    """Tell whether an entry of accept-encoding is a refusal.

    >>> _refuses(b" gzip;q=0"), _refuses(b"gzip;q=0.5"), _refuses(b"gzip")
    (True, False, False)
    """
    quality = part.partition(b";")[2].replace(b" ", b"")
    return quality.startswith(b"q=") and not quality[2:].strip(b"0.")


def _gzip(body: bytes) -> bytes:
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return stream.compress(body) + stream.flush()


def _zstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL).compress(body)


def too_large() -> TooLarge:
    """Return the refusal of a body beyond the limit."""
    return TooLarge(f"body: got more than {LIMIT} bytes, expected less; send fewer rows at a time")


def too_slow(came: int) -> TooSlow:
    """Return the refusal of a body that did not come in time."""
    return TooSlow(f"body: got {came} bytes in {SECONDS:g} s, expected all of it; send faster, or less at a time")
