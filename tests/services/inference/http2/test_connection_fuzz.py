"""Any bytes at the port for gRPC: however they are cut, they get the same answers; and none is a failure of ours."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hpack import Encoder
from hyperframe.frame import RstStreamFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from tests.services.inference.grpc_serving import INFER, oip
from tests.services.inference.http2_peer import CHECK, EMPTY, HELLO, block, call, data, fields_of, headers, raw
from tests.services.inference.http2_place import Kept, Place

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ROW = oip(np.array([[2, 0, 0]], dtype=np.float32).tobytes()).SerializeToString()
WRONG = oip(b"short").SerializeToString()
FRAMED = b"\0" + len(ROW).to_bytes(4, "big") + ROW


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
    said = transport.read().answers
    return {number: (one.fields, one.body, one.ended, one.reset) for number, one in said.items() if number}


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
    place.told([hello + b"".join(parts) + noise]).read()

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
