"""A server of two workers as real processes: connections as clients and routers have them, and what dies."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services.inference.processes.fast_path import LARGEST_BODY
from tests.services.inference.serving import Served, served, until

INFER = "/v2/models/toy/infer"
ROW = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}
BODY = json.dumps({"inputs": [ROW]}).encode()


@pytest.fixture(scope="module")
def pair(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server with two workers."""
    with served(classifier, tmp_path_factory.mktemp("pair"), "--workers", "2", SLIPWAY_CPUS="2") as service:
        service.wait_ready()
        until(lambda: service.logged("ready") == 2)
        yield service


def head(path: str = INFER, length: int = len(BODY), more: str = "", method: str = "POST") -> bytes:
    """Return a request's head."""
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\n{more}content-length: {length}\r\n\r\n".encode()


def answers(service: Served, sent: bytes, count: int) -> list[bytes]:
    """Send bytes on one connection and return so many answers' bodies, or all there are when it is closed."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(sent)
        stream = connection.makefile("rb")
        return [_answer(stream) for _ in range(count)]


def _answer(stream: "socket.SocketIO") -> bytes:
    status = stream.readline()
    length = 0
    while (line := stream.readline().lower()) != b"\r\n":
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return status.split()[1] + b" " + stream.read(length)


def test_pipelined_requests_are_answered_in_their_order(pair: Served) -> None:
    """Those of the fast path and those of the slow one, on one connection."""
    sent = head() + BODY + head("/v2/health/live", 0, method="GET") + head(more="x-request-id: 3\r\n") + BODY
    sent += head("/v2/models/toy/infer?x=1") + BODY + head() + b"{" * len(BODY)

    first, live, third, long, wrong = answers(pair, sent, 5)

    assert live == b'200 {"live":true}'
    assert first == third == long
    assert first.startswith(b'200 {"model_name":"toy"')
    assert wrong.startswith(b"400 ")


def test_a_body_may_come_in_pieces_or_without_a_length(pair: Served) -> None:
    """Byte by byte, in chunks, and larger than the fast path takes."""
    with socket.create_connection(("127.0.0.1", pair.port), timeout=20) as connection:
        for byte in head() + BODY:
            connection.sendall(bytes([byte]))
        slow = _answer(connection.makefile("rb"))
    chunked = httpx.post(f"http://127.0.0.1:{pair.port}{INFER}", content=iter([BODY[:10], BODY[10:]]))
    large = pair.client.post(INFER, content=BODY + b" " * LARGEST_BODY)

    assert slow.startswith(b"200 ")
    assert chunked.json() == large.json()
    assert chunked.is_success


def test_a_client_that_leaves_half_way_leaves_nothing_behind(pair: Served) -> None:
    """Its request counts as nobody's failure, and is in flight no more."""
    before = pair.requests().get("499", 0)
    with pair.half_sent(BODY):
        pass

    until(lambda: pair.in_flight() == 0)

    assert pair.requests()["499"] == before + 1


def test_a_connection_is_closed_where_the_client_asks(pair: Served) -> None:
    """`connection: close` is kept."""
    with socket.create_connection(("127.0.0.1", pair.port), timeout=20) as connection:
        connection.sendall(head(more="connection: close\r\n") + BODY)
        stream = connection.makefile("rb")
        whole = stream.read()

    assert b"connection: close" in whole
    assert whole.endswith(b"}")


def test_what_is_no_http_is_refused(pair: Served) -> None:
    """With 400, and the connection is closed."""
    with socket.create_connection(("127.0.0.1", pair.port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")

        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 400")


def test_pages_tell_of_all_workers(pair: Served) -> None:
    """Whichever worker is asked: requests, predictions and remembered answers of both."""
    before = pair.client.get("/slipway/summary").json()["classes"].get("1", 0)
    for number in range(24):
        headers = {"x-request-id": f"r{number}", "x-slipway-compare": "1"}
        httpx.post(f"http://127.0.0.1:{pair.port}{INFER}", content=BODY, headers=headers)  # a connection each

    pages = [httpx.get(f"http://127.0.0.1:{pair.port}/slipway/summary").json() for _ in range(6)]
    remembered = [httpx.get(f"http://127.0.0.1:{pair.port}/slipway/answers").json() for _ in range(6)]

    assert {page["classes"]["1"] for page in pages} == {before + 24}
    names = {f"r{number}" for number in range(24)}
    assert all(names <= {one["request_id"] for one in page["answers"]} for page in remembered)


def test_bentoml_s_own_pages_are_there(pair: Served) -> None:
    """Its description, its probes, its page; loaded when somebody asks."""
    described = pair.client.get("/docs.json")

    assert described.json()["info"]["title"] == "inference"
    assert pair.client.get("/livez").status_code == pair.client.get("/readyz").status_code == 200
    assert "html" in pair.client.get("/").headers["content-type"]
    assert pair.client.get("/schema.json").json()["name"] == "inference"


def test_a_worker_that_dies_is_replaced_while_the_other_answers(pair: Served) -> None:
    """Requests go on; soon there are two again."""
    first = pair.workers()[0]

    first.send_signal(signal.SIGKILL)
    statuses = {httpx.post(f"http://127.0.0.1:{pair.port}{INFER}", content=BODY).status_code for _ in range(20)}
    until(lambda: len(pair.workers()) == 2 and not psutil.pid_exists(first.pid) and pair.logged("ready") == 3)

    assert statuses == {200}
    assert f"ended with code {-signal.SIGKILL}; another one takes its place" in pair.log.read_text()


def test_a_worker_that_dies_again_and_again_ends_the_server(classifier: Path, tmp_path: Path) -> None:
    """Whoever started it sees that, and the code."""
    with served(classifier, tmp_path) as service:
        service.wait_ready()
        for number in range(5):
            until(lambda number=number: service.logged("ready") == number + 1)
            service.workers()[0].send_signal(signal.SIGKILL)
        until(lambda: service.process.poll() is not None)

    assert service.process.returncode == 1
    assert "giving up" in service.log.read_text()


def test_a_taken_port_is_told(pair: Served, classifier: Path, tmp_path: Path) -> None:
    """Before anything is loaded."""
    with served(classifier, tmp_path, "--port", str(pair.port)) as service:
        until(lambda: service.process.poll() is not None)

    assert service.process.returncode == 1
    assert f"127.0.0.1:{pair.port} can't be listened on: Address already in use" in service.log.read_text()


def test_idle_connections_are_closed_after_their_time(classifier: Path, tmp_path: Path) -> None:
    """Counted from the last answer: one that goes on being used stays, and is closed by the server afterwards."""
    with served(classifier, tmp_path, "--keep-alive-seconds", "2") as service:
        service.wait_ready()
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
            stream = connection.makefile("rb")
            seen = []
            for _ in range(3):
                connection.sendall(head() + BODY)
                seen.append(_answer(stream)[:3])
                connection.settimeout(1.2)
                with pytest.raises(TimeoutError):  # it is left open meanwhile
                    connection.recv(1)
                connection.settimeout(20)
            rest = connection.recv(1)

    assert seen == [b"200", b"200", b"200"]
    assert rest == b""
