"""What Envoy is told, as JSON values: pure rendering, nothing is read or written here.

The listener is part of the bootstrap because it never changes. Clusters (CDS) and routes (RDS) come from two files that
Envoy watches. A model's `Traffic` is kept as metadata of its route, so that the file Envoy serves from is also
the record of how traffic is shared: the two can't disagree after a crash.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slipway.domain.revision import Traffic

Json = dict[str, Any]

ROUTES = "front_door"
"""Name of the route configuration and prefix of the listener's statistics."""
COMPARE_HEADER = "x-slipway-compare"
"""Set on live requests and on their copies while a shadow looks on: services keep their answers then."""
REQUEST_TIMEOUT_SECONDS = 60.0
CONNECT_TIMEOUT = "1s"
FLUSH_INTERVAL = "1s"
"""Envoy's histograms show a value only after the next flush; its own default would be 5 s."""
IDLE_UPSTREAM = "3s"
"""Under uvicorn's keep-alive of 5 s: a request must not meet a connection that its server is about to close."""

_API = "type.googleapis.com/envoy"
_HTTP_OPTIONS = f"{_API}.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANAGER = f"{_API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_API}.extensions.filters.http.router.v3.Router"
_REQUEST_ID = f"{_API}.extensions.request_id.uuid.v3.UuidRequestIdConfig"


def shadow_cluster(revision: str) -> str:
    """Return the cluster that gets copies: counted apart from the live one.

    >>> shadow_cluster("digits-v2")
    'digits-v2-shadow'
    """
    return f"{revision}-shadow"


def bootstrap(folder: Path, host: str, front_door_port: int, admin_port: int) -> Json:
    """Return Envoy's start configuration; clusters and routes are watched under `folder`."""
    return {
        "node": {"id": "slipway", "cluster": "slipway"},
        "admin": {"address": _address(host, admin_port)},
        "stats_flush_interval": FLUSH_INTERVAL,
        "dynamic_resources": {"cds_config": _watched(folder, "clusters.json")},
        "static_resources": {"listeners": [_listener(folder, host, front_door_port)]},
    }


def clusters(ports: Mapping[str, int], host: str) -> Json:
    """Return the discovery document of clusters: two per revision, by its port."""
    made = [
        _cluster(name, host, port)
        for revision, port in sorted(ports.items())
        for name in (revision, shadow_cluster(revision))
    ]
    return _versioned([{"@type": f"{_API}.config.cluster.v3.Cluster", **cluster} for cluster in made])


def routes(traffic: Mapping[str, Traffic], timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> Json:
    """Return the discovery document of routes: one per model, and an answer for whoever asks for no model."""
    host = {
        "name": "models",
        "domains": ["*"],
        "routes": [
            *(route for model in sorted(traffic) for route in _model_routes(model, traffic[model], timeout_seconds)),
            _refusal({"prefix": "/"}, f"no model at this path; models here: {', '.join(sorted(traffic)) or 'none'}"),
        ],
    }
    resource = {"@type": f"{_API}.config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": [host]}
    return _versioned([resource])


def shared(document: Json) -> dict[str, Traffic]:
    """Read the traffic back from a discovery document of routes.

    >>> traffic = {"digits": Traffic(stable="digits-v1", shadow="digits-v2")}
    >>> shared(routes(traffic)) == traffic
    True
    """
    found = {}
    for route in document["resources"][0]["virtual_hosts"][0]["routes"]:
        record = route.get("metadata", {}).get("filter_metadata", {}).get("slipway")
        if record:
            found[record["model"]] = Traffic(**record["traffic"])
    return found


def _model_routes(model: str, traffic: Traffic, timeout_seconds: float) -> list[Json]:
    hidden = _refusal({"path_separated_prefix": f"/{model}/slipway"}, "this page is not public")
    return [hidden, _live(model, traffic, timeout_seconds)]


def _live(model: str, traffic: Traffic, timeout_seconds: float) -> Json:
    action: Json = {
        "prefix_rewrite": "/",
        "timeout": f"{timeout_seconds}s",
        "weighted_clusters": {"clusters": [_weighted(*share) for share in traffic.weights.items() if share[1]]},
        # an answer that was begun is never asked for again: only what certainly was not handled yet is tried anew
        "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2},
    }
    if traffic.shadow:
        copies = {"cluster": shadow_cluster(traffic.shadow), "disable_shadow_host_suffix_append": True}
        action["request_mirror_policies"] = [copies]
    return {
        "match": {"prefix": f"/{model}/"},
        "route": action,
        "metadata": {"filter_metadata": {"slipway": {"model": model, "traffic": asdict(traffic)}}},
        **_compare(shadowed=traffic.shadow is not None),
    }


def _compare(*, shadowed: bool) -> Json:
    if not shadowed:
        return {"request_headers_to_remove": [COMPARE_HEADER]}
    header = {"key": COMPARE_HEADER, "value": "1"}
    return {"request_headers_to_add": [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}


def _weighted(revision: str, percent: int) -> Json:
    # where a request was sent, also of answers that Envoy made itself; who answered says x-slipway-revision
    named = {"header": {"key": "x-slipway-route", "value": revision}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"name": revision, "weight": percent, "response_headers_to_add": [named]}


def _refusal(match: Json, message: str) -> Json:
    body = json.dumps({"error": message})
    header = {"key": "content-type", "value": "application/json"}
    kind = {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "match": match,
        "direct_response": {"status": 404, "body": {"inline_string": body}},
        "response_headers_to_add": [kind],
    }


def _cluster(name: str, host: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": CONNECT_TIMEOUT,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [_generous()]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "common_http_protocol_options": {"idle_timeout": IDLE_UPSTREAM},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _generous() -> Json:
    # the service itself says 429 when it has too much to do; Envoy must not refuse before it
    return {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 256}


def _listener(folder: Path, host: str, port: int) -> Json:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": ROUTES,
        "codec_type": "AUTO",
        "rds": {"route_config_name": ROUTES, "config_source": _watched(folder, "routes.json")},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
        # the internal pages of a service must not be reached by another spelling of their path
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "use_remote_address": True,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {"typed_config": {"@type": _REQUEST_ID, "pack_trace_reason": False}},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": ROUTES, "address": _address(host, port), "filter_chains": [chain]}


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _watched(folder: Path, name: str) -> Json:
    source = {"path": str(folder / name), "watched_directory": {"path": str(folder)}}
    return {"resource_api_version": "V3", "path_config_source": source}


def _versioned(resources: list[Json]) -> Json:
    digest = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()
    return {"version_info": digest[:16], "resources": resources}
