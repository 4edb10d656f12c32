"""A registry with a runtime in it, so that packages can be pushed without a builder."""

from collections.abc import Iterator

import pytest

from tests.adapters.oci import place


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the HOST:PORT of a registry that has the runtime of `place.package`."""
    folder = tmp_path_factory.mktemp("registry")
    with place.registry(folder) as host:
        place.put_runtime(host, folder, place.package(folder))
        yield host
