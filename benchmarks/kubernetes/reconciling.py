"""`reconcile` over fleets of growing size: seconds, and calls to the cluster and to MLflow, idle and with some due."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kubernetes.figures import Row
from benchmarks.kubernetes.fleet import Fleet
from benchmarks.kubernetes.nodes import REPLICAS, pods_ready, run_pods, simulated
from benchmarks.kubernetes.servers import servers, variables
from tests.cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "slipway-bench"
RUN_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many models, and how often each size is looked at."""

    models: tuple[int, ...]
    due: int
    """How many wait for a release, of the largest fleet."""
    rounds: int


def passes(sizes: Sizes, cluster: Cluster, folder: Path) -> Iterator[Row]:
    """Grow a fleet step by step and run `reconcile` over it, in a fresh process each time."""
    most = max(sizes.models)
    with (
        servers(folder) as settings,
        simulated(cluster, REPLICAS * most, folder) as group,
        cluster.namespace(NAMESPACE) as namespace,  # the first to go: somebody must end its pods
    ):
        here = variables(settings) | {"SLIPWAY_KUBE_NAMESPACE": namespace}
        fleet = Fleet(settings, namespace)
        for models in sizes.models:
            run_pods(cluster, namespace, group, fleet.grow(models))
            there = {"models": models, "pods": pods_ready(cluster, namespace, REPLICAS * models)}
            for number in range(sizes.rounds):
                yield {**there, "round": number + 1, **_pass(here)}
        fleet.wait_for_release(fleet.models[: sizes.due])
        for number in range(sizes.rounds):
            yield {**there, "round": number + 1, **_pass(here)}


def _pass(environment: Mapping[str, str]) -> Row:
    return {**_said(environment, "flow"), "parts": _said(environment, "parts")}


def _said(environment: Mapping[str, str], mode: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kubernetes.survey", mode],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
