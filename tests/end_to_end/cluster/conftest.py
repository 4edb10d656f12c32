"""Rollouts on the cluster. Stories are driven at once, as none disturbs another; each test reads its own."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster import Cluster, cluster_or_skip
from tests.end_to_end.cluster import scaling, stories
from tests.end_to_end.cluster.place import Place, a_place, push_images

LONGER = {"steps": [{"weight_percent": 50, "duration_seconds": 8}]}
"""Time for hands."""
SPECS: dict[str, dict[str, Any]] = {
    **{model: {} for model in ("story", "broken", "blind", "deaf", *(phase.value for phase in stories.KILLED_IN))},
    "edited": {"rollout": LONGER},
    "deleted": {"rollout": LONGER},
    "twice": {"rollout": {"steps": [{"weight_percent": 50, "duration_seconds": 5}], "look_interval_seconds": 1}},
    scaling.MODEL: scaling.SPEC,
    **{f"quiet{number}": {} for number in range(8)},
}
"""Twenty models; all that differs from the usual spec."""


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
def other_place(cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return a namespace where what is refused to one disturbs nobody."""
    with a_place(cluster, images, tmp_path_factory.mktemp("other")) as place:
        yield place


@pytest.fixture(scope="session")
def told(
    request: pytest.FixtureRequest, place: Place, first_releases: dict[str, Any]
) -> Iterator[dict[str, Future[Any]]]:
    """Begin the stories that the chosen tests read, all at once."""
    assert all(end.get("phase") == "succeeded" for end in first_releases["ends"]), first_releases["ends"]
    chosen = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    mine = {"releases": stories.releases, "killed": stories.killed, "hands": stories.hands, "twice": stories.twice}
    begun = {**mine, "scaled": scaling.scaled}
    with ThreadPoolExecutor() as pool:
        futures = {name: pool.submit(story, place) for name, story in begun.items() if name in chosen}
        if "refusals" in chosen:
            futures["refusals"] = pool.submit(stories.refusals, request.getfixturevalue("other_place"))
        yield futures


@pytest.fixture(scope="session")
def releases(told: dict[str, Future[Any]]) -> Any:  # noqa: ANN401 - each story tells what it saw; here and below
    """Return versions that are good, fail, and can't start."""
    return told["releases"].result()


@pytest.fixture(scope="session")
def killed(told: dict[str, Future[Any]]) -> Any:  # noqa: ANN401
    """Return rollouts whose driver was killed, by phase."""
    return told["killed"].result()


@pytest.fixture(scope="session")
def hands(told: dict[str, Future[Any]]) -> Any:  # noqa: ANN401
    """Return rollouts that people's hands were in."""
    return told["hands"].result()


@pytest.fixture(scope="session")
def twice(told: dict[str, Future[Any]]) -> Any:  # noqa: ANN401
    """Return two releases of one model at once."""
    return told["twice"].result()


@pytest.fixture(scope="session")
def scaled(told: dict[str, Future[Any]]) -> Any:  # noqa: ANN401
    """Return a rollout whose load doubled and dropped."""
    return told["scaled"].result()


@pytest.fixture(scope="session")
def refusals(told: dict[str, Future[Any]]) -> Any:  # noqa: ANN401
    """Return releases that the cluster refused."""
    return told["refusals"].result()


@pytest.fixture(scope="session")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Return where tests note what they measured; it is written to `figures.json` in pytest's folder."""
    found: dict[str, object] = {}
    yield found
    (tmp_path_factory.getbasetemp() / "figures.json").write_text(json.dumps(found, indent=1))
