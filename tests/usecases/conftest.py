"""Use cases on the local adapters: a real Envoy with small real services, real files, and a real MLflow server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from slipway import wiring
from slipway.adapters.local.labels import LocalLabels
from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.rollouts import LocalRollouts
from slipway.adapters.local.waiting import wait_until
from slipway.domain.rollout.revision import Revision
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.settings import settings
from slipway.usecases.active_release import find_release_spec
from tests.adapters.local.place import HOST, Place
from tests.adapters.mlflow.conftest import Server, server

__all__ = ["server"]  # pytest finds the fixture here

QUICK: dict[str, Any] = {
    "shadow": None,
    "steps": [{"weight_percent": 50, "duration_seconds": 1}],
    "look_interval_seconds": 0.2,
    "deadline_seconds": 1,
    "ready_timeout_seconds": 60,
    "lease_seconds": 3,
    "bake_seconds": 0,
    "hold_back_percent": 0,
}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return a target that is up; each test uses a model of its own name."""
    place = Place(tmp_path_factory.mktemp("place"))
    place.target.start_all()
    assert wait_until(place.target.envoy.is_ready, 30)
    yield place
    place.target.supervisor.stop()


@dataclass(frozen=True, kw_only=True)
class Here:
    """This machine as use cases find it, and ways to set it up."""

    place: Place
    models: Path

    def spec(self, model: str, **rollout: Any) -> ReleaseSpec:  # noqa: ANN401 - keys of a document
        """Write a model's release spec and return it as use cases read it."""
        document = {"model": model, "data": {"path": "rows.csv", "label": "y"}, "rollout": QUICK | rollout}
        (self.models / f"{model}.yaml").write_text(yaml.safe_dump(document))
        return find_release_spec(model)

    def revision(self, model: str, version: int, **behaviour: object) -> Revision:
        """Return a revision that behaves so."""
        return self.place.revision(model, version, **behaviour)

    def status(self, model: str) -> RolloutStatus:
        """Return the model's rollout as it is stored."""
        status = wiring.get_rollout_store().load(model)
        assert status is not None
        return status


@pytest.fixture
def here(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Let use cases find the place, and specs in a folder of their own."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "rows.csv").write_text("x,y\n1,0\n")
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_MODELS", str(models))
    monkeypatch.setenv("SLIPWAY_PREFECT_API", "http://127.0.0.1:1/api")
    settings.cache_clear()
    rollouts, labels = LocalRollouts(place.home), LocalLabels(place.home)
    metrics = EnvoyMetrics(place.home, place.admin_port, HOST)
    found = {
        "get_revisions": place.target,
        "get_router": place.target,
        "get_scaler": None,
        "get_rollout_store": rollouts,
        "get_leases": rollouts,
        "get_held_leases": rollouts,
        "get_label_store": labels,
        "get_metric_source": metrics,
    }
    for port, adapter in found.items():
        monkeypatch.setattr(wiring, port, lambda adapter=adapter: adapter)
    yield Here(place=place, models=models)
    settings.cache_clear()


@pytest.fixture
def register(server: Server, here: Here, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Let use cases find a real MLflow server; return a function that registers a model's next version there."""
    from slipway.adapters.mlflow.ledger import MlflowLedger
    from slipway.adapters.mlflow.registry import MlflowRegistry

    monkeypatch.setenv("SLIPWAY_MLFLOW_URI", server.uri)
    settings.cache_clear()
    registry, ledger = MlflowRegistry(server.uri, 30), MlflowLedger(server.uri, 30)
    monkeypatch.setattr(wiring, "get_registry", lambda: registry)
    monkeypatch.setattr(wiring, "get_ledger", lambda: ledger)
    client = mlflow.MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)

    def register(model: str) -> int:
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model)
        return int(client.create_model_version(model, f"s3://{here.models.name}/{model}").version)

    return register
