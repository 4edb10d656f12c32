"""Bodies packed and unpacked, and how large they may be."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import zstandard

from services.inference.bodies import BODY_LIMIT, COMPRESS_FROM, ClientGone, compress_body, read_body
from services.inference.refusals import BadRequest, Refused, TooLarge, UnknownMedia
from services.inference.request import AsgiMessage

Ask = Callable[..., httpx.Response]
BODY = b'{"inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}]}'
PACKED = {"gzip": gzip.compress(BODY), "zstd": zstandard.compress(BODY), "identity": BODY}


def read(*parts: bytes, end: bool = True, **headers: str) -> bytes:
    """Read a body that comes in parts."""
    messages: list[AsgiMessage] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if end else {"type": "http.disconnect"})

    async def receive() -> AsgiMessage:
        return messages.pop(0)

    return asyncio.run(read_body(receive, {name.replace("_", "-").encode(): v.encode() for name, v in headers.items()}))


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_requests_are_understood(toy: Ask, encoding: str) -> None:
    """gzip, zstd, and as it is."""
    answer = toy("POST", "/v2/models/toy/infer", content=PACKED[encoding], headers={"content-encoding": encoding})

    assert answer.json()["outputs"][0]["data"] == [1]


def test_members_and_frames_behind_one_another_are_one_body() -> None:
    """Both formats may be cut so."""
    twice = gzip.compress(b"one") + gzip.compress(b"two")
    frames = zstandard.compress(b"one") + zstandard.compress(b"two")

    assert read(twice[:9], twice[9:], content_encoding="gzip") == b"onetwo"
    assert read(frames, content_encoding="zstd") == b"onetwo"


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (gzip.compress(bytes(BODY_LIMIT + 1)), {"content_encoding": "gzip"}, TooLarge),
        (zstandard.compress(bytes(BODY_LIMIT + 1)), {"content_encoding": "zstd"}, TooLarge),
        (gzip.compress(BODY, mtime=0)[:-9], {"content_encoding": "gzip"}, BadRequest),
        (b"no gzip", {"content_encoding": "gzip"}, BadRequest),
        (b"no zstd", {"content_encoding": "zstd"}, BadRequest),
        (zlib.compress(BODY), {"content_encoding": "br"}, UnknownMedia),
        (b"", {"content_length": str(10**12)}, TooLarge),
        (bytes(BODY_LIMIT + 1), {}, TooLarge),
    ],
)
def test_bombs_and_broken_packs_are_refused(body: bytes, headers: dict[str, str], error: type[Refused]) -> None:
    """Unpacked no further than the limit."""
    with pytest.raises(error):
        read(body, **headers)


def test_a_connection_that_ends_early_is_no_request() -> None:
    """Nobody hears an answer to half a body."""
    with pytest.raises(ClientGone):
        read(b"half", end=False)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, zstd", b"zstd"), ("gzip", b"gzip"), ("br", None), ("gzip;q=0", None), ("gzip;q=0.5", b"gzip"), ("", None)],
)
def test_answers_are_packed_as_the_client_takes_them(accepted: str, encoding: bytes | None) -> None:
    """Large ones only; what is not taken is not sent."""
    unpack: dict[bytes | None, Any] = {b"gzip": gzip.decompress, b"zstd": zstandard.decompress, None: bytes}
    body = b"x" * COMPRESS_FROM

    large = asyncio.run(compress_body(body, {b"accept-encoding": accepted.encode()}))
    small = asyncio.run(compress_body(b"x", {b"accept-encoding": accepted.encode()}))

    assert large[1] == encoding
    assert unpack[encoding](large[0]) == body
    assert small == (b"x", None)
