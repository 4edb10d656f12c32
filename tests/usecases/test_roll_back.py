"""A person's rollback, with the target alone and with the registry."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from slipway import wiring
from slipway.adapters.local.waiting import wait_until
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Phase
from slipway.errors import LeaseLost, NotFound
from slipway.usecases.roll_back import roll_back
from slipway.usecases.roll_out import roll_out_revision
from tests.usecases.conftest import Here
from tests.usecases.test_roll_out import fresh


def test_nothing_in_production_is_nothing_to_roll_back(here: Here) -> None:
    """The lease is free again afterwards."""
    here.spec("none")

    with pytest.raises(NotFound, match=r"nothing serves and nothing is under way.*`slipway release none`"):
        roll_back("none", "a person says no")

    assert wiring.get_held_leases().find_lease("none") is None


def test_a_rollback_takes_the_lease_from_a_release_and_its_version_back(
    here: Here, register: Callable[[str], int]
) -> None:
    """The release ends at its next write; the record and the tags say who was taken back and why."""
    spec = here.spec("back", steps=[{"weight_percent": 50, "duration_seconds": 600}], deadline_seconds=600)
    for version in (1, 2):
        assert register("back") == version
    roll_out_revision(spec, here.revision("back", 1), fresh("back", 1))

    with ThreadPoolExecutor(1) as pool:
        released = pool.submit(roll_out_revision, spec, here.revision("back", 2), fresh("back", 2))
        assert wait_until(lambda: here.status("back").phase is Phase.SHIFTING, 60)
        said = roll_back("back", "it refuses valid requests")
        with pytest.raises(LeaseLost):
            released.result(60)

    status = here.status("back")
    assert said == status.reason == "it refuses valid requests"
    assert status.phase is Phase.ROLLED_BACK
    assert wiring.get_router().read_traffic("back").weights == {"back-v1": 100}
    assert wiring.get_registry().get_version("back", "2").state is ReleaseState.ROLLED_BACK
    assert wiring.get_ledger().read("back-v2-a1").reason == "it refuses valid requests"
    assert time.time() - status.entered_at < 60
