"""The objects that are applied for a revision and for a model, as data: nothing is read or written here.

`spec.replicas` is never set: it belongs to the autoscaler. Service, autoscaler and disruption budget are owned by the
Deployment and deleted with it; what a model has once has no owner (docs/decisions/0012-kubernetes-objects.md).
"""

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import (
    GRPC_NAME,
    GRPC_PORT,
    PORT,
    PORT_NAME,
    Key,
    make_model_labels,
    make_revision_labels,
)
from slipway.adapters.kubernetes.pods import START_SECONDS, build_pod_template
from slipway.domain.rollout.revision import Revision

PROGRESS_SECONDS = START_SECONDS + 300
"""Seconds without a new ready replica: the time a model may take to load, and as much for its image and scheduling."""


def build_deployment(revision: Revision, *, routed: bool = False) -> Manifest:
    """Return a revision's Deployment; `routed`: its requests come only through a route of ours."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": revision.name,
            "labels": make_revision_labels(revision),
            "annotations": {Key.PACKAGE: revision.package.digest},
        },
        "spec": {
            "selector": {"matchLabels": _build_pod_selector(revision)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": PROGRESS_SECONDS,
            "template": build_pod_template(revision, routed=routed),
        },
    }


def build_service(revision: Revision) -> Manifest:
    """Return the Service of one revision, by the revision's name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": revision.name, "labels": make_revision_labels(revision)},
        "spec": {"type": "ClusterIP", "selector": _build_pod_selector(revision), "ports": build_service_ports()},
    }


def build_service_ports() -> list[Manifest]:
    """Return the ports that Services have."""
    return [
        {"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP"},
        {
            "name": GRPC_NAME,
            "port": GRPC_PORT,
            "targetPort": GRPC_NAME,
            "protocol": "TCP",
            "appProtocol": "kubernetes.io/h2c",
        },
    ]


def build_disruption_budget(revision: Revision) -> Manifest:
    """Return how much a drain of nodes may evict at once: one replica.

    `minAvailable: 1` would block a drain for ever if there is one replica; so that one is evicted, and missing until
    its successor has started. To avoid that, set a minimum of two. Replicas that are not ready never block a drain.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": revision.name, "labels": make_revision_labels(revision)},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": _build_pod_selector(revision)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def build_network_policy(model: str) -> Manifest:
    """Return the traffic that a model's pods may have: to their ports, from anywhere; and to each other.

    Gateways and Prometheus may be in any namespace, so ingress is limited only by port. A model calls only its other
    revisions (they answer in each other's place), and no DNS, which could carry data out too; one that needs more gets
    a policy of its own: policies add up.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": model, "labels": make_model_labels(model)},
        "spec": {
            "podSelector": {"matchLabels": {Key.MODEL: model}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": port, "protocol": "TCP"} for port in (PORT, GRPC_PORT)]}],
            "egress": [
                {
                    "to": [{"podSelector": {"matchLabels": {Key.MODEL: model}}}],
                    "ports": [{"port": PORT, "protocol": "TCP"}],
                }
            ],
        },
    }


def add_owner(manifest: Manifest, deployment: Manifest) -> Manifest:
    """Return the object as one owned by the live Deployment."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
        "uid": deployment["metadata"]["uid"],
    }
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def _build_pod_selector(revision: Revision) -> dict[str, str]:
    return {Key.MODEL: revision.model, Key.REVISION: revision.name}
