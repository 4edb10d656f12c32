"""A Prefect server and storage of their own for the tests of tasks."""

from collections.abc import Iterator

import pytest
from prefect.testing.utilities import prefect_test_harness


@pytest.fixture(scope="session", autouse=True)
def prefect() -> Iterator[None]:
    """Give these tests a Prefect server."""
    with prefect_test_harness(server_startup_timeout=120):
        yield
