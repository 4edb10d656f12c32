"""Compressed messages: gzip and deflate, as gRPC clients use them, decompressed up to the limit of a body."""

import asyncio
from collections.abc import Callable

from services.inference.bodies import THREAD_FROM, gunzip, inflate
from services.inference.refusals import BadRequest, Refused, UnknownMedia

DECODERS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gunzip, b"deflate": inflate}
ACCEPTED = b"identity, deflate, gzip"


def decompress_message(message: bytes, encoding: bytes, then: Callable[[bytes | Refused], None]) -> None:
    """Call `then` with a message's decompressed bytes or a refusal: at once, or later if the message is large."""
    unpacked = DECODERS.get(encoding)
    if unpacked is None:
        then(_make_unknown_encoding(encoding))
    elif len(message) <= THREAD_FROM:
        then(_try_decode(unpacked, message))
    else:
        work = asyncio.get_running_loop().run_in_executor(None, _try_decode, unpacked, message)
        work.add_done_callback(lambda done: then(done.result()))


def _try_decode(unpacked: Callable[[bytes], bytes], message: bytes) -> bytes | Refused:
    try:
        return unpacked(message)
    except Refused as refusal:
        return refusal


def _make_unknown_encoding(encoding: bytes) -> Refused:
    if encoding == b"identity":
        return BadRequest("message: got one that is packed, expected grpc-encoding to say how")
    shown = encoding[:40].decode("latin-1")
    return UnknownMedia(f"grpc-encoding: got {shown!r}, expected one of {ACCEPTED.decode()}")
