"""The Kubernetes adapters keep the promises of their ports, on a real cluster."""

from collections.abc import Callable

import pytest

from slipway.adapters.kubernetes.rollouts import KubernetesRollouts
from slipway.adapters.kubernetes.target import KubernetesTarget
from slipway.domain.rollout.revision import Revision
from tests.adapters.kubernetes.place import Place
from tests.contract.rollouts import LeasesContract, RolloutStoreContract
from tests.contract.target import TargetContract


class TestKubernetesTarget(TargetContract):
    """Deployments behind a Gateway."""

    @pytest.fixture
    def target(self, place: Place) -> KubernetesTarget:
        """Return a second view of the shared namespace."""
        return place.another()

    @pytest.fixture
    def start(self, place: Place) -> Callable[[str, int], Revision]:
        """Start a small real service."""
        return place.running

    @pytest.fixture
    def ask(self, place: Place) -> Callable[[str, int], list[str]]:
        """Ask through the gateway."""
        return place.ask


class TestKubernetesRollouts(RolloutStoreContract, LeasesContract):
    """ConfigMaps and Leases."""

    @pytest.fixture
    def rollouts(self, place: Place) -> KubernetesRollouts:
        """Return a second view of the shared namespace."""
        return KubernetesRollouts(place.api)
