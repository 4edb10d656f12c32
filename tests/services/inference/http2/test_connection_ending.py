"""How connections of the port for gRPC end when a server does, and what calls may keep: without a network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hpack import Encoder
from hyperframe.frame import GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from services.inference.grpc.call import MOST_BUFFERED
from services.inference.runtime.admission import MOST_WAITING
from tests.services.inference.grpc_serving import INFER, oip
from tests.services.inference.http2_peer import CHECK, HELLO, block, call, fields_of, headers, piece, raw
from tests.services.inference.http2_place import Kept, Place

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ROW = oip(np.array([[2, 0, 0]], dtype=np.float32).tobytes()).SerializeToString()
LAST = (1 << 31) - 1
REFUSED_STREAM = 7


@pytest.fixture
def place(tree_model: Path) -> Iterator[Place]:
    """Load a model."""
    one = Place(tree_model)
    yield one
    one.loop.close()


def goodbyes(transport: Kept) -> list[int]:
    """Return the last streams that were named with GOAWAY."""
    return [one.last_stream_id for one in transport.read().frames if isinstance(one, GoAwayFrame)]


def pinged(transport: Kept) -> bytes:
    """Return the answer to the ping that came."""
    (ping,) = (one for one in transport.read().frames if isinstance(one, PingFrame))
    return PingFrame(0, ping.opaque_data, flags=["ACK"]).serialize()


def test_what_was_on_its_way_is_answered_and_what_comes_later_is_refused(place: Place) -> None:
    """The peer hears twice that we leave: before, and after what it had begun by then has come."""

    async def leave() -> Kept:
        encoder = Encoder()
        async with place.connected() as (connection, transport):
            connection.data_received(HELLO + headers(1, block(fields_of(CHECK), encoder)))
            connection.drain()
            connection.drain()
            connection.data_received(call(3, CHECK, b"", encoder=encoder))
            connection.data_received(pinged(transport))
            connection.data_received(call(5, CHECK, b"", encoder=encoder))
            assert not transport.closed
            connection.data_received(raw(0, 1, 1, bytes(5)))
            assert transport.closed
        return transport

    transport = place.loop.run_until_complete(leave())

    said = transport.read().answers
    assert goodbyes(transport) == [LAST, 3]
    assert (said[1].said["grpc-status"], said[3].said["grpc-status"], said[5].reset) == ("0", "0", REFUSED_STREAM)


def test_an_idle_connection_ends_when_the_peer_has_heard(place: Place) -> None:
    """It has nothing to wait for."""

    async def leave() -> Kept:
        async with place.connected() as (connection, transport):
            connection.data_received(HELLO)
            connection.drain()
            assert not transport.closed
            connection.data_received(pinged(transport))
            assert transport.closed
        return transport

    assert goodbyes(place.loop.run_until_complete(leave())) == [LAST, 0]


def test_a_connection_that_has_not_begun_is_cut(place: Place) -> None:
    """Nobody listens there."""

    async def leave() -> bool:
        async with place.connected() as (connection, transport):
            connection.drain()
            return transport.closed

    assert place.loop.run_until_complete(leave())


def test_a_client_that_goes_away_leaves_nothing(place: Place) -> None:
    """Of whatever its calls had come to."""

    async def go() -> None:
        encoder = Encoder()
        async with place.connected() as (connection, _):
            connection.data_received(HELLO + headers(1, block(fields_of(INFER), encoder)) + piece(1, bytes(3)))
            connection.data_received(headers(3, block(fields_of("/grpc.health.v1.Health/Watch"), encoder)))
            connection.data_received(raw(0, 0, 3, bytes(5)))
            await place.idle()
            assert place.left() == (2, 3, 1)

    place.loop.run_until_complete(go())

    assert place.left() == (0, 0, 0)


NO_WINDOW = SettingsFrame(0, {4: 0}).serialize()
WIDER = WindowUpdateFrame(1, window_increment=1 << 20).serialize()


def asked_without_a_window(method: str) -> bytes:
    """Return what a client says that asks for a prediction, and takes no byte of it yet."""
    framed = b"\0" + len(ROW).to_bytes(4, "big") + ROW
    return HELLO + NO_WINDOW + headers(1, block(fields_of(method))) + raw(0, 1, 1, framed)


@pytest.mark.parametrize("method", [INFER, STREAM])
@pytest.mark.parametrize(("then", "status"), [(WIDER, 200), (RstStreamFrame(1).serialize(), 499), (b"", 499)])
def test_a_request_is_counted_by_what_its_client_got(place: Place, method: str, then: bytes, status: int) -> None:
    """When its answer was sent, as windows allow; or as one of a client that went away before."""

    async def ask() -> None:
        async with place.connected() as (connection, _):
            connection.data_received(asked_without_a_window(method))
            await place.idle()
            assert (place.left(), place.counted()) == ((1, 0, 1), {})
            connection.data_received(then)

    place.loop.run_until_complete(ask())

    assert (place.left(), place.counted()) == ((0, 0, 0), {("oip-grpc", status): 1})


def test_messages_that_are_not_whole_are_bounded_together(place: Place) -> None:
    """Whoever sends more then is refused; the others go on."""
    place.server.calls.buffered = MOST_BUFFERED

    said = place.told([HELLO, headers(1, block(fields_of(INFER))), piece(1, b"abc")]).read().answers[1].said

    assert said["grpc-status"] == "8"
    assert said["grpc-message"].startswith(f"{MOST_BUFFERED} bytes of other messages wait already")
    assert place.left() == (0, MOST_BUFFERED, 0)


def test_calls_are_bounded_together(place: Place) -> None:
    """Also those of other connections."""
    place.server.calls.active = MOST_WAITING

    said = place.told([HELLO, call(1, INFER, b"")]).read().answers[1].said

    assert said["grpc-status"] == "8"
    assert said["grpc-message"].startswith(f"{MOST_WAITING} calls are under way already")
