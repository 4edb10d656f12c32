"""The cluster's tests share one image, one namespace with a Gateway, and models with names of their own."""

from collections.abc import Iterator

import pytest

from tests.adapters.kubernetes.place import Place, a_place, push_image
from tests.cluster import Cluster, cluster_or_skip


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Return the configured cluster."""
    return cluster_or_skip()


@pytest.fixture(scope="session")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the test service's image, pushed."""
    return push_image(cluster.registry, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def place(cluster: Cluster, image: str) -> Iterator[Place]:
    """Return the namespace that most tests share; each uses a model of its own name."""
    with a_place(cluster, image) as place:
        yield place
