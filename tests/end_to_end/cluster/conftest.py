"""Rollouts on the cluster: what the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster, cluster_or_skip
from tests.end_to_end.cluster.place import Place, a_place, push_images


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """Return the configured cluster."""
    return cluster_or_skip()


@pytest.fixture(scope="session")
def images(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the test service's images by how they are made, pushed."""
    return push_images(cluster.registry, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def place(cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return the namespace that most rollouts share; each has a model of its own name."""
    with a_place(cluster, images, tmp_path_factory.mktemp("place")) as place:
        yield place
