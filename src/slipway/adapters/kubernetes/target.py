"""The Kubernetes target: the desired state is applied, the observed state is read; nothing is stored here.

Each method is a short series of stateless API calls; two that work on one model at once are serialized by its lease,
and by the API server's own rules.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from slipway.adapters.kubernetes.autoscaling import CUSTOM_METRICS, Bounds, Signals, build_autoscaler, choose_signals
from slipway.adapters.kubernetes.cluster import Applied, Cluster, is_ours
from slipway.adapters.kubernetes.gateway import GatewayRouter, find_gateway
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.manifests import (
    add_owner,
    build_deployment,
    build_disruption_budget,
    build_network_policy,
    build_service,
)
from slipway.adapters.kubernetes.names import Key, select_model
from slipway.adapters.kubernetes.readiness import read_ready_since, select_staying_pods
from slipway.adapters.kubernetes.replicas import ReplicaRouter
from slipway.adapters.kubernetes.signals import RevisionObjects, assess_revision
from slipway.domain.rollout.revision import Revision, RevisionState, Traffic
from slipway.domain.spec.serving import ReplicasSpec, ServingSpec, adapt_to_kubernetes
from slipway.errors import ArtifactChanged, NotFound, PermanentError, SettingsError, SlipwayError
from slipway.ports.router import Abilities

HEARD_SECONDS = 3.0
"""Seconds from ready to known by every router: Traefik reads new endpoints every 2 s at the latest; readiness is
reported in whole seconds."""
AUTOSCALER = "HorizontalPodAutoscaler"
Way = Literal["auto", "gateway", "replicas"]


class RoutingMethod(Protocol):
    """How traffic is split."""

    def get_abilities(self, replicas: int) -> Abilities:
        """Return its abilities for revisions of at most this many replicas."""
        ...

    def set_traffic(self, model: str, traffic: Traffic) -> None:
        """Split requests in this way; return when it is done."""
        ...

    def read_traffic(self, model: str) -> Traffic | None:
        """Return the current shares; None: there is no route."""
        ...


@dataclass(slots=True, kw_only=True)
class _Undo:
    """Objects that one call created: all are deleted again if the call fails."""

    cluster: Cluster
    made: list[tuple[str, str]] = field(default_factory=list)

    def apply(self, manifest: Manifest) -> Applied:
        applied = self.cluster.apply(manifest)
        if applied.created:
            self.made.append((manifest["kind"], manifest["metadata"]["name"]))
        return applied

    def delete_created(self) -> None:
        for kind, name in reversed(self.made):
            self.cluster.delete(kind, name)


class KubernetesTarget:
    """Implements the ports Revisions, Router and Scaler for one namespace of a cluster."""

    def __init__(self, cluster: Cluster, *, route: Way = "auto", gateway: str = "") -> None:
        """Make no call yet; `route` is the way to split traffic, `gateway` (NAMESPACE/NAME) the Gateway."""
        self._cluster, self._way, self._gateway = cluster, route, gateway

    def start(self, revision: Revision) -> None:
        """Begin to start a revision; see the port.

        Raises ArtifactBroken without its image, ArtifactChanged when it serves from another package. Objects created
        before a refusal (by a quota, by a policy) are deleted again.
        """
        wanted = build_deployment(revision, routed=self.get_abilities(revision.model, revision.serving).rescues)
        before = self._cluster.get("Deployment", revision.name)
        if before is not None:
            self._refuse_another_package(revision, before)
        undo = _Undo(cluster=self._cluster)
        try:
            undo.apply(build_network_policy(revision.model))
            live = undo.apply(wanted).live
            for manifest in (
                build_service(revision),
                build_disruption_budget(revision),
                self._build_autoscaler(revision),
            ):
                undo.apply(add_owner(manifest, live))
            self._cluster.apply(_mark_complete(wanted))
        except SlipwayError:
            undo.delete_created()
            raise

    def stop(self, model: str, name: str) -> None:
        """Stop a revision; see the port. Its pods finish their requests: they leave the route before they end."""
        traffic = self.read_traffic(model)
        if traffic is not None:
            self._leave_route(model, name, traffic)
        live = self._cluster.get("Deployment", name)
        if live is not None and is_ours(live):
            self._cluster.delete("Deployment", name)

    def observe(self, model: str) -> dict[str, RevisionState]:
        """Return the observed state of a model, with three calls in all; interrupted starts are left out."""
        kinds = ("Deployment", "Pod", AUTOSCALER)
        deployments, pods, scalers = (self._cluster.list(kind, select_model(model)) for kind in kinds)
        by_name = {one["metadata"]["name"]: one for one in scalers}
        now = self._cluster.now()
        found = {}
        for one in deployments:
            if Key.APPLY_COMPLETE not in (one["metadata"].get("annotations") or {}):
                continue
            name = one["metadata"]["name"]
            found[name] = assess_revision(
                RevisionObjects(deployment=one, pods=tuple(pods), autoscaler=by_name.get(name)), now
            )
        return found

    def set_traffic(self, model: str, traffic: Traffic) -> None:
        """Split live requests in this way; see the port. Raises NotFound for a revision that was not started."""
        known = [one["metadata"]["name"] for one in self._cluster.list("Deployment", select_model(model))]
        for name in {*traffic.weights, *([traffic.shadow] if traffic.shadow else [])}:
            if name not in known:
                raise NotFound(
                    f"revision {name}",
                    seen="it was not started here",
                    expected=f"one of {', '.join(known) or 'none'}",
                    do="start it before it gets traffic",
                )
        self._let_routers_hear(model, [name for name, percent in traffic.weights.items() if percent])
        self.router.set_traffic(model, traffic)

    def read_traffic(self, model: str) -> Traffic | None:
        """Return the shares from the live objects, with any other manager that edited them."""
        return self.router.read_traffic(model)

    def set_floors(self, model: str, floors: dict[str, int]) -> None:  # noqa: ARG002 - revisions have names of their own
        """Move the floors of autoscalers."""
        for name, floor in floors.items():
            self._cluster.patch(AUTOSCALER, name, {"spec": {"minReplicas": floor}})

    def get_abilities(self, model: str, serving: ServingSpec) -> Abilities:  # noqa: ARG002 - one router for all models
        """Return the router's abilities and its name."""
        return self.router.get_abilities(adapt_to_kubernetes(serving).replicas.maximum)

    def remove(self, model: str) -> None:
        """Delete everything of a model, by its label, both routes first."""
        for kind in ("HTTPRoute", "GRPCRoute", "Service"):
            self._remove_object(kind, model)
        for live in self._cluster.list("Deployment", select_model(model)):
            self._cluster.delete("Deployment", live["metadata"]["name"])
        self._remove_object("NetworkPolicy", model)

    def choose_signals(self, replicas: ReplicasSpec) -> Signals:
        """Return the autoscalers' signals here, with the reason."""
        return choose_signals(replicas, custom_metrics=self._custom_metrics)

    @cached_property
    def router(self) -> RoutingMethod:
        """How traffic is split here: chosen once."""
        if self._way == "replicas":
            return ReplicaRouter(self._cluster)
        found = find_gateway(self._cluster, self._gateway)
        if found is not None:
            return GatewayRouter(self._cluster, found)
        if self._way == "gateway" or self._gateway:
            raise SettingsError(
                "setting SLIPWAY_KUBE_ROUTE",
                seen=f"it is `gateway` and no Gateway lets routes of namespace {self._cluster.namespace} in",
                expected="a Gateway with an HTTP listener whose allowedRoutes include the namespace",
                do="install one, or set SLIPWAY_KUBE_ROUTE=replicas",
            )
        return ReplicaRouter(self._cluster)

    @cached_property
    def _custom_metrics(self) -> bool:
        return self._cluster.read_raw_path(CUSTOM_METRICS) is not None

    def _remove_object(self, kind: str, model: str) -> None:
        """Delete what the model has once; objects that only share its name are kept."""
        live = self._cluster.get(kind, model)
        labels = (live or {}).get("metadata", {}).get("labels") or {}
        if live is not None and is_ours(live) and labels.get(Key.MODEL) == model and Key.REVISION not in labels:
            self._cluster.delete(kind, model)

    def _build_autoscaler(self, revision: Revision) -> Manifest:
        """Return the autoscaler with its current bounds: a second start does not remove replicas."""
        replicas = adapt_to_kubernetes(revision.serving).replicas
        live = self._cluster.get(AUTOSCALER, revision.name)
        spec = (live or {}).get("spec", {})
        floor, ceiling = spec.get("minReplicas", replicas.minimum), spec.get("maxReplicas", replicas.maximum)
        return build_autoscaler(revision, self.choose_signals(replicas), Bounds(floor=floor, ceiling=ceiling))

    def _let_routers_hear(self, model: str, names: Collection[str]) -> None:
        """Wait until the first ready pods have been ready long enough: pods unknown to a router give 503.

        A revision without a ready pod is not waited for: the caller decided to route to it.
        """
        pods = self._cluster.list("Pod", select_model(model))
        since = [
            min(ready)
            for name in names
            if (ready := [at for pod in select_staying_pods(pods, name) if (at := read_ready_since(pod))])
        ]
        time.sleep(max(0.0, max(since, default=0.0) + HEARD_SECONDS - self._cluster.now()))

    def _refuse_another_package(self, revision: Revision, before: Manifest) -> None:
        now = (before["metadata"].get("annotations") or {}).get(Key.PACKAGE, "none of ours")
        if now == revision.package.digest:
            return
        traffic = self.read_traffic(revision.model)
        share = traffic.share_of(revision.name) if traffic else ""
        if share:
            raise ArtifactChanged(
                f"revision {revision.name}",
                seen=f"another package ({revision.package.digest}) for a revision that gets {share}",
                expected=f"the one that it serves from ({now})",
                do="register the changed model as a new version",
            )

    def _leave_route(self, model: str, name: str, traffic: Traffic) -> None:
        share = traffic.share_of(name)
        if share:
            raise PermanentError(
                f"revision {name}",
                seen=f"the route sends it {share}",
                expected="no traffic before it is stopped",
                do="route the model to another revision first",
            )
        if traffic.canary == name:  # a warm canary, at 0 %
            self.router.set_traffic(model, Traffic(stable=traffic.stable, shadow=traffic.shadow))


def _mark_complete(manifest: Manifest) -> Manifest:
    """Return a Deployment with the annotation that its other objects are complete."""
    metadata = manifest["metadata"]
    return {
        **manifest,
        "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), Key.APPLY_COMPLETE: "true"}},
    }
