"""Bodies of requests and responses: read up to a size and time limit, compressed and decompressed as headers say."""

import asyncio
import zlib
from collections.abc import Callable

from services.inference.refusals import BadRequest, TooLarge, TooSlow, UnknownMedia
from services.inference.request import Receive

BODY_LIMIT = 16 * 1024 * 1024
"""Largest decompressed request: about 30,000 rows of 64 numbers, whose arrays fit into a small container."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive."""
COMPRESS_FROM = 4096
"""Bytes of a response from which compression pays, if the client accepts it."""
THREAD_FROM = 65536
"""Bytes from which compression and decompression are done in a thread."""
GZIP_WINDOW, ZLIB_WINDOW = 31, 15
"""zlib's window sizes for gzip streams, and for its own."""
LEVEL = 1
"""Compression level: the fastest."""


class ClientGone(Exception):
    """The connection ended before the body was complete, so that no response can be sent."""


async def read_body(receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    """Return the body, decompressed; raise TooLarge, TooSlow, UnknownMedia, or ClientGone if it broke off."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > BODY_LIMIT:
        raise make_too_large()
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read_whole(receive, parts)
    except TimeoutError as error:
        raise make_too_slow(len(parts)) from error
    encoding = headers.get(b"content-encoding")
    return body if encoding is None else await _decode_body(body, encoding.strip().lower())


async def _read_whole(receive: Receive, parts: bytearray) -> bytes:
    """Return the whole body; `parts` holds what has arrived so far."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        if len(parts) + len(piece) > BODY_LIMIT:
            raise make_too_large()
        if not message.get("more_body", False):
            return bytes(parts) + piece if parts else piece
        parts += piece


async def _decode_body(body: bytes, encoding: bytes) -> bytes:
    unpack = DECODERS.get(encoding)
    if unpack is None:
        shown = encoding[:40].decode("latin-1")
        raise UnknownMedia(f"content-encoding: got {shown!r}, expected gzip, zstd or identity")
    return await asyncio.to_thread(unpack, body) if len(body) > THREAD_FROM else unpack(body)


def gunzip(body: bytes) -> bytes:
    """Decompress gzip members up to the limit: a few bytes may expand to gigabytes. Raise TooLarge, BadRequest."""
    return _decompress_zlib(body, "gzip", GZIP_WINDOW)


def inflate(body: bytes) -> bytes:
    """Decompress deflate (zlib streams) in the same way."""
    return _decompress_zlib(body, "deflate", ZLIB_WINDOW)


def _decompress_zlib(body: bytes, name: str, window: int) -> bytes:
    whole = bytearray()
    while body:
        stream = zlib.decompressobj(window)
        try:
            whole += stream.decompress(body, BODY_LIMIT + 1 - len(whole))
        except zlib.error as error:
            raise BadRequest(f"body: got bytes that are not {name}, expected what its encoding says") from error
        if len(whole) > BODY_LIMIT:
            raise make_too_large()
        if not stream.eof:
            raise BadRequest(f"body: got a {name} stream that breaks off, expected all of it")
        body = stream.unused_data
    return bytes(whole)


def _decompress_zstd(body: bytes) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=BODY_LIMIT).stream_reader(
            body, read_across_frames=True
        ) as stream:
            whole = stream.read(BODY_LIMIT + 1)
    except zstandard.ZstdError as error:
        raise BadRequest("body: got bytes that are not zstd, expected what content-encoding says") from error
    if len(whole) > BODY_LIMIT:
        raise make_too_large()
    return whole


DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gunzip,
    b"x-gzip": gunzip,
    b"zstd": _decompress_zstd,
    b"identity": bytes,
}
"""Supported encodings of requests."""


async def compress_body(body: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, bytes | None]:
    """Return a body as the client accepts it, and its content encoding (None: unchanged)."""
    if len(body) < COMPRESS_FROM or b"accept-encoding" not in headers:
        return body, None
    accepted = headers[b"accept-encoding"]
    takes = {part.partition(b";")[0].strip().lower() for part in accepted.split(b",") if not _is_excluded(part)}
    encoding = next((one for one in (b"zstd", b"gzip") if one in takes), None)
    if encoding is None:
        return body, None
    pack = {b"zstd": _compress_zstd, b"gzip": _compress_gzip}[encoding]
    return (await asyncio.to_thread(pack, body) if len(body) > THREAD_FROM else pack(body)), encoding


def _is_excluded(part: bytes) -> bool:
    """Return whether an entry of accept-encoding excludes its encoding.

    >>> _is_excluded(b" gzip;q=0"), _is_excluded(b"gzip;q=0.5"), _is_excluded(b"gzip")
    (True, False, False)
    """
    quality = part.partition(b";")[2].replace(b" ", b"")
    return quality.startswith(b"q=") and not quality[2:].strip(b"0.")


def _compress_gzip(body: bytes) -> bytes:
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return stream.compress(body) + stream.flush()


def _compress_zstd(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL).compress(body)


def make_too_large() -> TooLarge:
    """Return the refusal of a body beyond the limit."""
    return TooLarge(f"body: got more than {BODY_LIMIT} bytes, expected less; send fewer rows at a time")


def make_too_slow(came: int) -> TooSlow:
    """Return the refusal of a body that did not arrive in time."""
    return TooSlow(f"body: got {came} bytes in {BODY_SECONDS:g} s, expected all of it; send faster, or less at a time")
