"""The autoscaler of a revision: which signals it uses, and how fast it follows them.

Only the autoscaler sets replicas. Slipway moves only its floor, while traffic moves.
"""

from dataclasses import dataclass

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import Key, make_revision_labels
from slipway.adapters.kubernetes.quantity import format_quantity
from slipway.domain.rollout.revision import Revision
from slipway.domain.spec.serving import ReplicasSpec, adapt_to_kubernetes
from slipway_interface.metrics import IN_FLIGHT

FALLBACK_CPU_PERCENT = 70
"""The target if requests in flight are not available and the spec names no other: headroom of 40 % until pods start."""
CUSTOM_METRICS = "/apis/custom.metrics.k8s.io/v1beta1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The signals of an autoscaler."""

    metrics: tuple[Manifest, ...]
    why: str
    """The choice and its reason, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Fewest and most replicas now."""

    floor: int
    ceiling: int


def choose_signals(replicas: ReplicasSpec, *, custom_metrics: bool) -> Signals:
    """Choose an autoscaler's signals: it uses the largest number of replicas over all of them.

    >>> choose_signals(ReplicasSpec(), custom_metrics=False).why
    'scales by cpu at 70 %: the cluster does not serve custom.metrics.k8s.io, so requests in flight can not be had'
    """
    named, said = [], []
    if replicas.in_flight is not None and custom_metrics:
        named.append(_build_pods_metric(IN_FLIGHT, replicas.in_flight))
        said.append(f"requests in flight at {replicas.in_flight:g} per replica")
    without = replicas.in_flight is not None and not custom_metrics
    cpu = replicas.cpu_percent
    if without and cpu is None and replicas.memory_percent is None:
        cpu = FALLBACK_CPU_PERCENT
    for resource, percent in (("cpu", cpu), ("memory", replicas.memory_percent)):
        if percent is not None:
            named.append(_build_resource_metric(resource, percent))
            said.append(f"{resource} at {percent} %")
    return Signals(
        metrics=tuple(named), why=f"scales by {' and '.join(said)}: {_explain_choice(replicas, without=without)}"
    )


def _explain_choice(replicas: ReplicasSpec, *, without: bool) -> str:
    if without:
        return "the cluster does not serve custom.metrics.k8s.io, so requests in flight can not be had"
    if replicas.in_flight is None:
        return "the spec says so"
    return "the cluster serves custom.metrics.k8s.io, and work that waits shows before CPU does"


def build_autoscaler(revision: Revision, chosen: Signals, bounds: Bounds) -> Manifest:
    """Return a revision's HorizontalPodAutoscaler with these bounds; those at rest are annotated."""
    replicas = adapt_to_kubernetes(revision.serving).replicas
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": revision.name,
            "labels": make_revision_labels(revision),
            "annotations": {Key.MINIMUM: str(replicas.minimum), Key.MAXIMUM: str(replicas.maximum)},
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision.name},
            "minReplicas": bounds.floor,
            "maxReplicas": bounds.ceiling,
            "metrics": list(chosen.metrics),
            "behavior": _build_behavior(replicas),
        },
    }


def _build_behavior(replicas: ReplicasSpec) -> Manifest:
    """Up at once, because requests wait; down slowly, because load returns: a tenth a minute after the window."""
    up = [_build_policy("Percent", 100, period_seconds=15), _build_policy("Pods", 4, period_seconds=15)]
    down = [_build_policy("Percent", 10, period_seconds=60), _build_policy("Pods", 1, period_seconds=60)]
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": up},
        "scaleDown": {
            "stabilizationWindowSeconds": min(3600, round(replicas.scale_down_seconds)),  # the API's limit
            "selectPolicy": "Max",
            "policies": down,
        },
    }


def _build_policy(kind: str, value: int, *, period_seconds: int) -> Manifest:
    return {"type": kind, "value": value, "periodSeconds": period_seconds}


def _build_pods_metric(metric: str, average: float) -> Manifest:
    target = {"type": "AverageValue", "averageValue": format_quantity(average)}
    return {"type": "Pods", "pods": {"metric": {"name": metric}, "target": target}}


def _build_resource_metric(name: str, percent: int) -> Manifest:
    return {
        "type": "Resource",
        "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}},
    }
