"""The local adapters keep the promises of their ports."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from slipway.adapters.local.labels import LocalLabels
from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.rollouts import LocalRollouts
from slipway.adapters.local.target import LocalTarget
from slipway.domain.judge.readings import Summary
from slipway.domain.rollout.revision import Revision, Traffic
from tests.adapters.local.place import Place
from tests.contract.labels import LabelStoreContract
from tests.contract.metrics import AnswerKindsContract, MetricSourceContract
from tests.contract.rollouts import HeldLeasesContract, LeasesContract, RolloutStoreContract
from tests.contract.target import RevisionsContract, RouterContract


class TestLocalTarget(RevisionsContract, RouterContract):
    """Envoy and supervised processes."""

    @pytest.fixture
    def target(self, place: Place) -> LocalTarget:
        """Return a second view of the shared place."""
        return place.another()

    @pytest.fixture
    def start(self, place: Place) -> Callable[[str, int], Revision]:
        """Start a small real service."""
        return place.running

    @pytest.fixture
    def ask(self, place: Place) -> Callable[[str, int], list[str]]:
        """Ask through the front door."""

        def ask(model: str, times: int) -> list[str]:
            with httpx.Client(base_url=place.url) as client:
                return [client.post(f"/{model}/x", content=b"row").json()["revision"] for _ in range(times)]

        return ask


class TestEnvoyMetrics(MetricSourceContract, AnswerKindsContract):
    """Envoy's own counters."""

    @pytest.fixture
    def metrics(self, place: Place) -> EnvoyMetrics:
        """Read the shared place's Envoy."""
        return EnvoyMetrics(place.home, place.admin_port, place.host)

    @pytest.fixture
    def traffic_of(self, place: Place) -> Callable[[str, int, int], str]:
        """Serve with version 1, ask through the front door."""

        def traffic_of(model: str, good: int, failing: int) -> str:
            revision = place.running(model, 1)
            place.target.set_traffic(model, Traffic(stable=revision.name))
            with httpx.Client(base_url=place.url) as client:
                for body in [b"row"] * good + [b"fail"] * failing:
                    client.post(f"/{model}/x", content=body)
            return revision.name

        return traffic_of

    @pytest.fixture
    def answering(self, place: Place) -> Callable[[str, list[int]], str]:
        """Say in the body which status it is to be."""

        def answering(model: str, statuses: list[int]) -> str:
            revision = place.running(model, 1)
            place.target.set_traffic(model, Traffic(stable=revision.name))
            with httpx.Client(base_url=place.url) as client:
                for status in statuses:
                    client.post(f"/{model}/x", content=f"status {status}")
            return revision.name

        return answering

    @pytest.fixture
    def saying(self, place: Place) -> Callable[[str, Summary], str]:
        """Start a small real service with a summary."""

        def saying(model: str, said: Summary) -> str:
            revision = place.running(model, 1)
            (revision.package.path / "summary.json").write_text(json.dumps(asdict(said)))
            return revision.name

        return saying


class TestLocalRollouts(RolloutStoreContract, LeasesContract, HeldLeasesContract):
    """Files."""

    @pytest.fixture
    def rollouts(self, tmp_path: Path) -> LocalRollouts:
        """Return an empty store."""
        return LocalRollouts(tmp_path)


class TestLocalLabels(LabelStoreContract):
    """SQLite."""

    @pytest.fixture
    def labels(self, tmp_path: Path) -> LocalLabels:
        """Return an empty store."""
        return LocalLabels(tmp_path / "target")
