"""Which pods count: those of a revision that are not being deleted, and those of them that are ready."""

from collections.abc import Iterable
from datetime import datetime

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import Key


def select_staying_pods(pods: Iterable[Manifest], revision: str) -> list[Manifest]:
    """Return the revision's pods that are not being deleted."""
    return [
        pod
        for pod in pods
        if pod["metadata"].get("labels", {}).get(Key.REVISION) == revision
        and not pod["metadata"].get("deletionTimestamp")
    ]


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod gets requests."""
    return read_ready_since(pod) is not None


def read_ready_since(pod: Manifest) -> float | None:
    """Return since when a pod gets requests, Unix seconds, rounded down; None: it does not."""
    conditions = pod.get("status", {}).get("conditions") or []
    ready_ones = (one for one in conditions if one["type"] == "Ready" and one["status"] == "True")
    return next((parse_unix_seconds(one.get("lastTransitionTime")) for one in ready_ones), None)


def parse_unix_seconds(stamp: str | None) -> float:
    """Return a time of the API server as Unix seconds.

    >>> parse_unix_seconds("1970-01-01T00:01:00Z"), parse_unix_seconds(None)
    (60.0, 0.0)
    """
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0


def count_ready_pods(pods: Iterable[Manifest], revision: str) -> int:
    """Return how many of the revision's pods get requests."""
    return sum(map(is_ready, select_staying_pods(pods, revision)))
