"""gRPC through the cluster's Gateway: shared out by the same weights, told apart by its own status, put right."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest

from slipway.adapters.kubernetes.gateway import GatewayRouter, find_gateway
from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.domain.judge.counters import Counters
from slipway.domain.rollout.revision import Traffic
from tests.adapters.kubernetes.place import Place, until

METHOD = "/tests.Service/Infer"
ANNOUNCED = (("trailer", "grpc-status, grpc-message"),)
NAMES = ["spoken-v1", "spoken-v2"]
SHARED = Traffic(stable=NAMES[0], canary=NAMES[1], canary_percent=20)


@pytest.fixture(scope="module")
def ports(place: Place) -> Iterator[list[int]]:
    """Serve gRPC on this machine as two revisions do; the request says which status it wants. Return their ports."""
    servers = [grpc.server(ThreadPoolExecutor(2)) for _ in NAMES]
    found = []
    for name, server in zip(NAMES, servers, strict=True):
        handlers = {"Infer": grpc.unary_unary_rpc_method_handler(_answering(name))}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Service", handlers),))
        found.append(server.add_insecure_port(f"{place.cluster.host}:0"))
        server.start()
    yield found
    for server in servers:
        server.stop(0).wait()


@pytest.fixture(scope="module")
def router(place: Place, ports: list[int]) -> Iterator[GatewayRouter]:
    """Share gRPC out between both, and nobody else."""
    gateway = find_gateway(place.api, f"{place.namespace}/models")
    assert gateway is not None
    for name, port in zip(NAMES, ports, strict=True):
        for manifest in _service(name, place.cluster.host, port):
            place.kubectl("apply", "-f", "-", given=json.dumps(manifest))
    router = GatewayRouter(place.api, gateway)
    router.set_traffic("spoken", SHARED)
    yield router
    place.kubectl("delete", "httproute,grpcroute", "spoken")
    place.kubectl("delete", "service", *NAMES)


def test_requests_that_name_the_model_are_shared_by_the_weights(place: Place, router: GatewayRouter) -> None:
    """Exactly so, as over HTTP; nobody else's requests come through."""
    answered = Counter(_asked(place, "OK") for _ in range(50))

    assert answered == {"spoken-v1": 40, "spoken-v2": 10}
    assert _asked(place, "OK", model="nobody") == "UNIMPLEMENTED"
    assert router.read_traffic("spoken") == SHARED


@pytest.mark.usefixtures("router")
def test_grpcs_own_status_is_what_traefik_counts(place: Place) -> None:
    """Refused, shed and failed, each of the revision that answered; the HTTP status was 200 each time."""
    metrics = PrometheusMetrics(
        place.cluster.prometheus,
        place.namespace,
        "traefik",
        known=lambda _: NAMES,
        pages=lambda *_: [],
        queries=lambda _: None,
    )
    _scraped(place)
    before = metrics.read_counters("spoken", NAMES)
    wanted = ["OK"] * 20 + ["INVALID_ARGUMENT"] * 10 + ["RESOURCE_EXHAUSTED"] * 15 + ["INTERNAL"] * 5
    assert [_asked(place, one) for one in wanted][20:] == wanted[20:]
    _scraped(place)
    after = metrics.read_counters("spoken", NAMES)

    assert {name: _since(before[name], after[name]) for name in NAMES} == {
        "spoken-v1": Counters(requests=40, errors=4, refused=8, shed=12),
        "spoken-v2": Counters(requests=10, errors=1, refused=2, shed=3),
    }


def test_a_grpc_route_that_somebody_edited_is_seen_and_put_right(place: Place, router: GatewayRouter) -> None:
    """The shares are told as gRPC's clients get them, with who changed them; the next route repairs them."""
    patch = [{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 80}]
    place.kubectl("patch", "grpcroute", "spoken", "--type=json", "-p", json.dumps(patch), "--field-manager=somebody")

    seen = router.read_traffic("spoken")

    assert seen == Traffic(stable=NAMES[0], canary=NAMES[1], canary_percent=50)
    assert seen.edited_by == "somebody"
    router.set_traffic("spoken", SHARED)
    again = router.read_traffic("spoken")
    assert (again, again and again.edited_by) == (SHARED, None)


def test_a_grpc_route_that_somebody_took_away_comes_back(place: Place, router: GatewayRouter) -> None:
    """With the next change of shares; until then the model is reached over HTTP as before."""
    place.kubectl("delete", "grpcroute", "spoken")
    assert router.read_traffic("spoken") == SHARED

    router.set_traffic("spoken", SHARED)

    assert {_asked(place, "OK") for _ in range(10)} == set(NAMES)


def _answering(name: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
        context.send_initial_metadata(ANNOUNCED)
        if body != b"OK":
            context.abort(grpc.StatusCode[body.decode()], "as was asked for")
        return name.encode()

    return answer


def _asked(place: Place, wanted: str, model: str = "spoken") -> str:
    """Return who answered, or the status that was given."""
    with grpc.insecure_channel(f"{place.cluster.gateway.partition('//')[2]}:80") as channel:
        try:
            answer: bytes = channel.unary_unary(METHOD)(
                wanted.encode(), metadata=(("x-slipway-model", model),), timeout=10
            )
        except grpc.RpcError as error:
            return str(error.code().name)
    return answer.decode()


def _scraped(place: Place) -> None:
    """Return when Prometheus has read Traefik after now."""
    url, began = f"{place.cluster.prometheus}/api/v1/query", time.time()

    def newest() -> float:
        found = httpx.get(url, params={"query": "timestamp(traefik_config_reloads_total)"}).json()["data"]["result"]
        return max((float(one["value"][1]) for one in found), default=0.0)

    assert until(lambda: newest() > began)


def _since(before: Counters, after: Counters) -> Counters:
    fields = ("requests", "errors", "refused", "shed")
    return Counters(**{name: getattr(after, name) - getattr(before, name) for name in fields})


def _service(name: str, host: str, port: int) -> list[dict[str, Any]]:
    """Return a Service with a revision's ports, whose one endpoint is a port of this machine."""
    ports = [
        {"name": "http", "port": 3000, "targetPort": port},
        {"name": "grpc", "port": 3001, "targetPort": port, "appProtocol": "kubernetes.io/h2c"},
    ]
    labels = {"kubernetes.io/service-name": name}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": one, "port": port, "protocol": "TCP"} for one in ("http", "grpc")],
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        },
    ]
