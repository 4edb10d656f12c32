"""Any bytes at the port for gRPC: however they are cut, they get the same answers; and none is a failure of ours."""

import asyncio
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hpack import Encoder
from hyperframe.frame import RstStreamFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from services.inference.grpc_doors.server import LIMITS, GrpcServer
from services.inference.http2.connection import Connection
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from tests.services.inference.grpc_serving import INFER, oip
from tests.services.inference.http2_peer import CHECK, EMPTY, HELLO, Reader, block, call, data, fields_of, headers, raw

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ROW = oip(np.array([[2, 0, 0]], dtype=np.float32).tobytes()).SerializeToString()
WRONG = oip(b"short").SerializeToString()
FRAMED = b"\0" + len(ROW).to_bytes(4, "big") + ROW


class Kept(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:  # noqa: ANN401 - any bytes
        """Keep them."""
        assert not self.closed, "nothing may be said behind the end"
        self.written += data

    def close(self) -> None:
        """End."""
        self.closed = True

    abort = close


class Place:
    """The real application, with a model that is loaded, and an event loop that goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        """Load the model."""
        self.loop = asyncio.new_event_loop()
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        manifest = parse_manifest(json.loads((folder / "slipway.json").read_text()))
        self._model = Model(manifest=manifest, runtime=open_runtime(manifest, folder))
        self.loop.run_until_complete(self._model.start())
        self._server = GrpcServer(self._model, "127.0.0.1:0")

    def left(self) -> tuple[int, int, float]:
        """Return what is under way: calls, bytes that are kept for them, and requests that are counted as in flight."""
        calls = self._server.calls
        return calls.under_way, calls.held, self._model.meter.read().in_flight

    def told(self, pieces: Sequence[bytes]) -> Kept:
        """Return what a connection says to these pieces, once all that they asked for is answered."""
        return self.loop.run_until_complete(self._told(pieces))

    async def _told(self, pieces: Sequence[bytes]) -> Kept:
        transport = Kept()
        connection = Connection(self._server, LIMITS)
        connection.connection_made(transport)
        for piece in pieces:
            if not transport.closed:
                connection.data_received(piece)
        for _ in range(10):  # turns of the loop: the model is run at the end of one
            await asyncio.sleep(0)
        transport.closed = True
        connection.connection_lost(None)
        return transport


@pytest.fixture(scope="module")
def place(tree_model: Path) -> Iterator[Place]:
    """Load a model."""
    one = Place(tree_model)
    yield one
    one.loop.close()


def conversation() -> bytes:
    """Return what a client says that uses much of what there is."""
    encoder = Encoder()
    return b"".join(
        [
            HELLO,
            call(1, INFER, ROW, ("x-request-id", "one"), encoder=encoder),
            call(3, INFER, WRONG, ("x-request-id", "two"), encoder=encoder),
            call(5, "/no.Such/Method", b"", encoder=encoder),
            WindowUpdateFrame(0, window_increment=1000).serialize(),
            headers(7, block(fields_of(STREAM), encoder)) + raw(0, 0, 7, FRAMED) + raw(0, 1, 7, FRAMED),
            headers(9, block(fields_of(CHECK), encoder)),
            raw(6, 0, 0, b"12345678"),
            RstStreamFrame(9).serialize(),
            call(11, CHECK, b"", ("grpc-timeout", "1S"), encoder=encoder),
        ]
    )


SAID = conversation()


def answers(transport: Kept) -> dict[int, tuple[list[tuple[str, str]], bytes, bool, int | None]]:
    """Return what was said of each stream."""
    reader = Reader()
    reader.feed(bytes(transport.written))
    return {number: (one.fields, one.body, one.ended, one.reset) for number, one in reader.answers.items() if number}


@given(cuts=st.lists(st.integers(1, len(SAID) - 1), max_size=20, unique=True))
def test_any_cut_gets_the_same_answers(place: Place, cuts: list[int]) -> None:
    """As bytes come from a network."""
    edges = [0, *sorted(cuts), len(SAID)]

    seen = answers(place.told([SAID[start:end] for start, end in itertools.pairwise(edges)]))

    assert seen == answers(place.told([SAID]))
    assert {number: dict(one[0]).get("grpc-status") for number, one in seen.items()} == {
        1: "0",
        3: "3",
        5: "12",
        7: "0",
        11: "0",
    }
    assert place.failures == []


def test_single_bytes_get_the_same_answers(place: Place) -> None:
    """The finest cut there is."""
    assert answers(place.told([SAID[n : n + 1] for n in range(len(SAID))])) == answers(place.told([SAID]))


FRAMES = st.builds(
    raw,
    st.integers(0, 11),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 7, (1 << 31) - 1]),
    st.binary(max_size=40) | st.sampled_from([block(fields_of(INFER)), block(fields_of(STREAM)), FRAMED, EMPTY]),
)
CALLS = st.sampled_from(
    [call(1, INFER, ROW), call(3, INFER, WRONG), headers(5, block(fields_of(STREAM))), data(5, FRAMED)]
)


@given(parts=st.lists(FRAMES | CALLS, max_size=12), noise=st.binary(max_size=30), hello=st.sampled_from([HELLO, b""]))
def test_any_bytes_are_answered_or_end_their_connection(
    place: Place, parts: list[bytes], noise: bytes, hello: bytes
) -> None:
    """With GOAWAY, or go on waiting for more; nothing is raised, nothing stays behind."""
    transport = place.told([hello + b"".join(parts) + noise])

    reader = Reader()
    reader.feed(bytes(transport.written))
    assert place.failures == []
    assert place.left() == (0, 0, 0)


@given(place_of_change=st.integers(0, len(SAID) - 1), value=st.integers(0, 255))
def test_one_wrong_byte_is_no_failure(place: Place, place_of_change: int, value: int) -> None:
    """Wherever it stands."""
    said = bytearray(SAID)
    said[place_of_change] = value

    place.told([bytes(said)])

    assert place.failures == []
    assert place.left() == (0, 0, 0)
