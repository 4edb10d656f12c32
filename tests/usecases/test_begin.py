"""The first step of a release: the version, the lease, and what the release before left."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from slipway import wiring
from slipway.domain.release.version import CHALLENGER, CHAMPION, ReleaseState
from slipway.domain.rollout.machine import begin_traffic
from slipway.domain.rollout.status import Phase
from slipway.errors import NotFound, PermanentError
from slipway.usecases.begin import NEWEST, begin_release, clear_previous
from slipway.usecases.leases import keep_lease
from slipway.usecases.roll_out import roll_out_revision
from tests.usecases.conftest import Here
from tests.usecases.test_roll_out import fresh


def test_a_release_begins_with_the_newest_version_or_the_one_that_is_named(
    here: Here, register: Callable[[str], int]
) -> None:
    """By number or alias; an unknown one is an error and leaves the lease free."""
    here.spec("named")
    register("named"), register("named")
    wiring.get_registry().set_alias("named", CHAMPION, 1)

    for version, expected in ((NEWEST, 2), ("1", 1), (CHAMPION, 1)):
        active = begin_release("named", version, 0, "test")
        wiring.get_leases().release(active.lease)
        assert (active.version.version, active.attempt) == (expected, 1)
        assert active.champion is not None
        assert active.champion.version == 1
    with pytest.raises(NotFound):
        begin_release("named", "9", 0, "test")
    with pytest.raises(NotFound, match="unwritten"):
        begin_release("unwritten", NEWEST, 0, "test")
    assert wiring.get_held_leases().find_lease("named") is None


def test_a_release_announces_itself_and_supersedes_the_one_that_is_held(
    here: Here, register: Callable[[str], int]
) -> None:
    """The older one is taken back and recorded as superseded; what it started is gone."""
    spec = here.spec("clear")
    for _ in range(3):
        register("clear")
    roll_out_revision(spec, here.revision("clear", 1), fresh("clear", 1))
    lease = wiring.get_leases().acquire("clear", "clear-v2-a1", 30)
    second = here.place.running("clear", 2)
    held = begin_traffic(replace(fresh("clear", 2), stable=here.status("clear").champion), second, None, time.time())
    held = replace(held, phase=Phase.HELD, held_from=Phase.SHIFTING, stable=here.status("clear").champion)
    wiring.get_rollout_store().save(held, lease)
    wiring.get_leases().release(lease)

    active = begin_release("clear", NEWEST, 0, "test")
    with keep_lease(active.lease, 30):
        clear_previous(active)
        clear_previous(active)

    version = wiring.get_registry().get_version("clear", "3")
    assert (version.state, version.attempt, version.aliases) == (ReleaseState.RELEASING, 1, (CHALLENGER,))
    assert wiring.get_registry().get_version("clear", "2").state is ReleaseState.SUPERSEDED
    assert wiring.get_ledger().read("clear-v2-a1").reason.startswith("superseded by version 3")
    assert list(wiring.get_revisions().observe("clear")) == ["clear-v1"]
    status = here.status("clear")
    assert (status.version, status.phase) == (3, Phase.PENDING)
    assert status.stable is not None
    assert status.stable.name == "clear-v1"


def test_the_version_in_production_is_not_released_again(here: Here, register: Callable[[str], int]) -> None:
    """Another attempt of the champion is refused before anything moves."""
    spec = here.spec("same")
    register("same")
    roll_out_revision(spec, here.revision("same", 1), fresh("same", 1))

    active = begin_release("same", "1", 2, "test")
    with keep_lease(active.lease, 30), pytest.raises(PermanentError, match="version 1 serves already"):
        clear_previous(active)

    assert here.status("same").phase is Phase.SUCCEEDED
