"""HTTP/2 as the port for gRPC speaks it, to peers that do right and wrong (RFC 9113), over real connections."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from services.inference.messages import get_message_class
from tests.services.inference.grpc_serving import INFER, GrpcServed, oip, served_grpc
from tests.services.inference.http2_peer import (
    CHECK,
    EMPTY,
    HELLO,
    PREFACE,
    SETTINGS,
    block,
    call,
    connected,
    data,
    fields_of,
    headers,
    piece,
    raw,
)

NO_ERROR, PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, COMPRESSION, CALM = 0, 1, 3, 5, 6, 9, 11
ROW = oip(np.array([[2, 0, 0]], dtype=np.float32).tobytes()).SerializeToString()
SERVING = b"\0\0\0\0\2\x08\1"
BEGUN = headers(1, block(fields_of(CHECK)))
"""A call whose message is still to come."""
DONE = call(3, CHECK, b"")
MOST_WINDOW = (1 << 31) - 1


@pytest.fixture(scope="module")
def service(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcServed]:
    """Serve the classifier."""
    with served_grpc(classifier, tmp_path_factory.mktemp("service")) as served:
        served.wait_ready()
        yield served


def settings(name: int, value: int) -> bytes:
    """Return a frame of one setting."""
    return SettingsFrame(0, {name: value}).serialize()


FAULTS: dict[str, tuple[bytes, int]] = {
    "no preface": (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", PROTOCOL),
    "a preface that goes wrong at its end": (PREFACE[:-1] + b"X", PROTOCOL),
    "no settings first": (PREFACE + raw(6, 0, 0, bytes(8)), PROTOCOL),
    "an acknowledgement first": (PREFACE + raw(4, 1, 0, b""), PROTOCOL),
    "a frame too large": (HELLO + raw(0, 0, 1, bytes(16385)), FRAME_SIZE),
    "an even stream": (HELLO + headers(2, block(fields_of(CHECK))), PROTOCOL),
    "headers of no stream": (HELLO + raw(1, 5, 0, block(fields_of(CHECK))), PROTOCOL),
    "a stream that goes backwards": (HELLO + DONE + call(1, CHECK, b""), STREAM_CLOSED),
    "a stream that ended already": (HELLO + DONE + call(3, CHECK, b""), STREAM_CLOSED),
    "data behind the end": (HELLO + DONE + data(3, EMPTY), STREAM_CLOSED),
    "data of no stream": (HELLO + raw(0, 0, 0, EMPTY), PROTOCOL),
    "data of a stream to come": (HELLO + data(9, EMPTY), PROTOCOL),
    "data with more padding than data": (HELLO + BEGUN + raw(0, 8, 1, b"\x05abc"), PROTOCOL),
    "an empty frame that is padded": (HELLO + BEGUN + raw(0, 8, 1, b""), PROTOCOL),
    "a window of nothing more": (HELLO + raw(8, 0, 0, bytes(4)), PROTOCOL),
    "a window too large": (HELLO + WindowUpdateFrame(0, window_increment=MOST_WINDOW).serialize(), FLOW_CONTROL),
    "a window of a stream to come": (HELLO + raw(8, 0, 7, b"\0\0\0\1"), PROTOCOL),
    "a window of three bytes": (HELLO + raw(8, 0, 0, b"\0\0\1"), FRAME_SIZE),
    "settings of five bytes": (HELLO + raw(4, 0, 0, bytes(5)), FRAME_SIZE),
    "settings of a stream": (HELLO + raw(4, 0, 1, b""), PROTOCOL),
    "an acknowledgement that says something": (HELLO + raw(4, 1, 0, bytes(6)), FRAME_SIZE),
    "push that is neither on nor off": (HELLO + settings(2, 2), PROTOCOL),
    "streams' windows too large": (HELLO + settings(4, 1 << 31), FLOW_CONTROL),
    "streams' windows too large together": (
        HELLO + BEGUN + WindowUpdateFrame(1, window_increment=MOST_WINDOW - 65535).serialize() + settings(4, 65536),
        FLOW_CONTROL,
    ),
    "frames too small": (HELLO + settings(5, 100), PROTOCOL),
    "a ping of seven bytes": (HELLO + raw(6, 0, 0, bytes(7)), FRAME_SIZE),
    "a ping of a stream": (HELLO + raw(6, 0, 1, bytes(8)), PROTOCOL),
    "a reset of a stream to come": (HELLO + RstStreamFrame(7).serialize(), PROTOCOL),
    "a reset of no stream": (HELLO + raw(3, 0, 0, bytes(4)), PROTOCOL),
    "a reset of three bytes": (HELLO + BEGUN + raw(3, 0, 1, bytes(3)), FRAME_SIZE),
    "a priority of four bytes": (HELLO + raw(2, 0, 1, bytes(4)), FRAME_SIZE),
    "a priority of no stream": (HELLO + raw(2, 0, 0, bytes(5)), PROTOCOL),
    "headers too short for their priority": (HELLO + raw(1, 0x24, 1, bytes(4)), FRAME_SIZE),
    "a promise": (HELLO + raw(5, 4, 1, bytes(8)), PROTOCOL),
    "a goodbye of four bytes": (HELLO + raw(7, 0, 0, bytes(4)), FRAME_SIZE),
    "a goodbye of a stream": (HELLO + raw(7, 0, 1, bytes(8)), PROTOCOL),
    "a header block that nothing began": (HELLO + ContinuationFrame(1, b"").serialize(), PROTOCOL),
    "a header block of two streams": (
        HELLO + raw(1, 0, 1, block(fields_of(CHECK))) + ContinuationFrame(3, b"", flags=["END_HEADERS"]).serialize(),
        PROTOCOL,
    ),
    "a ping within a header block": (HELLO + raw(1, 0, 1, block(fields_of(CHECK))) + raw(6, 0, 0, bytes(8)), PROTOCOL),
    "an unknown frame within a header block": (HELLO + raw(1, 0, 1, b"") + raw(77, 0, 0, b""), PROTOCOL),
    "a header block that is none": (HELLO + headers(1, b"\xff\xff\xff\xff\xff\xff\xff\xff"), COMPRESSION),
    "an index of no entry": (HELLO + headers(1, b"\xbf"), COMPRESSION),
    "a table too large": (HELLO + headers(1, b"\x3f\xe2\x1f"), COMPRESSION),
    "a header block without end": (HELLO + raw(1, 0, 1, b"") + 4 * raw(9, 0, 1, bytes(8000)), CALM),
    "empty pieces of a header block without end": (HELLO + raw(1, 0, 1, b"") + 6000 * raw(9, 0, 1, b""), CALM),
    "a flood of pings": (HELLO + 6000 * raw(6, 0, 0, bytes(8)), CALM),
    "a flood of settings": (HELLO + 6000 * SETTINGS, CALM),
    "a flood of empty data": (HELLO + BEGUN + 6000 * piece(1, b""), CALM),
    "a flood of resets": (HELLO + DONE + 6000 * RstStreamFrame(3).serialize(), CALM),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_its_connection_with_its_code(service: GrpcServed, name: str) -> None:
    """With GOAWAY, and never by a failure of ours; the next connection is answered."""
    said, code = FAULTS[name]

    with connected(service.grpc) as peer:
        goaway = peer.send(said).read_all().goaway
    with connected(service.grpc) as peer:
        after = peer.send(HELLO, call(1, CHECK, b"")).answer(1)

    assert goaway is not None
    assert goaway.error_code == code, goaway
    assert after.body == SERVING


STREAM_FAULTS: dict[str, tuple[bytes, int]] = {
    "a window of nothing more": (BEGUN + raw(8, 0, 1, bytes(4)), PROTOCOL),
    "a window too large": (BEGUN + WindowUpdateFrame(1, window_increment=MOST_WINDOW).serialize(), FLOW_CONTROL),
    "trailers without an end": (BEGUN + headers(1, b""), PROTOCOL),
    "no path": (headers(1, block(fields_of(CHECK)[:2])), PROTOCOL),
    "an empty path": (headers(1, block(fields_of(""))), PROTOCOL),
    "the path twice": (headers(1, block([(":path", CHECK), *fields_of(CHECK)])), PROTOCOL),
    "a name in capitals": (headers(1, b"\x83\x86\x84\x00\x01A\x01a"), PROTOCOL),
    "a name of HTTP/1.1": (headers(1, block(fields_of(CHECK, ("connection", "close")))), PROTOCOL),
    "another te": (headers(1, block(fields_of(CHECK, ("te", "gzip")))), PROTOCOL),
    "a pseudo field too late": (headers(1, block([*fields_of(CHECK), (":authority", "y")])), PROTOCOL),
    "a pseudo field of answers": (headers(1, block([(":status", "200"), *fields_of(CHECK)])), PROTOCOL),
    "a line's end in a field": (headers(1, block(fields_of(CHECK, ("x-request-id", "a\r\nb")))), PROTOCOL),
}


@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_a_fault_of_a_stream_ends_that_stream_alone(service: GrpcServed, name: str) -> None:
    """With RST_STREAM; the next call of the same connection is answered."""
    said, code = STREAM_FAULTS[name]

    with connected(service.grpc) as peer:
        reset = peer.send(HELLO, said).answer(1).reset
        after = peer.send(call(3, CHECK, b"")).answer(3)

    assert (reset, after.body) == (code, SERVING)


def test_what_comes_beside_calls_is_taken(service: GrpcServed) -> None:
    """Pings come back, settings are acknowledged; priorities, and kinds of frames that nobody knows, do nothing."""
    with connected(service.grpc) as peer:
        priority = PriorityFrame(5, depends_on=3, stream_weight=9).serialize()
        peer.send(HELLO, raw(77, 255, 1, b"what"), priority, GoAwayFrame(0).serialize()).ping(b"12345678")
        answer = peer.send(call(1, CHECK, b"")).answer(1)

    acknowledged = [one for one in peer.frames if isinstance(one, SettingsFrame) and "ACK" in one.flags]
    assert (peer.pongs, len(acknowledged), answer.body) == ([b"12345678"], 1, SERVING)


WAYS: dict[str, bytes] = {
    "padded, with a priority": raw(1, 0x2C, 1, b"\x03" + bytes(5) + block(fields_of(CHECK)) + bytes(3))
    + raw(0, 9, 1, b"\x02" + EMPTY + bytes(2)),
    "in pieces": raw(1, 0, 1, block(fields_of(CHECK))[:9])
    + raw(9, 0, 1, block(fields_of(CHECK))[9:20])
    + raw(9, 4, 1, block(fields_of(CHECK))[20:])
    + b"".join(piece(1, EMPTY[n : n + 1]) for n in range(5))
    + data(1, b""),
    "with trailers": BEGUN + piece(1, EMPTY) + headers(1, block([("x", "y")]), "END_HEADERS", "END_STREAM"),
    "padded, in pieces": BEGUN
    + b"".join(DataFrame(1, EMPTY[n : n + 1], pad_length=200, flags=["PADDED"]).serialize() for n in range(5))
    + data(1, b""),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_call_may_come_in_any_way_that_frames_allow(service: GrpcServed, way: str) -> None:
    """Each is the same call."""
    with connected(service.grpc) as peer:
        answer = peer.send(HELLO, WAYS[way]).answer(1)

    assert (answer.body, answer.said["grpc-status"], answer.reset) == (SERVING, "0", None)


def test_header_blocks_mean_what_the_table_says_by_then(service: GrpcServed) -> None:
    """The same bytes name another request's id once the table has changed; and the same one while it has not."""
    encoder = Encoder()
    names = ["a", "a", "b", "b", "a", "c", "a"]
    with connected(service.grpc) as peer:
        peer.send(HELLO)
        seen = [
            peer.send(call(2 * n + 1, CHECK, b"", ("x-request-id", name), encoder=encoder)).answer(2 * n + 1).said
            for n, name in enumerate(names)
        ]

    assert [one["x-request-id"] for one in seen] == names


def test_an_answer_waits_for_the_clients_windows(service: GrpcServed) -> None:
    """Not a byte more than they allow is sent, and all of it in the end, with its status."""
    with connected(service.grpc) as peer:
        peer.send(PREFACE, settings(4, 0), call(1, INFER, ROW)).begun(1).ping(b"nothing!")
        first = len(peer.answers[1].body)
        peer.send(settings(4, 10)).ping(b"by the s")
        second = len(peer.answers[1].body)
        peer.send(WindowUpdateFrame(1, window_increment=7).serialize()).ping(b"by seven")
        third = len(peer.answers[1].body)
        answer = peer.send(WindowUpdateFrame(1, window_increment=65535).serialize()).answer(1)

    assert (first, second, third) == (0, 10, 17)
    assert len(get_message_class("inference.ModelInferResponse").FromString(answer.body[5:]).outputs) == 2
    assert answer.said["grpc-status"] == "0"


def test_the_connections_window_is_shared(service: GrpcServed) -> None:
    """Answers of several calls wait for it together, and go on in turn."""
    calls = range(1, 2001, 2)
    encoder = Encoder()
    with connected(service.grpc) as peer:
        peer.send(HELLO, *(call(n, INFER, ROW, encoder=encoder) for n in calls)).ping()
        sent = sum(len(answer.body) for answer in peer.answers.values())
        peer.send(WindowUpdateFrame(0, window_increment=1 << 24).serialize())
        sizes = {len(peer.answer(n).body) for n in calls if peer.answer(n).said["grpc-status"] == "0"}

    assert sent <= 65535
    assert len(sizes) == 1


def test_a_request_that_is_refused_early_is_told_to_stop(service: GrpcServed) -> None:
    """What was on its way is dropped, and the connection goes on."""
    with connected(service.grpc) as peer:
        peer.send(HELLO, headers(1, block(fields_of("/no.Such/Method"))))
        first = peer.answer(1)
        late = peer.send(piece(1, bytes(1000)), data(1, bytes(1000)), call(3, CHECK, b"")).answer(3)

    assert (first.said["grpc-status"], late.body) == ("12", SERVING)
    assert [one.error_code for one in peer.frames if isinstance(one, RstStreamFrame)] == [NO_ERROR]


HTTP: dict[str, tuple[list[tuple[str, str]], str]] = {
    "another method": ([(":method", "GET"), *fields_of(CHECK)[1:]], "405"),
    "another kind of content": ([*fields_of(CHECK)[:-1], ("content-type", "application/json")], "415"),
    "gRPC for browsers": ([*fields_of(CHECK)[:-1], ("content-type", "application/grpc-web")], "415"),
}


@pytest.mark.parametrize("name", HTTP)
def test_what_is_not_grpc_is_refused_by_http(service: GrpcServed, name: str) -> None:
    """A client of another protocol sees a status of its own."""
    fields, status = HTTP[name]

    with connected(service.grpc) as peer:
        answer = peer.send(HELLO, headers(1, block(fields), "END_HEADERS", "END_STREAM")).answer(1)

    assert answer.fields == [(":status", status), ("x-slipway-revision", "toy-v3")]


def test_metadata_are_bounded(service: GrpcServed) -> None:
    """A client that sends too much is told so, and its next call is answered: its table is as it should be."""
    encoder = Encoder()
    with connected(service.grpc) as peer:
        peer.send(HELLO)
        much = [(f"name-{n}", "v" * 1000) for n in range(17)]
        refused = peer.send(headers(1, block(fields_of(CHECK, *much), encoder)[:16384])).answer(1).said
    with connected(service.grpc) as peer:
        small = peer.send(HELLO, call(1, CHECK, b"")).answer(1)

    assert refused["grpc-status"] == "8"
    assert refused["grpc-message"] == "metadata: got more than 16384 bytes, expected less"
    assert small.body == SERVING


MESSAGES: dict[str, tuple[bytes, list[tuple[str, str]], str, str]] = {
    "none": (b"", [], "3", "message: got none, expected one"),
    "two": (EMPTY + EMPTY, [], "3", "message: got 5 bytes where its length says 0, expected one message, whole"),
    "cut": (b"\0\0\0\0\x09abc", [], "3", "message: got 3 bytes where its length says 9, expected one message, whole"),
    "no length": (b"\0\0", [], "3", "message: got 2 bytes that are none of gRPC's, expected a length and a message"),
    "packed, not said how": (
        b"\1\0\0\0\1a",
        [],
        "3",
        "message: got one that is packed, expected grpc-encoding to say how",
    ),
    "packed in another way": (
        b"\1\0\0\0\1a",
        [("grpc-encoding", "snappy")],
        "12",
        "grpc-encoding: got 'snappy', expected one of identity, deflate, gzip",
    ),
    "packed wrongly": (
        b"\1\0\0\0\4abcd",
        [("grpc-encoding", "gzip")],
        "3",
        "body: got bytes that are not gzip, expected what its encoding says",
    ),
    "a timeout that is none": (
        EMPTY,
        [("grpc-timeout", "soon")],
        "3",
        "grpc-timeout: got 'soon', expected at most 8 digits and one of H, M, S, m, u, n",
    ),
}


@pytest.mark.parametrize("path", [CHECK, INFER])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_body_that_is_no_message_is_refused(service: GrpcServed, name: str, path: str) -> None:
    """With a status and a message, whether it would run the model or not."""
    body, more, status, words = MESSAGES[name]

    with connected(service.grpc) as peer:
        said = peer.send(HELLO, headers(1, block(fields_of(path, *more))), data(1, body)).answer(1).said

    assert (said["grpc-status"], said["grpc-message"].replace("%25", "%")) == (status, words)


@pytest.mark.parametrize("begun", [b"", b"\0\0\0\1\0abc"], ids=["nothing", "a part"])
def test_a_slow_message_is_late(service: GrpcServed, begun: bytes) -> None:
    """By the client's own time: it waits for the rest no longer, and counts the request."""
    before = service.counted("slipway_requests_total", protocol="oip-grpc", code="504")
    head = headers(1, block(fields_of(INFER, ("grpc-timeout", "100m"))))

    with connected(service.grpc) as peer:
        answer = peer.send(HELLO, head, piece(1, begun) * bool(begun)).answer(1)

    assert answer.said["grpc-status"] == "4"
    assert service.counted("slipway_requests_total", protocol="oip-grpc", code="504") == before + 1


def test_a_client_that_never_speaks_is_left(service: GrpcServed) -> None:
    """Its connection is ended after some seconds."""
    with connected(service.grpc) as peer:
        peer.send(PREFACE[:10]).read_all()

    assert peer.closed
