"""A namespace of the cluster in which whole rollouts are driven by processes of their own."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from slipway.adapters.kubernetes.cluster import Cluster as Api
from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from tests.adapters.kubernetes.place import GATEWAY, as_slipway, forget, until
from tests.cluster import Cluster
from tests.end_to_end.cluster.load import Load

ROOT = Path(__file__).resolve().parents[3]
IMAGE = Path(__file__).parent / "image"
MADE = ("good", "fails", "refuses", "slow", "exits", "hungry")
"""How the test service's images are made; see image/service.py."""
ROLLOUT: dict[str, Any] = {
    "shadow": None,
    "steps": [{"weight_percent": 50, "duration_seconds": 3}],
    "look_interval_seconds": 0.5,
    "ready_timeout_seconds": 60,
    "deadline_seconds": 60,
    "bake_seconds": 1,
    "hold_back_percent": 0,
    "lease_seconds": 10,
}
JUDGE: dict[str, Any] = {**{one: {"negligible": 0.1} for one in ("errors", "refused", "shed")}, "latency": None}
SERVING: dict[str, Any] = {"cpu": 0.02, "memory_mebibytes": 64, "grace_seconds": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A process that drives rollouts."""

    process: subprocess.Popen[bytes]
    report: Path
    log: Path

    def kill(self) -> None:
        """End it as a machine that loses power would."""
        self.process.kill()
        self.process.wait(10)

    def finish(self, seconds: float = 240) -> dict[str, Any]:
        """Wait for its end and return what it reported: `ends` (one per job), `calls`, `seconds`."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        assert code == 0, f"the driver did not end well ({code}):\n{self.log.read_text()[-4000:]}"
        return dict(json.loads(self.report.read_text()))

    def end(self, seconds: float = 240) -> dict[str, str]:
        """Wait for its end and return what came of its only job."""
        (end,) = self.finish(seconds)["ends"]
        return dict(end)


@dataclass
class Place:
    """A namespace with a Gateway, an account with the rights of `rights.py`, and drivers that use it."""

    cluster: Cluster
    namespace: str
    images: Mapping[str, str]
    folder: Path
    api: Api
    """As that account."""
    drivers: list[Driver] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look through the same adapters as drivers do."""
        self.target = KubernetesTarget(self.api, route="gateway", gateway=f"{self.namespace}/models")
        self.rollouts = KubernetesRollouts(self.api)

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl in the namespace, as the cluster's administrator."""
        return self.cluster.kubectl("-n", self.namespace, *words, given=given)

    def spec(
        self,
        model: str,
        rollout: Mapping[str, Any] | None = None,
        serving: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a model's release spec: quick, and judged by errors alone."""
        document = {
            "model": model,
            "data": {"path": "rows.csv", "label": "truth"},
            "rollout": {**ROLLOUT, **(rollout or {})},
            "judge": JUDGE,
            "serving": {**SERVING, **(serving or {})},
        }
        path = self.models(model) / "spec.yaml"
        path.write_text(yaml.safe_dump(document))

    def release(
        self, model: str, version: int, made: str = "good", environment: Mapping[str, str] | None = None
    ) -> Driver:
        """Start a driver that releases a version; again with the same words: another that goes on with it."""
        job = {"model": model, "version": version, "image": self.images[made]}
        return self.start([job], {**self.environment(self.models(model)), **(environment or {})})

    def release_all(self, made: Mapping[str, str]) -> Driver:
        """Start one driver that releases version 1 of several models, by how they are made, at once."""
        together = self.models("together")
        for model in made:
            (together / f"{model}.yaml").write_text((self.models(model) / "spec.yaml").read_text())
        jobs = [{"model": model, "version": 1, "image": self.images[how]} for model, how in made.items()]
        return self.start(jobs, self.environment(together))

    def take_back(self, model: str, reason: str) -> Driver:
        """Start a driver that takes back what is under way, as a person asks for it."""
        return self.start([{"model": model, "undo": reason}], self.environment(self.models(model)))

    def start(self, jobs: Sequence[Mapping[str, Any]], environment: Mapping[str, str]) -> Driver:
        """Start a driver."""
        name = uuid.uuid4().hex[:8]
        report, log = (self.folder / f"driver-{name}.{kind}" for kind in ("json", "log"))
        with log.open("wb") as lines:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.end_to_end.cluster.driver", json.dumps(jobs), str(report)],
                cwd=ROOT,
                env=environment,
                stdout=lines,
                stderr=subprocess.STDOUT,
            )
        driver = Driver(process=process, report=report, log=log)
        self.drivers.append(driver)
        return driver

    def environment(self, models: Path) -> dict[str, str]:
        """Return the environment of a process that uses this place."""
        settings = {
            "SLIPWAY_TARGET": "kubernetes",
            "SLIPWAY_HOME": str(self.folder / "home"),
            "SLIPWAY_MODELS": str(models),
            "SLIPWAY_KUBE_NAMESPACE": self.namespace,
            "SLIPWAY_KUBE_GATEWAY": f"{self.namespace}/models",
            "SLIPWAY_PROMETHEUS": self.cluster.prometheus,
        }
        return {**os.environ, **settings, "KUBECONFIG": self._kubeconfig}

    def load(self, model: str, per_second: float = 20) -> Load:
        """Return requests to a model that serves already."""
        return Load(self.cluster.gateway, model, per_second)

    def status(self, model: str) -> RolloutStatus:
        """Return a rollout's status, as it is written."""
        status = self.rollouts.load(model)
        assert status is not None, model
        return status

    def traffic(self, model: str) -> Traffic:
        """Return how a model's requests are shared."""
        traffic = self.target.read_traffic(model)
        assert traffic is not None, model
        return traffic

    def until(self, what: str, holds: Callable[[], object], seconds: float = 60) -> None:
        """Wait until a condition holds."""
        assert until(holds, seconds), f"{what}: not within {seconds:g} s"

    def until_in(self, model: str, version: int, phase: Phase, seconds: float = 60) -> None:
        """Wait until a version's rollout is in a phase."""

        def arrived() -> bool:
            status = self.status(model)
            assert status.version < version or not status.phase.terminal, f"{model}: {status.phase}: {status.reason}"
            return status.version == version and status.phase is phase

        self.until(f"{model}-v{version} {phase}", arrived, seconds)

    def left_of(self, label: str) -> list[str]:
        """Return the names of everything in the namespace with a label."""
        kinds = "all,hpa,pdb,networkpolicy,httproute,grpcroute,configmap,lease,endpointslice"
        return self.kubectl("get", kinds, "-l", label, "-o", "name").split()

    def models(self, name: str) -> Path:
        """Return a folder of release specs."""
        folder = self.folder / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def _kubeconfig(self) -> str:
        config = yaml.safe_load(self.cluster.kubectl("config", "view", "--raw", "--minify", "--flatten"))
        config["users"][0]["user"] = {"token": self.kubectl("create", "token", self.namespace).strip()}
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return str(path)


@contextmanager
def a_place(
    cluster: Cluster, images: Mapping[str, str], folder: Path, prefix: str = "slipway-rollouts"
) -> Iterator[Place]:
    """Make a namespace to drive rollouts in; all of it is gone afterwards, drivers too."""
    with cluster.namespace(prefix) as namespace:
        try:
            api = Api(as_slipway(cluster, namespace), namespace)
            place = Place(cluster=cluster, namespace=namespace, images=images, folder=folder, api=api)
            place.kubectl("apply", "-f", "-", given=GATEWAY)
            try:
                yield place
            finally:
                for driver in place.drivers:
                    driver.kill()
        finally:
            forget(cluster, namespace)


def push_images(registry: str, folder: Path) -> dict[str, str]:
    """Build and push the test service's images; return them by how they are made, by digest."""
    return {made: _push(registry, made, folder / made) for made in MADE}


def _push(registry: str, made: str, context: Path) -> str:
    name, digest = f"{registry}/slipway-test-rollouts:{made}", context / "digest"
    shutil.copytree(IMAGE, context)
    (context / "made").write_text(made)
    build = ["buildah", "bud", "-q", "--layers", "--isolation", "chroot", "--network", "host", "--tls-verify=false"]
    _run(*build, "--build-arg", f"BASE={registry}/library/python:3.11-slim", "-t", name, str(context))
    _run("buildah", "push", "-q", "--tls-verify=false", "--digestfile", str(digest), name)
    return f"{name.rpartition(':')[0]}@{digest.read_text().strip()}"


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
