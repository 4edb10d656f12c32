"""A model's HTTPRoute as data: rendered from how traffic is to be shared, and read back as it is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from slipway.adapters.kubernetes.kinds import GATEWAY_API, Manifest
from slipway.adapters.kubernetes.managers import editor
from slipway.adapters.kubernetes.names import PORT, TRAFFIC, model_labels
from slipway.domain.revision import Traffic

COMPARE_HEADER = "x-slipway-compare"
"""On live requests and on their copies while a shadow looks on: services keep their answers then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayName:
    """A Gateway's name, with its namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return it as settings have it."""
        return f"{self.namespace}/{self.name}"


def http_route(model: str, traffic: Traffic, gateway: GatewayName) -> Manifest:
    """Return the route `/MODEL/...` to the model's revisions; a revision at 0 % is named in the annotation only.

    A backend that gets nothing need not be there: the route stays good while it is stopped.
    """
    return {
        "apiVersion": GATEWAY_API,
        "kind": "HTTPRoute",
        "metadata": {
            "name": model,
            "labels": model_labels(model),
            "annotations": {TRAFFIC: told(traffic)},
        },
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "namespace": gateway.namespace,
                    "name": gateway.name,
                }
            ],
            "rules": [_live(model, traffic)],
        },
    }


def told(traffic: Traffic) -> str:
    """Return traffic as the annotation has it."""
    said = asdict(traffic)
    del said["edited_by"]
    return json.dumps({key: value for key, value in said.items() if value})


def read_told(annotations: Mapping[str, str] | None) -> Traffic | None:
    """Return what the annotation says; None: it is not there, or nothing of ours.

    >>> read_told({"slipway.dev/traffic": told(Traffic(stable="digits-v1"))})
    Traffic(stable='digits-v1', canary=None, canary_percent=0, shadow=None, rescue=None, edited_by=None)
    """
    try:
        return Traffic.from_document(json.loads((annotations or {})[TRAFFIC]))
    except (KeyError, ValueError, TypeError):
        return None


def shares(route: Manifest) -> Traffic | None:
    """Return how a route shares requests, whoever wrote it; None: no backend gets any.

    Weights and copies are the live object's, roles what we were told. Where the roles do not fit what is there, the
    backend with more weight is the stable one.
    """
    rule = _rule(route)
    weights = {one["name"]: int(one.get("weight", 1)) for one in rule.get("backendRefs") or []}
    weights = {name: weight for name, weight in weights.items() if weight}
    if not weights:
        return None
    before = read_told(route["metadata"].get("annotations"))
    stable, canary = _roles(weights, before)
    percent = round(100 * weights.get(canary, 0) / sum(weights.values())) if canary else 0
    return Traffic(
        stable=stable,
        canary=canary,
        canary_percent=percent,
        shadow=_shadow(rule),
        edited_by=editor(route, "spec", "rules"),
    )


def _roles(weights: Mapping[str, int], before: Traffic | None) -> tuple[str, str | None]:
    if before is not None and set(weights) <= {before.stable, before.canary}:
        return before.stable, before.canary
    stable, *others = sorted(weights, key=lambda name: (-weights[name], name))
    return stable, others[0] if others else None


def _shadow(rule: Manifest) -> str | None:
    mirrors = (one["requestMirror"] for one in rule.get("filters") or [] if one["type"] == "RequestMirror")
    return next((str(mirror["backendRef"]["name"]) for mirror in mirrors), None)


def _rule(route: Manifest) -> Manifest:
    rules = route.get("spec", {}).get("rules") or [{}]
    first: Manifest = rules[0]
    return first


def _live(model: str, traffic: Traffic) -> Manifest:
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    backends = [{**_backend(name), "weight": percent} for name, percent in traffic.weights.items() if percent]
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{model}/"}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}, *_copies(traffic.shadow)],
        "backendRefs": backends,
    }


def _copies(shadow: str | None) -> list[Manifest]:
    if shadow is None:
        # a client must not be able to make services keep its answers
        return [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": [COMPARE_HEADER]}}]
    header = {"set": [{"name": COMPARE_HEADER, "value": "1"}]}
    return [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": header},
        {"type": "RequestMirror", "requestMirror": {"backendRef": _backend(shadow)}},
    ]


def _backend(name: str) -> Manifest:
    return {"group": "", "kind": "Service", "name": name, "port": PORT}
