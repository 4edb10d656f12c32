"""A model's routes as data: rendered from the desired traffic, and read back from live objects.

Over HTTP a model is the first part of the path. Over gRPC the path is the method's, so requests name the model in a
header; a GRPCRoute next to the HTTPRoute splits them by the same weights.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from slipway.adapters.kubernetes.kinds import GATEWAY_API, Manifest
from slipway.adapters.kubernetes.managers import find_editor
from slipway.adapters.kubernetes.names import GRPC_PORT, PORT, Key, make_model_labels
from slipway.domain.rollout.revision import Rescue, Traffic
from slipway_interface import headers
from slipway_interface.rescue import RescueRule


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayName:
    """A Gateway's name, with its namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return it in the form of the settings."""
        return f"{self.namespace}/{self.name}"


def build_http_route(model: str, traffic: Traffic, gateway: GatewayName, rescuer: str = "") -> Manifest:
    """Return the route `/MODEL/...` to the model's revisions; a revision at 0 % is named in the annotation only.

    A backend without requests need not exist: the route stays valid while it is stopped. `rescuer` is HOST:PORT of the
    revision that answers in another one's place.
    """
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{model}/"}}],
        "filters": [
            {"type": "URLRewrite", "urlRewrite": rewrite},
            _build_header_filter(traffic.shadow, traffic.rescue, rescuer),
            *_build_mirrors(traffic.shadow, PORT),
        ],
        "backendRefs": _build_backends(traffic, PORT),
    }
    return _build_route("HTTPRoute", model, traffic, gateway, rule)


def build_grpc_route(
    model: str, traffic: Traffic, gateway: GatewayName, rescuer: str = "", *, copies: bool = False
) -> Manifest:
    """Return the route of gRPC requests that name the model; `copies`: the Gateway can copy them to a shadow."""
    named = {"type": "Exact", "name": headers.MODEL, "value": model}
    shadow = traffic.shadow if copies else None
    rule = {
        "matches": [{"headers": [named]}],
        "filters": [_build_header_filter(shadow, traffic.rescue, rescuer), *_build_mirrors(shadow, GRPC_PORT)],
        "backendRefs": _build_backends(traffic, GRPC_PORT),
    }
    return _build_route("GRPCRoute", model, traffic, gateway, rule)


def format_annotation(traffic: Traffic) -> str:
    """Return traffic in the form of the annotation."""
    said = asdict(traffic)
    del said["edited_by"]
    return json.dumps({key: value for key, value in said.items() if value})


def read_annotation(annotations: Mapping[str, str] | None) -> Traffic | None:
    """Return the traffic in the annotation; None: it is missing, or not in our form.

    >>> read_annotation({"slipway.dev/traffic": format_annotation(Traffic(stable="digits-v1"))})
    Traffic(stable='digits-v1', canary=None, canary_percent=0, shadow=None, rescue=None, edited_by=None)
    """
    try:
        return Traffic.from_document(json.loads((annotations or {})[Key.TRAFFIC]))
    except (KeyError, ValueError, TypeError):
        return None


def read_shares(route: Manifest) -> Traffic | None:
    """Return how a route splits requests, regardless of its writer; None: no backend gets any.

    Weights and copies are from the live object, roles from the annotation. If the roles do not fit the object, the
    backend with more weight is the stable one.
    """
    rule = _read_first_rule(route)
    weights = {one["name"]: int(one.get("weight", 1)) for one in rule.get("backendRefs") or []}
    weights = {name: weight for name, weight in weights.items() if weight}
    if not weights:
        return None
    before = read_annotation(route["metadata"].get("annotations"))
    stable, canary = _find_roles(weights, before)
    percent = round(100 * weights.get(canary, 0) / sum(weights.values())) if canary else 0
    rescue = _read_rescue(rule, before)
    return Traffic(
        stable=stable,
        canary=canary,
        canary_percent=percent,
        shadow=_find_shadow(rule),
        rescue=rescue if rescue and {rescue.of, rescue.by} == {stable, canary} else None,
        edited_by=find_editor(route, "spec", "rules"),
    )


def _find_roles(weights: Mapping[str, int], before: Traffic | None) -> tuple[str, str | None]:
    if before is not None and set(weights) <= {before.stable, before.canary}:
        return before.stable, before.canary
    stable, *others = sorted(weights, key=lambda name: (-weights[name], name))
    return stable, others[0] if others else None


def _find_shadow(rule: Manifest) -> str | None:
    mirrors = (one["requestMirror"] for one in rule.get("filters") or [] if one["type"] == "RequestMirror")
    return next((str(mirror["backendRef"]["name"]) for mirror in mirrors), None)


def _read_first_rule(route: Manifest) -> Manifest:
    rules = route.get("spec", {}).get("rules") or [{}]
    first: Manifest = rules[0]
    return first


def _build_route(kind: str, model: str, traffic: Traffic, gateway: GatewayName, rule: Manifest) -> Manifest:
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": gateway.namespace,
        "name": gateway.name,
    }
    return {
        "apiVersion": GATEWAY_API,
        "kind": kind,
        "metadata": {
            "name": model,
            "labels": make_model_labels(model),
            "annotations": {Key.TRAFFIC: format_annotation(traffic)},
        },
        "spec": {"parentRefs": [parent], "rules": [rule]},
    }


def _build_header_filter(shadow: str | None, rescue: Rescue | None, rescuer: str) -> Manifest:
    """Return the filter of headers that only the route may set: those that it does not set are removed."""
    said = {
        headers.COMPARE: "1" if shadow else "",
        headers.RESCUE: _make_rescue_rule(rescue, rescuer).to_header() if rescue else "",
        headers.RESCUED_FROM: "",
    }
    given = [{"name": name, "value": value} for name, value in said.items() if value]
    change = {"set": given} if given else {}
    return {
        "type": "RequestHeaderModifier",
        "requestHeaderModifier": {**change, "remove": [name for name, value in said.items() if not value]},
    }


def _make_rescue_rule(rescue: Rescue, rescuer: str) -> RescueRule:
    return RescueRule(of=rescue.of, by=rescuer, at_once=rescue.at_once, after_seconds=rescue.after_seconds)


def _read_rescue(rule: Manifest, before: Traffic | None) -> Rescue | None:
    """Return the rescue in the annotation, if the route's rule still sets its header."""
    changes = (one["requestHeaderModifier"] for one in rule.get("filters") or [] if "requestHeaderModifier" in one)
    names = [header["name"] for change in changes for header in change.get("set") or []]
    return before.rescue if before and headers.RESCUE in names else None


def _build_mirrors(shadow: str | None, port: int) -> list[Manifest]:
    if shadow is None:
        return []
    return [{"type": "RequestMirror", "requestMirror": {"backendRef": _build_backend(shadow, port)}}]


def _build_backends(traffic: Traffic, port: int) -> list[Manifest]:
    return [{**_build_backend(name, port), "weight": percent} for name, percent in traffic.weights.items() if percent]


def _build_backend(name: str, port: int) -> Manifest:
    return {"group": "", "kind": "Service", "name": name, "port": port}
