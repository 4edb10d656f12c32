"""The whole of it on a real cluster: installed by Helm, a flow started from outside, run as a Job to its end.

Takes minutes and a worker image that was built and pushed: only with SLIPWAY_SLOW=1 and SLIPWAY_WORKER_IMAGE=NAME:TAG.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from slipway.adapters.prefect.orchestrator import PrefectOrchestrator
from tests.cluster import Cluster, cluster_or_skip
from tests.deployments.rendering import CHART, ROOT, Document, helm_or_skip

pytestmark = pytest.mark.skipif(
    not (os.environ.get("SLIPWAY_SLOW") and os.environ.get("SLIPWAY_WORKER_IMAGE")),
    reason="takes minutes: SLIPWAY_SLOW=1 and SLIPWAY_WORKER_IMAGE=NAME:TAG run it",
)
SERVER_SECONDS = 120.0
FLOW_SECONDS = 240.0
PREFECT_PORT, MLFLOW_PORT = 4718, 5518


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Slipway, installed."""

    cluster: Cluster
    namespace: str
    prefect: str
    """Its server's API."""


@contextmanager
def server(log: Path, healthy: str, *words: str, **variables: str) -> Iterator[None]:
    """Run a server of the embedded stack until the end; return once it answers."""
    with log.open("w") as out:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env={**os.environ, **variables})
        try:
            ends = time.monotonic() + SERVER_SECONDS
            while not answers(healthy):
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < ends, f"{healthy} does not answer"
                threading.Event().wait(0.3)
            yield
        finally:
            process.terminate()
            process.wait(30)


def answers(address: str) -> bool:
    """Say whether a GET is answered well."""
    try:
        return httpx.get(address, timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Run Prefect and MLflow on this machine, install the chart beside them, and take all of it away again."""
    cluster, folder = cluster_or_skip(), tmp_path_factory.mktemp("servers")
    prefect, mlflow = f"http://{cluster.host}:{PREFECT_PORT}/api", f"http://{cluster.host}:{MLFLOW_PORT}"
    orchestrator = ("slipway.stack.prefect_server", "--host", cluster.host, "--port", str(PREFECT_PORT))
    database, artifacts = f"sqlite:///{folder / 'mlflow.db'}", str(folder / "artifacts")
    registry = ("slipway.stack.mlflow_server", database, artifacts, cluster.host, str(MLFLOW_PORT))
    allowed = f"{cluster.host}:{MLFLOW_PORT}"
    with (
        server(folder / "prefect.log", f"{prefect}/health", *orchestrator, PREFECT_HOME=str(folder / "prefect")),
        server(folder / "mlflow.log", f"{mlflow}/health", *registry, MLFLOW_SERVER_ALLOWED_HOSTS=allowed),
        cluster.namespace("slipway-chart-slow") as namespace,
    ):
        cluster.kubectl("-n", namespace, "create", "secret", "generic", "hook", "--from-literal=webhook-secret=s3cret")
        install(namespace, values(cluster, prefect, mlflow))
        yield Release(cluster=cluster, namespace=namespace, prefect=prefect)
        subprocess.run([helm_or_skip(), "uninstall", "demo", "-n", namespace, "--wait"], check=True, timeout=120)


def values(cluster: Cluster, prefect: str, mlflow: str) -> Document:
    """Return the values for servers on this machine."""
    repository, _, tag = os.environ["SLIPWAY_WORKER_IMAGE"].rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "mlflow": {"uri": mlflow},
        "prefect": {"api": prefect},
        "prometheus": cluster.prometheus,
        "registry": {"address": cluster.registry, "insecure": True},
        "webhook": {"existingSecret": "hook"},
        "worker": {"pollSeconds": 1},
        "flows": {"everySeconds": 3600, "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}}},
        "extraEnv": {"NO_PROXY": cluster.host},
    }


def install(namespace: str, given: Document) -> None:
    """Install the chart and wait until everything is ready and registered."""
    command = [helm_or_skip(), "install", "demo", str(CHART), "-n", namespace, "-f", "-", "--wait", "--timeout", "8m"]
    done = subprocess.run(
        command, input=yaml.safe_dump(given), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(900)
def test_a_flow_started_from_outside_runs_as_a_job_to_its_end(release: Release) -> None:
    """`reconcile` goes through Prefect, the worker and a Job of the release's namespace, with the flows' account."""
    orchestrator = PrefectOrchestrator(release.prefect)

    state = orchestrator.wait_for_run(orchestrator.submit_run("reconcile", {}, "from-outside"), FLOW_SECONDS)

    jobs = yaml.safe_load(release.cluster.kubectl("-n", release.namespace, "get", "jobs", "-o", "yaml"))["items"]
    accounts = {job["spec"]["template"]["spec"]["serviceAccountName"] for job in jobs}
    assert state == "Completed"
    assert accounts == {"demo-slipway-flows"}


@pytest.mark.timeout(900)
def test_the_receiver_refuses_what_is_not_signed(release: Release) -> None:
    """Deliveries come in through the Service, and are checked."""
    where = ("-n", release.namespace, "get", "service", "demo-slipway-webhook", "-o", "jsonpath={.spec.clusterIP}")
    address = f"http://{release.cluster.kubectl(*where)}:8790/webhooks/mlflow"

    answer = httpx.post(address, json={}, timeout=10, trust_env=False)

    assert answer.status_code == httpx.codes.UNAUTHORIZED
