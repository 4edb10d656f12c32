"""Which pods count: those of a revision that are not on their way out, and those of them that are ready."""

from collections.abc import Iterable

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import REVISION


def staying(pods: Iterable[Manifest], revision: str) -> list[Manifest]:
    """Return the revision's pods that are not on their way out."""
    return [
        pod
        for pod in pods
        if pod["metadata"].get("labels", {}).get(REVISION) == revision and not pod["metadata"].get("deletionTimestamp")
    ]


def is_ready(pod: Manifest) -> bool:
    """Say whether a pod gets requests."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def ready(pods: Iterable[Manifest], revision: str) -> int:
    """Return how many of the revision's pods get requests."""
    return sum(map(is_ready, staying(pods, revision)))
