"""The lease: one release at a time moves a model's traffic."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from slipway import wiring
from slipway.adapters.local.waiting import wait_until
from slipway.domain.release.lifecycle import new_status
from slipway.domain.release.version import ModelVersion
from slipway.errors import LeaseLost, PermanentError
from slipway.usecases.leases import keep_lease, take_lease
from tests.usecases.conftest import Here


def test_a_newer_release_asks_for_room_and_waits_for_the_lease(here: Here) -> None:
    """The one that holds it learns which version waits; once it gives the lease back, the newer one has it."""
    spec = here.spec("room")
    first = wiring.get_leases().acquire("room", "room-v1-a1", 60)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(take_lease, spec, 2, "room-v2-a1")
        assert wait_until(lambda: _asked("room") == 2, 20)
        wiring.get_leases().release(first)
        second = waiting.result(20)

    assert (second.holder, second.token) == ("room-v2-a1", first.token + 1)


def test_a_release_that_queues_asks_nobody_to_make_room(here: Here) -> None:
    """With `while_busy: queue` it waits for the end of the one before."""
    spec = here.spec("queue", while_busy="queue")
    first = wiring.get_leases().acquire("queue", "queue-v1-a1", 1)

    second = take_lease(spec, 2, "queue-v2-a1")

    assert second.token == first.token + 1
    assert second.superseded_by is None
    assert time.time() >= first.expires_at


def test_an_older_version_is_refused_while_a_newer_one_is_released(here: Here) -> None:
    """The sentence names the newer version and what to do."""
    spec = here.spec("older")
    lease = wiring.get_leases().acquire("older", "older-v2-a1", 60)
    newer = ModelVersion(model="older", version=2, source="")
    wiring.get_rollout_store().save(new_status(newer, "older-v2-a1", time.time(), None), lease)

    with pytest.raises(
        PermanentError, match=r"version 2 is being released already.*`slipway release older --version 1`"
    ):
        take_lease(spec, 1, "older-v1-a1")


def test_a_lease_that_is_kept_outlives_its_seconds_and_is_given_back(here: Here) -> None:
    """It is renewed three times within its length; afterwards anyone may have it."""
    here.spec("kept")
    lease = wiring.get_leases().acquire("kept", "kept-v1-a1", 1)

    with keep_lease(lease, 1):
        assert wait_until(lambda: _expires("kept") > lease.expires_at + 1, 20)

    assert wiring.get_held_leases().find_lease("kept") is None


def test_a_lease_that_was_taken_over_is_left_to_its_new_holder(here: Here) -> None:
    """The one who lost it can't write any more, and does not give the other's lease back."""
    here.spec("lost")
    lease = wiring.get_leases().acquire("lost", "lost-v1-a1", 1)

    with keep_lease(lease, 1):
        taken = wiring.get_leases().take_over("lost", "rollback", 60)
        status = new_status(ModelVersion(model="lost", version=1, source=""), "lost-v1-a1", 1.0, None)
        with pytest.raises(LeaseLost, match="rollback"):
            wiring.get_rollout_store().save(status, lease)

    assert wiring.get_held_leases().find_lease("lost") == taken


def _asked(model: str) -> int | None:
    lease = wiring.get_held_leases().find_lease(model)
    return lease.superseded_by if lease else None


def _expires(model: str) -> float:
    lease = wiring.get_held_leases().find_lease(model)
    return lease.expires_at if lease else 0.0
