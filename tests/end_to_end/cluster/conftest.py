"""Rollouts on the cluster. Stories are driven at once, as none disturbs another; each test reads its own."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from slipway.domain.rollout.status import Phase
from tests.cluster import Cluster, cluster_or_skip
from tests.end_to_end.cluster import scaling, stories
from tests.end_to_end.cluster.place import Place, a_place, push_images

LONGER = {"steps": [{"weight_percent": 50, "duration_seconds": 20}]}
"""Time for hands."""
SPECS: dict[str, dict[str, Any]] = {
    **{
        model: {}
        for model in ("story", "broken", "refusing", "blind", "deaf", *(phase.value for phase in stories.KILLED_IN))
    },
    "edited": {"rollout": LONGER},
    "deleted": {"rollout": {"steps": [{"weight_percent": 50, "duration_seconds": 600}]}},  # until it is deleted
    "twice": {"rollout": {"steps": [{"weight_percent": 50, "duration_seconds": 5}], "look_interval_seconds": 1}},
    scaling.MODEL: scaling.SPEC,
    **{f"quiet{number}": {} for number in range(7)},
}
"""Twenty models; all that differs from the usual spec."""
STORIES: dict[str, Callable[[Place], Any]] = {
    "releases": stories.releases,
    "killed": stories.killed,
    "hands": stories.hands,
    "twice": stories.twice,
    "refusals": stories.refusals,
    "scaled": scaling.scaled,
}
"""By the fixture that returns what each of them told."""


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


@pytest.fixture(scope="session")
def first_releases(place: Place) -> dict[str, Any]:
    """Release version 1 of all models at once; return the driver's report. Other stories begin with these."""
    for model, differs in SPECS.items():
        place.spec(model, **differs)
    return place.release_all({model: "slow" if model == scaling.MODEL else "good" for model in SPECS}).finish()


@pytest.fixture(scope="session")
def told(
    request: pytest.FixtureRequest, place: Place, first_releases: dict[str, Any]
) -> Iterator[dict[str, Future[Any]]]:
    """Begin the stories that the chosen tests read, all at once."""
    assert all(end.get("phase") == "succeeded" for end in first_releases["ends"]), first_releases["ends"]
    chosen = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor() as pool:
        yield {name: pool.submit(story, place) for name, story in STORIES.items() if name in chosen}


@pytest.fixture(scope="session")
def releases(told: dict[str, Future[Any]]) -> stories.Releases:
    """Return versions that are good, fail, and can't start."""
    return told["releases"].result()


@pytest.fixture(scope="session")
def killed(told: dict[str, Future[Any]]) -> dict[Phase, stories.Told]:
    """Return rollouts whose driver was killed, by phase."""
    return told["killed"].result()


@pytest.fixture(scope="session")
def hands(told: dict[str, Future[Any]]) -> stories.Hands:
    """Return rollouts that people's hands were in."""
    return told["hands"].result()


@pytest.fixture(scope="session")
def twice(told: dict[str, Future[Any]]) -> stories.Told:
    """Return two releases of one model at once."""
    return told["twice"].result()


@pytest.fixture(scope="session")
def scaled(told: dict[str, Future[Any]]) -> scaling.Scaled:
    """Return a rollout whose load doubled and dropped."""
    return told["scaled"].result()


@pytest.fixture(scope="session")
def refusals(told: dict[str, Future[Any]]) -> stories.Refusals:
    """Return releases that the cluster refused."""
    return told["refusals"].result()


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Return where tests note what they measured; it is written to `figures.json` in pytest's folder."""
    found: dict[str, object] = {}
    yield found
    (tmp_path_factory.getbasetemp() / "figures.json").write_text(json.dumps(found, indent=1))
