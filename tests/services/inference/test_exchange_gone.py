"""Clients that go away before their answer: counted as nobody's failure, and not run any more."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.services.inference.grpc_serving import slow_model
from tests.services.inference.serving import Served, served, until

INFER = "/v2/models/toy/infer"
LONG = 3_000_000
"""Counted to by the slow model: it takes a second or so."""
RUNS = "slipway_inference_seconds_count"


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the model that counts; it is known to be slow."""
    model = slow_model(tmp_path_factory.mktemp("model"))
    with served(model, tmp_path_factory.mktemp("slow")) as service:
        service.wait_ready()
        assert service.client.post(INFER, content=counting(LONG)).is_success
        yield service


def counting(number: int) -> bytes:
    """Return a request that has the slow model count."""
    tensor = {"name": "input", "shape": [1, 1], "datatype": "FP32", "data": [number]}
    return json.dumps({"inputs": [tensor]}).encode()


def sent(service: Served, number: int, more: str = "", *, chunked: bool = False) -> socket.socket:
    """Return a connection on which a request was sent, by the fast path or (in chunks) by the slow one."""
    body = counting(number)
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    connection.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\n{more}{length}\r\n\r\n".encode() + whole)
    return connection


@pytest.mark.parametrize("chunked", [False, True], ids=["fast path", "slow path"])
def test_nothing_is_run_for_a_client_that_went_away(slow: Served, chunked: bool) -> None:  # noqa: FBT001 - a parameter
    """The one that waits behind a long run is counted as 499 at once, and leaves no run behind."""
    before, runs = slow.requests(), slow.samples()[RUNS][frozenset()]
    with sent(slow, LONG) as running:
        until(lambda: slow.in_flight() == 1)
        waiting = sent(slow, 1, chunked=chunked)
        until(lambda: slow.in_flight() == 2)
        waiting.close()
        until(lambda: slow.in_flight() == 1)
        answer = running.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200")
    after = slow.requests()
    assert after["499"] == before.get("499", 0) + 1
    assert after["200"] == before["200"] + 1
    assert slow.samples()[RUNS][frozenset()] == runs + 1


def test_an_answer_to_nobody_is_no_answer(slow: Served) -> None:
    """The client of the run under way leaves: its answer is not written, counted as 499, and not summed up."""
    before, summed = slow.requests(), slow.client.get("/slipway/summary").json()
    connection = sent(slow, LONG)
    until(lambda: slow.in_flight() == 1)
    connection.close()
    until(lambda: slow.in_flight() == 0)
    assert slow.client.post(INFER, content=counting(1)).is_success  # runs when the long one is over

    after = slow.requests()
    assert after["499"] == before.get("499", 0) + 1
    assert after["200"] == before["200"] + 1
    assert slow.client.get("/slipway/summary").json()["requests"] == summed["requests"] + 1


def test_who_leaves_after_the_deadline_got_no_answer_in_time(slow: Served) -> None:
    """A router that gives up after its own time says so before: that is a failure, as its client sees it."""
    before = slow.requests()
    with sent(slow, LONG) as running:
        until(lambda: slow.in_flight() == 1)
        waiting = sent(slow, LONG, "x-request-timeout-ms: 30000\r\n")
        late = sent(slow, LONG, "x-request-timeout-ms: 0\r\n")
        assert late.recv(65536).startswith(b"HTTP/1.1 504")
        waiting.close()
        late.close()
        until(lambda: slow.in_flight() == 1)
        running.recv(65536)

    after = slow.requests()
    assert after["504"] == before.get("504", 0) + 1


def test_kinds_of_answers_are_counted_from_the_start(slow: Served) -> None:
    """The closed list, each by the statuses that mean it."""
    answers = {dict(labels)["kind"]: value for labels, value in slow.samples()["slipway_answers_total"].items()}
    requests = slow.requests()

    assert set(answers) == {"right", "refused", "shed", "failed", "not_the_versions"}
    assert answers["right"] == requests["200"]
    assert answers["not_the_versions"] == requests["499"]
    assert answers["failed"] == requests["504"] + requests["500"]
