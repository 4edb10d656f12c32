"""Envoy's clusters: a revision has one per purpose of its requests, so that they are counted separately.

| cluster | gets |
|---|---|
| `digits-v2` | its share of live requests |
| `digits-v2-shadow` | copies |
| `digits-v2+digits-v1` | its share of live requests, if v1 answers those that it can't |
| `digits-v2@grpc`, ... | the same over gRPC |
| `digits-v2-health@grpc` | health requests over gRPC, which may last for hours: a drain does not wait for them |

A revision's name ends in `-vN` and a model's holds no `+` and no `@`: no two of these can be the same.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.domain.rollout.revision import Rescue

Json = dict[str, Any]

GRPC, RESCUE, SHADOW, HEALTH = "@grpc", "+", "-shadow", "-health"
CONNECT_TIMEOUT = "1s"
IDLE_UPSTREAM = "3s"
"""Under uvicorn's keep-alive of 5 s: a request must not meet a connection that its server is about to close."""
MOST_RETRIES = 256
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True)
class Ports:
    """A revision's ports on this machine."""

    http: int
    grpc: int | None = None
    """None: it does not listen."""


def name_shadow_cluster(revision: str) -> str:
    """Return the cluster that gets copies.

    >>> name_shadow_cluster("digits-v2")
    'digits-v2-shadow'
    """
    return f"{revision}{SHADOW}"


def name_rescue_cluster(of: str, by: str) -> str:
    """Return the cluster of a revision whose requests another one answers if it can't.

    >>> name_rescue_cluster("digits-v2", "digits-v1")
    'digits-v2+digits-v1'
    """
    return f"{of}{RESCUE}{by}"


def match_live_clusters(revision: str) -> str:
    """Return a pattern for the clusters of a revision's share of live requests.

    >>> pattern = match_live_clusters("a-v2")
    >>> bool(re.fullmatch(pattern, "a-v2+a-v1@grpc")), bool(re.fullmatch(pattern, "a-v2-shadow"))
    (True, False)
    """
    return rf"{re.escape(revision)}(?:\{RESCUE}[a-z0-9-]+)?(?:{GRPC})?"


def match_all_clusters(revision: str) -> str:
    """Return a pattern for all clusters whose requests a revision may process: live, copied, another revision's.

    >>> pattern = match_all_clusters("a-v1")
    >>> bool(re.fullmatch(pattern, "a-v2+a-v1")), bool(re.fullmatch(pattern, "a-v1-shadow@grpc"))
    (True, True)
    """
    one, other = re.escape(revision), "[a-z0-9-]+"
    return rf"(?:{one}(?:{SHADOW}|\{RESCUE}{other})?|{other}\{RESCUE}{one})(?:{GRPC})?"


def build_clusters(ports: Mapping[str, Ports], rescues: Iterable[Rescue], host: str) -> list[Json]:
    """Return all clusters of revisions, by their ports, and of their rescues."""
    made = [cluster for name, port in sorted(ports.items()) for cluster in _build_revision_clusters(name, port, host)]
    for rescue in sorted(rescues, key=lambda one: (one.of, one.by)):
        if rescue.of in ports and rescue.by in ports:
            made += _build_rescue_clusters(rescue, ports[rescue.of], ports[rescue.by], host)
    return made


def _build_revision_clusters(name: str, ports: Ports, host: str) -> Iterator[Json]:
    for cluster in (name, name_shadow_cluster(name)):
        yield _build_cluster(cluster, [_build_endpoint(host, ports.http, name)])
        if ports.grpc is not None:
            yield _enable_http2(_build_cluster(f"{cluster}{GRPC}", [_build_endpoint(host, ports.grpc, name)]))
    if ports.grpc is not None:
        yield _enable_http2(_build_cluster(f"{name}{HEALTH}{GRPC}", [_build_endpoint(host, ports.grpc, name)]))


def _build_rescue_clusters(rescue: Rescue, of: Ports, by: Ports, host: str) -> Iterator[Json]:
    name, more = name_rescue_cluster(rescue.of, rescue.by), {"rescues": rescue.of}
    ends = [_build_endpoint(host, of.http, rescue.of), _build_endpoint(host, by.http, rescue.by, more)]
    yield _build_cluster(name, ends, rescue.at_once)
    if of.grpc is not None and by.grpc is not None:
        ends = [_build_endpoint(host, of.grpc, rescue.of), _build_endpoint(host, by.grpc, rescue.by, more)]
        yield _enable_http2(_build_cluster(f"{name}{GRPC}", ends, rescue.at_once))


def _build_endpoint(host: str, port: int, revision: str, more: Mapping[str, str] | None = None) -> Json:
    at = {"address": {"socket_address": {"address": host, "port_value": port}}, "hostname": revision}
    return {"endpoint": at, **({"metadata": {"filter_metadata": {"slipway": dict(more)}}} if more else {})}


def _build_cluster(name: str, endpoints: list[Json], most_retries: int = MOST_RETRIES) -> Json:
    """Return a cluster over HTTP/1.1; endpoints are tried in their order."""
    each = [{"priority": number, "lb_endpoints": [one]} for number, one in enumerate(endpoints)]
    # the service itself answers 429 when it is overloaded; Envoy must not refuse before it
    generous = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}
    return {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {"cluster_name": name, "endpoints": each},
        "circuit_breakers": {"thresholds": [{**generous, "max_retries": most_retries}]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": IDLE_UPSTREAM},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _enable_http2(cluster: Json) -> Json:
    # prior knowledge: no upgrade, no TLS
    cluster["typed_extension_protocol_options"][_HTTP_OPTIONS]["explicit_http_config"] = {"http2_protocol_options": {}}
    return cluster
