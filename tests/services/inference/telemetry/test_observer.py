"""What is told of single requests: to the log, to a collector of traces, and to nobody who was not asked for."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.inference.manifest import parse_manifest
from services.inference.rows import Rows
from services.inference.telemetry.observer import (
    JsonLines,
    ObserverError,
    RequestObserver,
    RequestRecord,
    TextLines,
    configure_logging,
)
from tests.services.inference.serving import served, until

Maker = Callable[..., dict[str, Any]]
INFER = "/v2/models/toy/infer"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def body(value: float) -> dict[str, Any]:
    """Return a request for the table: 0 and 1 are in it, 7 makes it fail."""
    return {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [value]}]}


class Collector:
    """A collector of traces on this machine: what exporters send over HTTP."""

    def __init__(self) -> None:
        """Listen."""
        spans: list[Any] = []
        self.spans = spans

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
                spans.extend(
                    (resource.resource, span)
                    for resource in sent.resource_spans
                    for scope in resource.scope_spans
                    for span in scope.spans
                )
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Return a collector."""
    one = Collector()
    yield one
    one.close()


def values(attributes: Any) -> dict[str, object]:  # noqa: ANN401 - protobuf's own lists
    """Return attributes as a dictionary."""
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


def test_traces_go_to_the_collector_as_children_of_the_client_s(
    table_model: Path, tmp_path: Path, collector: Collector
) -> None:
    """One span a request, with its status and revision; the answer names it."""
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with served(table_model, tmp_path, **more) as service:
        service.wait_ready()
        headers = {"traceparent": PARENT, "x-request-id": "r-1"}
        good = service.client.post(INFER, json=body(1), headers=headers)
        service.client.post(INFER, json=body(7))
        until(lambda: len(collector.spans) == 2)

    (resource, first), (_, second) = collector.spans
    said = values(first.attributes)
    assert values(resource.attributes)["service.name"] == "toy"
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, "b7ad6b7169203331")
    assert good.headers["traceresponse"] == f"00-{TRACE}-{first.span_id.hex()}-01"
    assert said["slipway.revision"] == "toy-v3"
    assert (said["http.response.status_code"], said["slipway.rows"], said["slipway.request_id"]) == (200, 1, "r-1")
    assert first.end_time_unix_nano > first.start_time_unix_nano
    assert values(second.attributes)["http.response.status_code"] == 500
    assert second.status.code == 2


def test_failures_are_told_with_their_request_and_trace(table_model: Path, tmp_path: Path) -> None:
    """One JSON object a line; what was sent is not in it, unless a share of it is asked for."""
    with served(table_model, tmp_path, SLIPWAY_LOG="json") as service:
        service.wait_ready()
        service.client.post(INFER, json=body(7), headers={"x-request-id": "r-7", "traceparent": PARENT})
        service.client.post(INFER, json=body(1), headers={"x-request-id": "r-1", "authorization": "Bearer hidden"})
        service.client.post(INFER, content=b"no json", headers={"x-request-id": "r-0"})
        until(lambda: "r-7" in service.log.read_text())
        text = service.log.read_text()

    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (failed,) = [line for line in lines if line.get("request_id")]
    assert failed.pop("milliseconds") > 0
    assert failed.pop("time").endswith("Z")
    assert "indices element out of data bounds" in failed.pop("message")
    assert failed == {
        "level": "warning",
        "logger": "slipway.inference",
        "revision": "toy-v3",
        "protocol": "oip",
        "status": 500,
        "request_id": "r-7",
        "trace_id": TRACE,
    }
    assert "hidden" not in text


def test_samples_hold_rows_and_predictions_of_the_share_that_is_asked_for(
    manifest_document: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    """Drawn for each request; cut to their first values, in whole rows."""
    draws = iter([0.1, 0.3])
    watch = RequestObserver(parse_manifest(manifest_document()), share=0.25, draw=lambda: next(draws))
    rows = Rows(np.arange(300.0).reshape(100, 3), {})

    with caplog.at_level(logging.INFO):
        for _ in range(2):
            watch.observe(RequestRecord("oip", 200, 0.001, {b"x-request-id": b"r"}, rows, np.arange(100), ""))

    (sample,) = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert sample["rows"] == 100
    assert sample["inputs"] == {"": [float(n) for n in range(63)]}
    assert sample["prediction"] == list(range(64))
    assert json.loads(TextLines().format(caplog.records[0])) == sample  # in a log for people too


def test_a_sample_holds_a_whole_row_of_many_values(manifest_document: Maker, caplog: pytest.LogCaptureFixture) -> None:
    """An image, say; beside it the same number of rows of narrower columns. What is larger still is cut."""
    watch = RequestObserver(parse_manifest(manifest_document()), share=1.0)
    columns = {"image": np.ones((3, 28, 28)), "word": np.array(["a", "b", "c"], dtype=object)}

    with caplog.at_level(logging.INFO):
        watch.observe(RequestRecord("oip", 200, 0.001, {}, Rows(None, columns), None, ""))
        watch.observe(RequestRecord("oip", 200, 0.001, {}, Rows(np.ones((1, 5000)), {}), None, ""))

    small, large = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert (len(small["inputs"]["image"]), small["inputs"]["word"]) == (784, ["a"])
    assert len(large["inputs"][""]) == 4096


def test_without_a_wish_only_failures_are_wanted(manifest_document: Maker) -> None:
    """Nothing is sampled by itself."""
    watch = RequestObserver.of_environment(parse_manifest(manifest_document()), {})

    assert [watch.should_observe(status) for status in (200, 400, 429, 500, 504)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SLIPWAY_CAPTURE": "2"}, "SLIPWAY_CAPTURE is '2'; expected a share of the requests, 0 to 1"),
        ({"SLIPWAY_CAPTURE": "nan"}, "expected a share"),
        ({"SLIPWAY_CAPTURE": "some"}, "expected a share"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "expected otlp, console or none"),
    ],
)
def test_what_can_not_be_understood_ends_the_process(
    manifest_document: Maker, environment: dict[str, str], said: str
) -> None:
    """Before it is ready, with the variable's name."""
    with pytest.raises(ObserverError, match=said):
        RequestObserver.of_environment(parse_manifest(manifest_document()), environment)


def test_a_log_of_another_kind_is_refused() -> None:
    """It is text or JSON."""
    with pytest.raises(ObserverError, match="SLIPWAY_LOG is 'xml'; expected json or text"):
        configure_logging({"SLIPWAY_LOG": "xml"})
