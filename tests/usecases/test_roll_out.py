"""Rollouts driven by the use cases alone: no orchestrator, no registry."""

import time

import httpx

from slipway import wiring
from slipway.domain.release.lifecycle import new_status
from slipway.domain.release.version import ModelVersion
from slipway.domain.rollout.machine import begin_traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.usecases.roll_out import roll_out_revision
from tests.usecases.conftest import Here


def fresh(model: str, version: int) -> RolloutStatus:
    """Return the status that a release of a version begins with."""
    return new_status(
        ModelVersion(model=model, version=version, source=""), f"{model}-v{version}-a1", time.time(), None
    )


def test_a_first_version_gets_all_requests_and_a_broken_second_one_none(here: Here) -> None:
    """The first has nothing to be compared with; the second never becomes ready and is taken back."""
    spec = here.spec("two")

    first = roll_out_revision(spec, here.revision("two", 1), fresh("two", 1))
    second = roll_out_revision(spec, here.revision("two", 2, exit=3), fresh("two", 2))

    assert first.phase is Phase.SUCCEEDED
    assert second.phase is Phase.ROLLED_BACK
    assert "two-v2 failed: ended with exit status 3" in second.reason
    assert httpx.post(f"{here.place.url}/two/x", content=b"row").headers["x-slipway-revision"] == "two-v1"
    assert list(wiring.get_revisions().observe("two")) == ["two-v1"]
    assert wiring.get_held_leases().find_lease("two") is None


def test_a_rollout_that_was_interrupted_continues_from_its_status(here: Here) -> None:
    """Another process finds it where it was left: the version is started once more or found, never twice."""
    spec = here.spec("again")
    revision = here.revision("again", 1)
    lease = wiring.get_leases().acquire("again", "again-v1-a1", 1)
    begun = begin_traffic(fresh("again", 1), revision, None, time.time())
    wiring.get_rollout_store().save(begun, lease)
    wiring.get_revisions().start(revision)
    wiring.get_leases().release(lease)

    done = roll_out_revision(spec, revision, fresh("again", 1))

    assert done.phase is Phase.SUCCEEDED
    assert done.started_at == begun.started_at
    assert wiring.get_revisions().observe("again")["again-v1"].restarts == 0
