"""What is applied for a revision and for a model, as data: nothing is read or written here.

`spec.replicas` is never named: it belongs to the autoscaler. Service, autoscaler and disruption budget belong to the
Deployment and go with it; what a model has once belongs to nobody (docs/decisions/0012-kubernetes-objects.md).
"""

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import (
    GRPC_NAME,
    GRPC_PORT,
    MODEL,
    PACKAGE,
    PORT,
    PORT_NAME,
    REVISION,
    model_labels,
    revision_labels,
)
from slipway.adapters.kubernetes.pods import START_SECONDS, pod_template
from slipway.domain.rollout.revision import Revision

PROGRESS_SECONDS = START_SECONDS + 300
"""Nothing new became ready for so long: the time a model may take to load, and as much for its image and its place."""


def deployment(revision: Revision, *, routed: bool = False) -> Manifest:
    """Return a revision's Deployment; `routed`: its requests come through a route of ours only."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": revision.name,
            "labels": revision_labels(revision),
            "annotations": {PACKAGE: revision.package.digest},
        },
        "spec": {
            "selector": {"matchLabels": _selecting(revision)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": PROGRESS_SECONDS,
            "template": pod_template(revision, routed=routed),
        },
    }


def service(revision: Revision) -> Manifest:
    """Return the Service of one revision, by the revision's name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": revision.name, "labels": revision_labels(revision)},
        "spec": {"type": "ClusterIP", "selector": _selecting(revision), "ports": service_ports()},
    }


def service_ports() -> list[Manifest]:
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


def disruption_budget(revision: Revision) -> Manifest:
    """Return what a drain of nodes may take at once: one replica.

    `minAvailable: 1` would stop a drain for ever where there is one replica; so that one goes, for as long as its
    successor starts. Who can't have that asks for a minimum of two. Replicas that are not ready never stop a drain.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": revision.name, "labels": revision_labels(revision)},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": _selecting(revision)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def network_policy(model: str) -> Manifest:
    """Return what a model's pods may be told and may ask: their ports, from anywhere; each other's.

    Gateways and Prometheus are in namespaces of all names, so who may come in is left to the ports. A model answers and
    calls nobody but its other revisions (they answer in each other's place), not even DNS, which is a way out too; one
    that must gets a policy of its own: policies add up.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": model, "labels": model_labels(model)},
        "spec": {
            "podSelector": {"matchLabels": {MODEL: model}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": port, "protocol": "TCP"} for port in (PORT, GRPC_PORT)]}],
            "egress": [
                {
                    "to": [{"podSelector": {"matchLabels": {MODEL: model}}}],
                    "ports": [{"port": PORT, "protocol": "TCP"}],
                }
            ],
        },
    }


def owned(manifest: Manifest, deployment: Manifest) -> Manifest:
    """Return the object as one that goes with the live Deployment."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
        "uid": deployment["metadata"]["uid"],
    }
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def _selecting(revision: Revision) -> dict[str, str]:
    return {MODEL: revision.model, REVISION: revision.name}
