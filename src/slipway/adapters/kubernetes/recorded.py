"""Live requests that revisions recorded: the end of their pods' logs, through the API server."""

from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import CONTAINER, Key, select_model
from slipway.adapters.kubernetes.readiness import is_ready, select_staying_pods
from slipway.domain.gates.contract.recorded import RecordedSample, read_samples
from slipway_interface.environment import CAPTURE

PODS = 4
"""Replicas that are read: all get the same kind of requests."""
READ_LINES = 1_000
READ_BYTES = 4 * 2**20
"""Number of last lines of each pod: the whole answer is held in memory."""


class PodRequests:
    """Implements the port RecordedRequests for one namespace of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        """Make no call yet."""
        self._cluster = cluster

    def read_newest(self, model: str, revision: str) -> RecordedSample:
        """Return the newest requests of a revision; see the port. Pods that were deleted meanwhile are left out."""
        pods = self._cluster.list("Pod", f"{select_model(model)},{Key.REVISION}={revision}")
        names = sorted(
            pod["metadata"]["name"]
            for pod in select_staying_pods(pods, revision)
            if is_ready(pod) and _records_requests(pod)
        )
        if not names:
            return RecordedSample()
        logs = (self._cluster.read_log(name, CONTAINER, lines=READ_LINES, size=READ_BYTES) for name in names[:PODS])
        return read_samples(line for log in logs for line in log.splitlines())


def _records_requests(pod: Manifest) -> bool:
    """Return whether a pod records requests."""
    return any(one["name"] == CAPTURE for each in pod["spec"]["containers"] for one in each.get("env") or [])
