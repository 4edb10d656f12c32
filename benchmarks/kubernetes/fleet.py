"""Many models that are all at rest: registered in MLflow, promoted in the cluster, a release spec each."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from slipway.adapters.kubernetes.cluster import Cluster as Api
from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
from slipway.domain.release.record import make_release_id
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.status import Moment, Phase, RolloutStatus
from slipway.settings import Settings

SPEC = Path(__file__).resolve().parents[2] / "deployments" / "models" / "digits.yaml"
"""A spec of a usual length."""
THREADS = 4
LEASE_SECONDS = 30.0
TIMEOUT_SECONDS = 60.0
TAGS = {"slipway.state": "promoted", "slipway.attempt": "1"}


class Fleet:
    """Grows on demand; every model's version 1 was promoted."""

    def __init__(self, settings: Settings) -> None:
        """Make nothing yet."""
        self.models: list[str] = []
        self._specs = settings.models
        base = f"{settings.mlflow}/api/2.0/mlflow/"
        self._mlflow = httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._rollouts = KubernetesRollouts(Api.connect(settings.kube_context, settings.kube_namespace))

    def grow(self, count: int) -> list[str]:
        """Have so many models; return the new ones."""
        new = [f"fleet-{number:04}" for number in range(len(self.models), count)]
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._add, new))
        self.models += new
        return new

    def wait_for_release(self, models: Sequence[str]) -> None:
        """Register a version 2 of some models that nobody begins to release."""
        for model in models:
            self._register(model, 2, {})

    def _add(self, model: str) -> None:
        (self._specs / f"{model}.yaml").write_text(SPEC.read_text().replace("model: digits\n", f"model: {model}\n"))
        self._ask("registered-models/create", {"name": model})
        self._register(model, 1, TAGS)
        self._ask("registered-models/alias", {"name": model, "alias": "champion", "version": "1"})
        lease = self._rollouts.acquire(model, make_release_id(model, 1, 1), LEASE_SECONDS)
        self._rollouts.save(promoted(model), lease)
        self._rollouts.release(lease)

    def _register(self, model: str, version: int, tags: dict[str, str]) -> None:
        listed = [{"key": key, "value": value} for key, value in tags.items()]
        source = f"s3://fleet/{model}/{version}"
        self._ask("model-versions/create", {"name": model, "source": source, "tags": listed})

    def _ask(self, path: str, body: dict[str, Any]) -> None:
        self._mlflow.post(path, json=body).raise_for_status()


def promoted(model: str) -> RolloutStatus:
    """Return the status of a model whose first version got all traffic an hour ago."""
    at, name = time.time() - 3600, f"{model}-v1"
    package = Package(model=model, version=1, path=Path(name), digest="sha256:0", tag=name, runtime="onnx")
    return RolloutStatus(
        model=model,
        version=1,
        release_id=make_release_id(model, 1, 1),
        phase=Phase.SUCCEEDED,
        canary=Revision(name=name, model=model, version=1, package=package),
        weight_percent=100,
        started_at=at,
        entered_at=at,
        heartbeat_at=at,
        reason="the first version",
        timeline=(Moment(at=at, phase=Phase.SUCCEEDED, weight_percent=100, reason="the first version"),),
    )
