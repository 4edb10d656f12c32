"""Whole releases into the cluster's traffic: MLflow, Prefect, all gates, image, rollout; lead time by stage."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.kubernetes.figures import Row
from demo.lead_time import lead_time
from slipway.adapters.mlflow.ledger import MlflowLedger
from slipway.adapters.mlflow.registry import MlflowRegistry
from slipway.domain.release.record import make_release_id
from slipway.domain.release.version import ReleaseState
from tests.adapters.kubernetes.place import GATEWAY
from tests.cluster import Cluster
from tests.end_to_end.conftest import Sent, Stack, registering, running, sending

NAMESPACE = "slipway-bench"
MODEL = "digits-bench"
SERVING: dict[str, object] = {"cpu": 0.05, "memory_mebibytes": 512}
READY_SECONDS = 120
TIMEOUT_SECONDS = 30.0


class Folders:
    """Folders for a stack, as pytest's factory makes them."""

    def __init__(self, under: Path) -> None:
        """Keep where."""
        self._under = under

    def mktemp(self, name: str) -> Path:
        """Make one."""
        path = self._under / name
        path.mkdir()
        return path


def releases(count: int, cluster: Cluster, folder: Path) -> Iterator[Row]:
    """Release version 1, then so many more, each over a serving one and under load."""
    with cluster.namespace(NAMESPACE) as namespace:
        cluster.kubectl("apply", "-n", namespace, "-f", "-", given=GATEWAY)
        factory: Any = Folders(folder)
        with running(factory, _settings(cluster, namespace), front_door=cluster.gateway) as stack:
            stack.spec(MODEL, serving=SERVING, ready_timeout_seconds=READY_SECONDS)
            register = registering(stack)
            register(MODEL, 1)
            stack.slipway("release", MODEL)
            yield _row(stack, 1, Sent())
            for version in range(2, count + 2):
                with sending(stack)(MODEL) as sent:
                    register(MODEL, 2)
                    stack.slipway("release", MODEL)
                yield _row(stack, version, sent)


def _settings(cluster: Cluster, namespace: str) -> dict[str, str]:
    base_image = os.environ.get("CLUSTER_BASE_IMAGE", f"{cluster.registry}/library/python:3.11-slim")
    return {
        "SLIPWAY_TARGET": "kubernetes",
        "SLIPWAY_KUBE_NAMESPACE": namespace,
        "SLIPWAY_KUBE_GATEWAY": f"{namespace}/models",
        "SLIPWAY_PROMETHEUS": cluster.prometheus,
        "SLIPWAY_REGISTRY": f"{cluster.registry}/slipway-bench",
        "SLIPWAY_REGISTRY_INSECURE": "true",
        "SLIPWAY_BASE_IMAGE": base_image,
    }


def _row(stack: Stack, version: int, sent: Sent) -> Row:
    record = MlflowLedger(stack.mlflow, TIMEOUT_SECONDS).read(make_release_id(MODEL, version, 1))
    if record.state is not ReleaseState.PROMOTED:
        raise AssertionError(f"version {version}: {record.state}: {record.reason}")
    registered = MlflowRegistry(stack.mlflow, TIMEOUT_SECONDS).get_version(MODEL, str(version))
    took = lead_time(record, registered.created_at)
    return {
        "version": version,
        "lead_time_seconds": took.total,
        "evidence_seconds": took.evidence,
        "stages": took.stages,
        "sent": sent.sent,
        "lost": len(sent.lost),
        "failed": sum(sent.failed.values()),
    }
