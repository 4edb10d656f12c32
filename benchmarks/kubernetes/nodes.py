"""Simulated nodes, and pods that seem to run on them: kwok answers for them, nothing is started."""

import json
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.kubernetes.servers import ended
from tests.adapters.kubernetes.place import until
from tests.cluster import Cluster

PREFIX = "slipway-bench"
PODS_PER_NODE = 300
REPLICAS = 2
READY_SECONDS = 60
HEARTBEATS = "--node-lease-duration-seconds=40"
"""Without them the nodes count as lost after a while."""
LABEL = "slipway.dev/simulated"
"""Of the nodes, and their taint: no pod of others goes there, and ours go nowhere else."""
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": str(PODS_PER_NODE)}


@contextmanager
def simulated(cluster: Cluster, count: int, folder: Path) -> Iterator[str]:
    """Add nodes for so many pods and return what they are called; they are gone afterwards, and what simulates them."""
    group = f"{PREFIX}-{uuid.uuid4().hex[:6]}"
    names = [f"{group}-{number}" for number in range(1, -(-count // PODS_PER_NODE) + 1)]
    # refused at once by this address, where metrics-server would wait for an answer by another
    words = ["kwok", f"--manage-nodes-with-label-selector={LABEL}={group}", "--node-ip=127.0.0.1", HEARTBEATS]
    with (folder / "kwok.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
    try:
        cluster.kubectl("apply", "-f", "-", given=_listed(_node(name, group) for name in names))
        cluster.kubectl("wait", "node", "-l", f"{LABEL}={group}", "--for=condition=Ready", "--timeout=60s")
        yield group
    finally:
        cluster.kubectl("delete", "node", *names, "--ignore-not-found")
        ended(process)


def run_pods(cluster: Cluster, namespace: str, group: str, models: Sequence[str]) -> None:
    """Have two pods per model on the simulated nodes, and a route each."""
    made = [manifest for model in models for manifest in (_deployment(model, group), _route(model))]
    cluster.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", given=_listed(made))


def pods_ready(cluster: Cluster, namespace: str, wanted: int) -> int:
    """Wait for that many ready pods, and return how many there are when the time is over."""
    seen = [0]

    def all_there() -> bool:
        said = cluster.kubectl("-n", namespace, "get", "deployment", "-o", "jsonpath={.items[*].status.readyReplicas}")
        seen.append(sum(map(int, said.split())))
        return seen[-1] >= wanted

    until(all_there, READY_SECONDS)
    return seen[-1]


def _node(name: str, group: str) -> dict[str, Any]:
    taint = {"key": LABEL, "value": group, "effect": "NoSchedule"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {LABEL: group}, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": [taint]},
        "status": {"allocatable": CAPACITY, "capacity": CAPACITY},
    }


def _deployment(model: str, group: str) -> dict[str, Any]:
    labels = {"slipway.dev/model": model, "slipway.dev/revision": f"{model}-v1"}
    pod = {
        "nodeSelector": {LABEL: group},
        "tolerations": [{"key": LABEL, "operator": "Exists"}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "model", "image": "simulated"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{model}-v1", "labels": labels},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _route(model: str) -> dict[str, Any]:
    """Return a route as a promoted model has it, of a Gateway that is not there: no traffic comes by it."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/{model}"}}],
        "backendRefs": [{"name": f"{model}-v1", "port": 3000, "weight": 100}],
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": model, "labels": {"slipway.dev/model": model}},
        "spec": {"parentRefs": [{"name": "models"}], "rules": [rule]},
    }


def _listed(manifests: Any) -> str:  # noqa: ANN401 - any iterable of objects
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
