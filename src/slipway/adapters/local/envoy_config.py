"""Envoy's configuration, as JSON values: pure rendering, nothing is read or written here.

The listener is part of the bootstrap because it never changes. Clusters (CDS) and routes (RDS) come from two files that
Envoy watches. A model's `Traffic` is kept as metadata of its route, so that the file Envoy serves from is also
the record of how traffic is shared: the two can't disagree after a crash.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from slipway.adapters.local.clusters import Ports
from slipway.adapters.local.clusters import build_clusters as all_clusters
from slipway.adapters.local.counting import ASKED, TRIED, build_access_logger
from slipway.adapters.local.routing import build_grpc_routes, build_model_routes, build_refusal
from slipway.domain.rollout.revision import Rescue, Traffic

Json = dict[str, Any]

ROUTES = "front_door"
"""Name of the route configuration and prefix of the listener's statistics."""
REQUEST_TIMEOUT_SECONDS = 60.0
FLUSH_INTERVAL = "1s"
"""Envoy's histograms show a value only after the next flush; its own default would be 5 s."""

_API = "type.googleapis.com/envoy"
_MANAGER = f"{_API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_API}.extensions.filters.http.router.v3.Router"
_REQUEST_ID = f"{_API}.extensions.request_id.uuid.v3.UuidRequestIdConfig"


def build_bootstrap(folder: Path, host: str, front_door_port: int, admin_port: int) -> Json:
    """Return Envoy's start configuration; clusters and routes are watched under `folder`."""
    return {
        "node": {"id": "slipway", "cluster": "slipway"},
        "admin": {"address": _build_address(host, admin_port)},
        "stats_flush_interval": FLUSH_INTERVAL,
        "dynamic_resources": {"cds_config": _watch_file(folder, "clusters.json")},
        "static_resources": {"listeners": [_build_listener(folder, host, front_door_port)]},
    }


def build_cluster_document(ports: Mapping[str, Ports], rescues: Iterable[Rescue], host: str) -> Json:
    """Return the discovery document of clusters."""
    return _add_version(all_clusters(ports, rescues, host))


def build_route_document(
    traffic: Mapping[str, Traffic], over_grpc: Collection[str] = (), timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
) -> Json:
    """Return the discovery document of routes: of all models, and a 404 for requests that name none.

    `over_grpc` are the revisions that can be called over gRPC.
    """
    asked = {
        model: one for model, one in traffic.items() if all(name in over_grpc for name in _list_named_revisions(one))
    }
    by_path = [
        route for model in sorted(traffic) for route in build_model_routes(model, traffic[model], timeout_seconds)
    ]
    nobody = build_refusal(
        {"prefix": "/"}, f"no model at this path; models here: {', '.join(sorted(traffic)) or 'none'}"
    )
    host = {
        "name": "models",
        "domains": ["*"],
        "routes": [
            *by_path,
            *build_grpc_routes(asked, timeout_seconds),
            nobody,
        ],  # no method's path begins with a model
    }
    resource = {"@type": f"{_API}.config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": [host]}
    return _add_version([resource])


def read_traffic(document: Json) -> dict[str, Traffic]:
    """Read the traffic back from a discovery document of routes.

    >>> traffic = {"digits": Traffic(stable="digits-v1", shadow="digits-v2")}
    >>> read_traffic(build_route_document(traffic)) == traffic
    True
    """
    found = {}
    for route in document["resources"][0]["virtual_hosts"][0]["routes"]:
        record = route.get("metadata", {}).get("filter_metadata", {}).get("slipway")
        if record:
            found[record["model"]] = Traffic.from_document(record["traffic"])
    return found


def _list_named_revisions(traffic: Traffic) -> set[str]:
    """Return the revisions that get requests, copies, or rescued requests."""
    asked = {name for name, percent in traffic.weights.items() if percent}
    return asked | set(filter(None, (traffic.shadow, traffic.rescue.by if traffic.rescue else None)))


def _build_listener(folder: Path, host: str, port: int) -> Json:
    manager = {
        "@type": _MANAGER,
        "stat_prefix": ROUTES,
        "codec_type": "AUTO",
        "rds": {"route_config_name": ROUTES, "config_source": _watch_file(folder, "routes.json")},
        "access_log": [build_access_logger(ASKED)],
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _ROUTER, "upstream_log": [build_access_logger(TRIED)]},
            }
        ],
        # the internal pages of a service must not be reached by another form of their path
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
    return {"name": ROUTES, "address": _build_address(host, port), "filter_chains": [chain]}


def _build_address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _watch_file(folder: Path, name: str) -> Json:
    source = {"path": str(folder / name), "watched_directory": {"path": str(folder)}}
    return {"resource_api_version": "V3", "path_config_source": source}


def _add_version(resources: list[Json]) -> Json:
    digest = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()
    return {"version_info": digest[:16], "resources": resources}
