"""What Prometheus reads of a real process, beside what it was asked."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.exceptions import HTTPException

from services.inference.manifest import parse_manifest
from services.inference.metrics import EDGES_SECONDS, RequestMetrics, forget_dead_processes
from slipway.adapters.local.metrics import EDGES_MILLISECONDS
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
    before = fresh.samples()

    for content in (body(0), body(1), body(7), b"not json"):
        fresh.client.post(INFER, content=content)
    fresh.client.post("/v2/models/other/infer", content=body(0))
    for path in ("/v2", "/v2/models/toy", "/slipway/summary", "/livez", "/nowhere"):
        fresh.client.get(path)

    zero = {frozenset({("code", "200")}): 0, frozenset({("code", "500")}): 0}
    assert before["slipway_requests_total"] == zero
    assert before["slipway_request_duration_seconds_count"] == {frozenset(): 0}
    assert before["slipway_requests_in_flight"] == {frozenset(): 0}
    info = {("version", "3"), ("runtime", "onnx"), ("device", "cpu"), ("digest", "d")}
    assert before["slipway_model_info"] == {frozenset(info): 1}
    assert fresh.requests() == {"200": 2, "500": 1, "400": 1, "404": 1}
    after = fresh.samples()
    assert after["slipway_request_duration_seconds_count"] == {frozenset(): 5}
    assert 0 < after["slipway_request_duration_seconds_sum"][frozenset()] < 5
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


def test_only_dead_processes_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only what they had under way."""
    dead = max(psutil.pids()) + 100_000
    kept = [f"gauge_livesum_{os.getpid()}.db", "gauge_livesum_1.db", f"counter_{dead}.db", f"gauge_max_{dead}.db"]
    for name in (*kept, f"gauge_livesum_{dead}.db", f"gauge_livemax_{dead}.db"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    forget_dead_processes()

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize(
    ("error", "code"), [(asyncio.CancelledError(), "504"), (HTTPException(413), "413"), (KeyError("x"), "500")]
)
def test_a_request_that_raises_is_counted_as_its_client_is_told(
    manifest_document: Callable[..., dict[str, Any]], error: BaseException, code: str
) -> None:
    """BentoML's time limit cancels, and answers 504; what nobody expected is a 500."""
    metrics = RequestMetrics(parse_manifest(manifest_document()))
    names = {"model": "toy", "revision": "toy-v3"}

    with pytest.raises(type(error)), metrics.request():
        raise error

    assert metrics.registry.get_sample_value("slipway_requests_total", {**names, "code": code}) == 1
    assert metrics.registry.get_sample_value("slipway_requests_in_flight", names) == 0
