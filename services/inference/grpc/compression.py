"""Packed messages: gzip and deflate, as gRPC's clients offer them, unpacked up to the limit of a body."""

import asyncio
from collections.abc import Callable

from services.inference.bodies import BESIDE_FROM, gunzip, inflate
from services.inference.refusals import BadRequest, Refused, UnknownMedia

UNPACKED: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gunzip, b"deflate": inflate}
ACCEPTED = b"identity, deflate, gzip"


def unpack(message: bytes, encoding: bytes, then: Callable[[bytes | Refused], None]) -> None:
    """Give a packed message's bytes to `then`, or why there are none: at once, or later where it takes long."""
    unpacked = UNPACKED.get(encoding)
    if unpacked is None:
        then(_unknown(encoding))
    elif len(message) <= BESIDE_FROM:
        then(_result(unpacked, message))
    else:
        work = asyncio.get_running_loop().run_in_executor(None, _result, unpacked, message)
        work.add_done_callback(lambda done: then(done.result()))


def _result(unpacked: Callable[[bytes], bytes], message: bytes) -> bytes | Refused:
    try:
        return unpacked(message)
    except Refused as refusal:
        return refusal


def _unknown(encoding: bytes) -> Refused:
    if encoding == b"identity":
        return BadRequest("message: got one that is packed, expected grpc-encoding to say how")
    shown = encoding[:40].decode("latin-1")
    return UnknownMedia(f"grpc-encoding: got {shown!r}, expected one of {ACCEPTED.decode()}")
