"""Places for the local target's tests: a real supervisord, a real Envoy, and small real services."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from slipway.adapters.local.waiting import wait_until
from tests.adapters.local.place import Place


@pytest.fixture(scope="session", autouse=True)
def leaves_nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Check at the end that no process of these tests is left; another session's may run beside them."""
    ours = str(tmp_path_factory.getbasetemp())
    before = {process.pid for process in psutil.process_iter()}
    yield
    marks = ("supervisord", "envoy", "service.py")
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["pid", "cmdline"])
        if process.pid not in before
        and any(mark in part for part in process.info["cmdline"] or [] for mark in marks)
        and ours in " ".join(process.info["cmdline"])
    ]
    assert left == []


@pytest.fixture(scope="session")
def new_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """Give places that are up; all are taken down at the end."""
    places = []

    def make(name: str) -> Place:
        place = Place(tmp_path_factory.mktemp(name))
        places.append(place)
        place.target.start_all()
        assert wait_until(place.target.envoy.is_ready, 20)
        return place

    yield make
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda place: place.target.supervisor.stop(), places))


@pytest.fixture(scope="session")
def place(new_place: Callable[[str], Place]) -> Place:
    """Return the place that most tests share; each uses a model of its own name."""
    return new_place("place")
