"""What Prometheus reads of a real process, beside what it was asked."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.inference.telemetry.meter import EDGES_SECONDS
from slipway_interface.metrics import EDGES_MILLISECONDS
from tests.services.inference.serving import Served, served, until

INFER = "/v2/models/toy/infer"


def body(number: float) -> bytes:
    """Return a request of one row."""
    tensor = {"name": "input", "shape": [1, 1], "datatype": "FP32", "data": [number]}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.fixture(scope="module")
def fresh(table_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a process that is ready."""
    with served(table_model, tmp_path_factory.mktemp("fresh")) as service:
        service.wait_ready()
        yield service


def test_counts_begin_at_zero_and_follow_the_requests(fresh: Served) -> None:
    """Each answer under its status; probes, pages and other paths are no requests."""
    before, began = fresh.samples(), time.monotonic()

    for content in (body(0), body(1), body(7), b"not json"):
        fresh.client.post(INFER, content=content)
    fresh.client.post("/v2/models/other/infer", content=body(0))
    for path in ("/v2", "/v2/models/toy", "/slipway/summary", "/livez", "/nowhere"):
        fresh.client.get(path)

    zero = {frozenset({("protocol", "oip"), ("code", code)}): 0 for code in ("200", "500")}
    assert before["slipway_requests_total"] == zero
    assert before["slipway_request_duration_seconds_count"] == {frozenset(): 0}
    assert before["slipway_requests_in_flight"] == {frozenset(): 0}
    info = {("version", "3"), ("runtime", "onnx"), ("device", "cpu"), ("digest", "d")}
    assert before["slipway_model_info"] == {frozenset(info): 1}
    assert fresh.requests() == {"200": 2, "500": 1, "400": 1}
    after = fresh.samples()
    assert after["slipway_request_duration_seconds_count"] == {frozenset(): 4}
    assert 0 < after["slipway_request_duration_seconds_sum"][frozenset()] < time.monotonic() - began
    assert after["slipway_requests_in_flight"] == {frozenset(): 0}


def test_durations_have_the_edges_of_the_other_target(fresh: Served) -> None:
    """A judge that knows one of them knows both."""
    edges = {dict(labels)["le"] for labels in fresh.samples()["slipway_request_duration_seconds_bucket"]}

    assert {float(edge) for edge in edges} == {*EDGES_SECONDS, float("inf")}
    assert pytest.approx([1000 * edge for edge in EDGES_SECONDS]) == list(EDGES_MILLISECONDS)


def test_a_request_is_in_flight_until_it_is_answered(fresh: Served) -> None:
    """Also while its body comes slowly."""
    with fresh.half_sent(body(0)) as connection:
        during = fresh.in_flight()
        connection.sendall(body(0)[-1:])
        answer = connection.recv(65536)

    assert during == 1
    assert answer.startswith(b"HTTP/1.1 200")
    until(lambda: fresh.in_flight() == 0)


def test_a_killed_worker_leaves_its_counts_and_nothing_in_flight(table_model: Path, tmp_path: Path) -> None:
    """An autoscaler that reads requests in flight must not see ghosts for ever; counters never go back."""
    with served(table_model, tmp_path) as service:
        service.wait_ready()
        service.client.post(INFER, content=body(0))
        first = service.workers()[0]
        with service.half_sent(body(0)):
            first.kill()
            until(lambda: not psutil.pid_exists(first.pid) and service.ready())

        assert service.workers()[0].pid != first.pid
        assert service.in_flight() == 0
        assert service.requests() == {"200": 1, "500": 0}
