"""Traffic split by a Gateway's weights: the choice of the Gateway, its abilities, and routes that it has accepted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import PORT
from slipway.adapters.kubernetes.routes import GatewayName, build_grpc_route, build_http_route, read_shares
from slipway.domain.rollout.revision import Traffic
from slipway.errors import NotFound, PermanentError, SettingsError, TargetUnavailable
from slipway.ports.router import Abilities

MIRROR = "HTTPRouteRequestMirror"
"""The Gateway API's name of the feature that a shadow needs."""
OVER_GRPC, GRPC_MIRROR = "GRPCRoute", "GRPCRouteRequestMirror"
"""Its names of the features that splitting gRPC needs, and that a shadow of it needs."""
TAKEN_SECONDS = 15.0
REFUSED_SECONDS = 3.0
"""Seconds after which a refusal is taken as final."""
UNHEARD = "BackendNotFound"
"""The Services of a route exist: a controller that reports otherwise has stale data, for long after the API server was
down."""
LOOK_SECONDS = 0.1
SETTLE_SECONDS = 0.5
"""Controllers report a route as accepted before all of their proxies have it; Traefik took up to 0.24 s (16
changes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The Gateway that routes to models."""

    name: GatewayName
    controller: str
    features: frozenset[str]
    """The features that its class reports; empty: it reports none."""

    @property
    def copies(self) -> bool:
        """Whether it reports that it can copy requests."""
        return MIRROR in self.features

    @property
    def shares_grpc(self) -> bool:
        """Whether it reports that it supports GRPCRoutes."""
        return OVER_GRPC in self.features

    @property
    def summary(self) -> str:
        """The features that it reports, in words."""
        copies = "copies requests" if self.copies else f"can't copy requests (no {MIRROR})"
        if not self.shares_grpc:
            return f"{copies}; takes no {OVER_GRPC}: gRPC reaches revisions by their Services only"
        if self.copies and GRPC_MIRROR not in self.features:
            return f"{copies} over HTTP, not over gRPC (no {GRPC_MIRROR}); shares gRPC out"
        return f"{copies}; shares gRPC out"


def find_gateway(cluster: Cluster, named: str = "") -> Gateway | None:
    """Return the Gateway with that name (NAMESPACE/NAME), or the only one that allows our routes; None: none does.

    Raises NotFound for a missing name, SettingsError if there are several to choose from.
    """
    if named:
        namespace, _, name = named.rpartition("/")
        live = cluster.get("Gateway", name, namespace=namespace)
        if live is None:
            raise _make_no_gateway_error(f"{namespace or cluster.namespace}/{name}")
        return _describe_gateway(cluster, live)
    chosen = choose_gateway(cluster.list("Gateway", everywhere=True), cluster.namespace)
    return _describe_gateway(cluster, chosen) if chosen is not None else None


def choose_gateway(gateways: Sequence[Manifest], namespace: str) -> Manifest | None:
    """Return the one Gateway that allows routes of a namespace; one in that same namespace has precedence."""
    open_ones = [live for live in gateways if admits_namespace(live, namespace)]
    open_ones = [live for live in open_ones if live["metadata"]["namespace"] == namespace] or open_ones
    if len(open_ones) > 1:
        names = ", ".join(sorted(str(_read_name(live)) for live in open_ones))
        raise SettingsError(
            "setting SLIPWAY_KUBE_GATEWAY",
            seen=f"it is empty and the cluster has several Gateways: {names}",
            expected="the one that models are reached by, NAMESPACE/NAME",
            do="set it to one of them",
        )
    return open_ones[0] if open_ones else None


def admits_namespace(gateway: Manifest, namespace: str) -> bool:
    """Return whether one of a Gateway's HTTP listeners may accept routes of a namespace.

    A listener that selects namespaces by label counts as open: the Gateway's own condition on the route decides.
    """
    listeners = gateway.get("spec", {}).get("listeners") or []
    own = gateway["metadata"]["namespace"] == namespace
    return any(
        one.get("protocol") in {"HTTP", "HTTPS"} and (_read_allowed_namespaces(one) in {"All", "Selector"} or own)
        for one in listeners
    )


def _read_allowed_namespaces(listener: Manifest) -> str:
    chosen = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return str(chosen.get("from", "Same"))


class GatewayRouter:
    """Splits requests by the weights of an HTTPRoute, and of a GRPCRoute if the Gateway supports one.

    The HTTPRoute is written last; if it is missing there is no route.
    """

    def __init__(self, cluster: Cluster, gateway: Gateway) -> None:
        """Make no call yet."""
        self._cluster, self.gateway = cluster, gateway

    def get_abilities(self, replicas: int) -> Abilities:  # noqa: ARG002 - weights do not hang on replicas
        """Return the Gateway's abilities: any weight; copies if its class reports that.

        Services do the rescue themselves: the route's header names the revision to call.
        """
        why = f"Gateway {self.gateway.name} ({self._get_controller()}) {self.gateway.summary}"
        return Abilities(copies=self.gateway.copies, rescues=True, why=why)

    def set_traffic(self, model: str, traffic: Traffic) -> None:
        """Write the routes, and wait until the Gateway has accepted them."""
        if traffic.shadow and not self.gateway.copies:
            raise PermanentError(
                f"route of {model}",
                seen=f"Gateway {self.gateway.name} ({self._get_controller()}) can't copy requests",
                expected=f"a GatewayClass with the feature {MIRROR}",
                do="release without `shadow`, or name another Gateway in SLIPWAY_KUBE_GATEWAY",
            )
        changed = [route["kind"] for route in self._build_routes(model, traffic) if self._apply_route(route)]
        for kind in changed:
            self._wait_until_accepted(kind, model)
        if changed:
            time.sleep(SETTLE_SECONDS)

    def read_traffic(self, model: str) -> Traffic | None:
        """Return the shares of the HTTPRoute, or of the GRPCRoute if only that one was edited.

        A deleted GRPCRoute is written again with the next change.
        """
        live = self._cluster.get("HTTPRoute", model)
        seen = None if live is None else read_shares(live)
        if seen is None or seen.edited_by or not self.gateway.shares_grpc:
            return seen
        beside = self._cluster.get("GRPCRoute", model)
        other = None if beside is None else read_shares(beside)
        edited = other is not None and other.edited_by and other.weights != seen.weights
        return replace(other, shadow=seen.shadow) if other and edited else seen

    def _build_routes(self, model: str, traffic: Traffic) -> list[Manifest]:
        rescuer = self._find_address(traffic.rescue.by) if traffic.rescue else ""
        route = build_http_route(model, traffic, self.gateway.name, rescuer)
        if not self.gateway.shares_grpc:
            return [route]
        copies = GRPC_MIRROR in self.gateway.features
        return [build_grpc_route(model, traffic, self.gateway.name, rescuer, copies=copies), route]

    def _find_address(self, revision: str) -> str:
        """Return HOST:PORT of a revision's Service, as an IP address: pods may not use DNS."""
        live = self._cluster.get("Service", revision) or {}
        host = str(live.get("spec", {}).get("clusterIP") or "None")
        if host == "None":
            raise TargetUnavailable(
                f"Service of {revision}",
                seen="it is not there, or has no cluster IP",
                expected="the Service that Slipway made, for answers in the canary's place",
                do=f"`kubectl get service {revision}`; it comes back when the revision is started again",
            )
        return f"[{host}]:{PORT}" if ":" in host else f"{host}:{PORT}"

    def _apply_route(self, route: Manifest) -> bool:
        """Apply a route; return whether the Gateway has to accept it."""
        before = self._cluster.get(route["kind"], route["metadata"]["name"])
        live = self._cluster.apply(route).live
        return (
            before is None
            or _read_generation(before) != _read_generation(live)
            or not _read_acceptance(before, self.gateway.name).taken
        )

    def _wait_until_accepted(self, kind: str, model: str) -> None:
        began = time.monotonic()
        while not (word := _read_acceptance(self._cluster.get(kind, model), self.gateway.name)).taken:
            if time.monotonic() - began > (REFUSED_SECONDS if word.refusal else TAKEN_SECONDS):
                raise self._make_refused_error(kind, model, word)
            time.sleep(LOOK_SECONDS)

    def _make_refused_error(self, kind: str, model: str, word: "_Acceptance") -> PermanentError | TargetUnavailable:
        if word.refusal:
            return PermanentError(
                f"{kind} of {model}",
                seen=f"Gateway {self.gateway.name} refuses it: {word.refusal}",
                expected="one that is Accepted, with ResolvedRefs",
                do=f"`kubectl describe {kind.lower()} {model}`; look at the Gateway's listeners, their allowedRoutes",
            )
        return TargetUnavailable(
            f"{kind} of {model}",
            seen=f"Gateway {self.gateway.name} has not applied it after {TAKEN_SECONDS:g} s{word.waits}",
            expected=f"a condition of its controller ({self._get_controller()}) in the route's status",
            do="nothing yet: it is tried again; look at the Gateway's controller if it stays so",
        )

    def _get_controller(self) -> str:
        return self.gateway.controller


@dataclass(frozen=True, slots=True, kw_only=True)
class _Acceptance:
    """A Gateway's state of a route in its current generation."""

    taken: bool = False
    refusal: str = ""
    waits: str = ""
    """What it waits for, in brackets."""


def _read_acceptance(route: Manifest | None, gateway: GatewayName) -> _Acceptance:
    if route is None:
        return _Acceptance(waits=" (someone deleted the route)")
    parents: Sequence[dict[str, Any]] = route.get("status", {}).get("parents") or []
    for parent in parents:
        if (parent["parentRef"].get("namespace") or gateway.namespace, parent["parentRef"]["name"]) == (
            gateway.namespace,
            gateway.name,
        ):
            return _judge_conditions(parent.get("conditions") or [], _read_generation(route))
    return _Acceptance()


def _judge_conditions(conditions: Sequence[dict[str, Any]], generation: int) -> _Acceptance:
    """Return a Gateway's state of a route from its conditions.

    >>> _judge_conditions([{"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound"}], generation=1)
    _Acceptance(taken=False, refusal='', waits=' (BackendNotFound)')
    >>> _judge_conditions([{"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners"}], generation=1)
    _Acceptance(taken=False, refusal='NotAllowedByListeners', waits='')
    """
    now = {one["type"]: one for one in conditions if one.get("observedGeneration", generation) >= generation}
    said = [now.get(kind) for kind in ("Accepted", "ResolvedRefs")]
    refused = [one for one in said if one and one["status"] == "False"]
    words = "; ".join(f"{one['reason']}: {one.get('message', '')}".rstrip(": ") for one in refused)
    if refused and all(one["reason"] == UNHEARD for one in refused):
        return _Acceptance(waits=f" ({words})")
    return _Acceptance(taken=all(one and one["status"] == "True" for one in said), refusal=words)


def _read_generation(live: Manifest) -> int:
    return int(live["metadata"].get("generation", 0))


def _describe_gateway(cluster: Cluster, live: Manifest) -> Gateway:
    kind = cluster.get("GatewayClass", live["spec"]["gatewayClassName"]) or {}
    listed = kind.get("status", {}).get("supportedFeatures") or []
    names = (one["name"] if isinstance(one, dict) else one for one in listed)  # older classes have plain names
    controller = str(kind.get("spec", {}).get("controllerName", "no controller"))
    return Gateway(name=_read_name(live), controller=controller, features=frozenset(map(str, names)))


def _read_name(live: Manifest) -> GatewayName:
    return GatewayName(namespace=live["metadata"]["namespace"], name=live["metadata"]["name"])


def _make_no_gateway_error(name: str) -> NotFound:
    return NotFound(
        f"Gateway {name}",
        seen="the cluster does not have it",
        expected="the Gateway that models are reached by",
        do="`kubectl get gateway -A` lists what there is: name one in SLIPWAY_KUBE_GATEWAY",
    )
