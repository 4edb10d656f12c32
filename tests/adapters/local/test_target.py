"""The local target with a real supervisord, a real Envoy and small real services."""

import socket

import httpx
import pytest

from slipway.adapters.local.waiting import wait_until
from slipway.domain.rollout.revision import Health, Traffic
from slipway.errors import ArtifactBroken, NotFound, PermanentError
from tests.adapters.local.place import Place


def test_a_revision_starts_gets_traffic_and_is_stopped_after_it_lost_it(place: Place) -> None:
    """The life of a revision: started, ready, routed, refused to stop, routed away, stopped."""
    one, two = place.running("life", 1), place.running("life", 2)

    place.target.set_traffic("life", Traffic(stable=one.name))
    answer = httpx.post(f"{place.url}/life/v2/models/life/infer", content=b"row")
    assert answer.json() == {"revision": "life-v1", "path": "/v2/models/life/infer", "compare": False}
    assert answer.headers["x-slipway-revision"] == "life-v1"
    with pytest.raises(PermanentError, match="100 % of the requests"):
        place.target.stop("life", one.name)

    place.target.set_traffic("life", Traffic(stable=two.name, canary=one.name))
    place.target.stop("life", one.name)
    place.target.stop("life", one.name)

    assert list(place.target.observe("life")) == [two.name]
    assert place.target.read_traffic("life") == Traffic(stable=two.name)
    assert httpx.post(f"{place.url}/life/x", content=b"row").json()["revision"] == "life-v2"


def test_starting_twice_changes_nothing(place: Place) -> None:
    """Start is idempotent: the process is the same one."""
    revision = place.running("twice", 1)
    pid = place.target.supervisor.read_states()[revision.name].pid

    place.target.start(revision)

    assert place.target.supervisor.read_states()[revision.name].pid == pid


def test_a_crash_loop_is_failed_with_the_last_line_of_its_log(place: Place) -> None:
    """A service that ends at once is FAILED; the detail has its exit status and what it said last."""
    revision = place.revision("loop", 1, exit=3)
    place.target.start(revision)
    place.expect(revision, Health.FAILED)

    state = place.target.observe("loop")[revision.name]

    times = "twice" if state.restarts == 1 else f"{state.restarts + 1} times"  # it may have ended again meanwhile
    assert state.detail == f"ended with exit status 3, {times}; last line: the model file is broken"
    assert state.restarts >= 1


def test_a_service_that_is_not_ready_yet_is_starting(place: Place) -> None:
    """No answer to the readiness probe and never any before: STARTING."""
    revision = place.revision("early", 1, never_ready=True)

    place.target.start(revision)

    assert place.target.observe("early")[revision.name].health is Health.STARTING
    place.target.remove("early")


def test_a_revision_over_its_memory_limit_is_failed(place: Place) -> None:
    """Resident memory of the whole process tree counts, at once."""
    revision = place.revision("fat", 1, limit=60, mebibytes=100)
    place.target.start(revision)
    place.expect(revision, Health.FAILED)

    state = place.target.observe("fat")[revision.name]

    assert state.detail.endswith("MiB, allowed 60")
    assert state.memory_mebibytes > 60


def test_a_revision_that_died_comes_back(place: Place) -> None:
    """Killed by someone: the supervisor restarts it; it is READY again, with one restart counted."""
    import os
    import signal

    revision = place.running("phoenix", 1)
    os.kill(place.target.supervisor.read_states()[revision.name].pid, signal.SIGKILL)
    assert wait_until(lambda: place.target.observe("phoenix")[revision.name].restarts == 1, 10)

    place.expect(revision, Health.READY)


def test_a_taken_port_is_left_for_another_one(place: Place) -> None:
    """Someone listens on the port of a revision that does not run: it is started on another one."""
    revision = place.running("port", 1)
    record = place.records.read_model("port")[revision.name]
    place.target.set_traffic("port", Traffic(stable=revision.name))
    place.target.supervisor.remove(revision.name)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((place.host, record.port))
        squatter.listen()

        place.target.start(revision)
        place.expect(revision, Health.READY)

        assert place.records.read_model("port")[revision.name].port != record.port
        assert httpx.post(f"{place.url}/port/x", content=b"row").status_code == 200


def test_unknown_revisions_get_no_traffic(place: Place) -> None:
    """A route to what was not started is refused, and nothing changes."""
    with pytest.raises(NotFound, match="ghost-v1"):
        place.target.set_traffic("ghost", Traffic(stable="ghost-v1"))

    assert place.target.read_traffic("ghost") is None


def test_a_package_that_is_not_there_is_refused(place: Place) -> None:
    """Without its package folder a revision is not started."""
    revision = place.revision("gone", 1)
    (revision.package.path / "service.json").unlink()
    revision.package.path.rmdir()

    with pytest.raises(ArtifactBroken, match="gone-v1"):
        place.target.start(revision)


def test_a_model_is_removed_with_everything(place: Place) -> None:
    """Route and revisions are gone; its path answers 404 and names the models that are there."""
    revision = place.running("away", 1)
    place.target.set_traffic("away", Traffic(stable=revision.name))

    place.target.remove("away")
    place.target.remove("away")

    answer = httpx.post(f"{place.url}/away/x", content=b"row")
    assert place.target.observe("away") == {}
    assert answer.status_code == 404
    assert "no model at this path" in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["slipway/answers", "/slipway/answers", "%73lipway/answers", "x/../slipway/answers", "slipway"]
)
def test_internal_pages_are_not_public(place: Place, path: str) -> None:
    """Envoy answers 404 itself, however the path is spelled."""
    if place.target.read_traffic("hidden") is None:
        place.target.set_traffic("hidden", Traffic(stable=place.running("hidden", 1).name))

    answer = httpx.get(f"{place.url}/hidden/{path}")

    assert answer.status_code == 404
    assert answer.json() == {"error": "this page is not public"}
