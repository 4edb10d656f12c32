"""Clients that mean no good, and a real server: what they send is refused early, and costs others nothing."""

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from services.inference.bodies import BODY_LIMIT, read_body
from services.inference.refusals import TooSlow
from services.inference.request import AsgiMessage
from tests.services.inference.serving import Served, served

INFER = "/v2/models/toy/infer"
BODY = b'{"inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}]}'
GIGABYTE = 1 << 30
PIECE = bytes(1 << 16)
GROWTH = 64 << 20
"""Bytes that a worker may grow by: one body at its limit, while it is read, and what the allocator keeps."""
PATHS, AT_ONCE = 10_000, 500
SLOW = 40


@pytest.fixture(scope="module")
def alone(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server with one worker."""
    with served(classifier, tmp_path_factory.mktemp("alone")) as service:
        service.wait_ready()
        service.client.post(INFER, content=BODY).raise_for_status()
        yield service


def resident(service: Served) -> int:
    """Return the bytes that its worker has in memory."""
    (worker,) = service.workers()
    size: int = worker.memory_info().rss
    return size


@contextlib.contextmanager
def connected(service: Served, head: str) -> Iterator[socket.socket]:
    """Send the head of a request."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n".encode())
        yield connection


def pour(connection: socket.socket, piece: bytes) -> int:
    """Send the same again and again until a gigabyte is sent, or the server closes; return how much it was."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < GIGABYTE:
            connection.sendall(piece)
            sent += len(piece)
    return sent


def test_a_body_that_says_it_is_too_large_is_refused_unread(alone: Served) -> None:
    """The answer is there before a byte of it is sent."""
    with connected(alone, f"content-length: {GIGABYTE}") as connection:
        stream = connection.makefile("rb")
        status = stream.readline()
        length = next(int(line.split()[1]) for line in stream if line.lower().startswith(b"content-length:"))
        while stream.readline() != b"\r\n":
            pass
        body = stream.read(length)

    assert status.startswith(b"HTTP/1.1 413 ")
    assert b"body: got more than" in body


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (f"content-length: {GIGABYTE}", PIECE),
        ("transfer-encoding: chunked", b"%x\r\n%b\r\n" % (len(PIECE), PIECE)),
        ("transfer-encoding: chunked\r\ncontent-encoding: gzip", b"%x\r\n%b\r\n" % (len(PIECE), PIECE)),
    ],
)
def test_a_body_that_never_ends_costs_no_memory(alone: Served, head: str, piece: bytes) -> None:
    """A client that does not stop after it was refused is not listened to any more, or what it sends is dropped."""
    before = resident(alone)

    with connected(alone, head) as connection:
        sent = pour(connection, piece)

        assert sent > BODY_LIMIT
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        assert resident(alone) - before < GROWTH
    assert alone.client.post(INFER, content=BODY).is_success
    assert alone.in_flight() == 0


def test_a_small_body_that_unpacks_to_a_gigabyte_costs_no_memory(alone: Served) -> None:
    """It is unpacked no further than the limit, also several at once."""
    bomb = gzip.compress(bytes(256 << 20), 1)
    before = resident(alone)

    answers = [alone.client.post(INFER, content=bomb, headers={"content-encoding": "gzip"}) for _ in range(4)]

    assert len(bomb) < BODY_LIMIT
    assert {answer.status_code for answer in answers} == {413}
    assert resident(alone) - before < GROWTH


@pytest.mark.parametrize("came", [[], [b"half"], [b"", b"ha", b"lf"]])
def test_a_body_that_does_not_come_in_time_is_refused(came: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of which nothing ever comes; the limit is a shorter one here."""
    monkeypatch.setattr("services.inference.bodies.BODY_SECONDS", 0.01)

    async def receive() -> AsgiMessage:
        if not came:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": came.pop(0), "more_body": True}

    with pytest.raises(TooSlow, match=rf"got {len(b''.join(came))} bytes in 0.01 s, expected all of it"):
        asyncio.run(read_body(receive, {}))


def test_slow_senders_hold_up_nobody_else(alone: Served) -> None:
    """While bodies of some clients do not come, on the fast path and on the slow one, others are answered."""
    heads = [f"content-length: {len(BODY)}", "transfer-encoding: chunked", f"content-length: {BODY_LIMIT}"]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(alone, heads[number % len(heads)])) for number in range(SLOW)]
        for connection in slow:
            connection.sendall(b"{")

        answers = [httpx.post(f"http://127.0.0.1:{alone.port}{INFER}", content=BODY) for _ in range(20)]

        assert {answer.status_code for answer in answers} == {200}


def test_unknown_paths_leave_nothing_in_the_metrics(alone: Served) -> None:
    """Ten thousand of them are refused; the page has the same series as before."""
    before = alone.samples()
    with socket.create_connection(("127.0.0.1", alone.port), timeout=20) as connection:
        refused = sum(_refused(connection, start) for start in range(0, PATHS, AT_ONCE))

    after = alone.samples()
    assert refused == PATHS
    assert {name: series.keys() for name, series in after.items()} == {
        name: series.keys() for name, series in before.items()
    }


def _refused(connection: socket.socket, start: int) -> int:
    """Ask for some paths on one connection; return how many answers say 404."""
    starts = ("/v2/models/", "/v1/models/", "/invocations/", "/slipway/", "/")
    asked = [f"POST {starts[number % len(starts)]}{number:x} HTTP/1.1" for number in range(start, start + AT_ONCE)]
    connection.sendall("".join(f"{line}\r\nhost: x\r\ncontent-length: 0\r\n\r\n" for line in asked).encode())
    came = b""
    while came.count(b"HTTP/1.1 ") < AT_ONCE or not came.endswith(b"}"):
        came += connection.recv(1 << 16)
    return came.count(b"HTTP/1.1 404 ")


def test_a_number_beyond_the_models_own_type_is_refused(alone: Served) -> None:
    """It would be infinity there: the columns are FP64, the model computes in FP32."""
    answer = alone.client.post("/v1/models/toy:predict", json={"instances": [[0.5, 1e39, 2.0]]})

    assert answer.status_code == 400
    assert answer.json() == {"error": "input: got 1e+39, expected values within the range of FP32, the model's own"}


def test_a_whole_number_beyond_the_models_own_type_is_refused(
    ask: Callable[[Path], Callable[..., httpx.Response]], manifest_document: Callable[..., object], tmp_path: Path
) -> None:
    """It would be another number there: the column is INT64, the model's input INT32."""
    from onnx import TensorProto, helper

    info = [helper.make_tensor_value_info(name, TensorProto.INT32, [None, 1]) for name in ("n", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["n"], ["out"])], "identity", info[:1], info[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": "n", "kind": "int64"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=["n"], outputs=["out"])
    (tmp_path / "slipway.json").write_text(json.dumps(document))
    client = ask(tmp_path)

    fits = client("POST", "/v1/models/toy:predict", json={"instances": [7, -(2**31)]})
    beyond = client("POST", "/v1/models/toy:predict", json={"instances": [7, 2**32 + 7]})

    assert fits.json() == {"predictions": [7, -(2**31)]}
    assert beyond.status_code == 400
    assert beyond.json() == {"error": "input 'n': got 4294967303, expected values within the range of INT32"}
