"""A release that is held continues, or goes back, with a person's answer, in the process that gives it."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from slipway import wiring
from slipway.domain.release.version import CHAMPION, ReleaseState
from slipway.domain.rollout.actions import Approval
from slipway.domain.rollout.machine import begin_traffic
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase
from slipway.errors import LeaseHeld, NotFound
from slipway.usecases.here import ThreadRunner
from slipway.usecases.release import ReleaseEnd, answer_release
from slipway.usecases.roll_out import roll_out_revision
from tests.usecases.conftest import Here
from tests.usecases.test_roll_out import fresh


def hold_second_version(here: Here, register: Callable[[str], int], model: str) -> None:
    """Leave version 2 held before its promotion, with half of the requests; version 1 serves."""
    spec = here.spec(model)
    register(model), register(model)
    first = roll_out_revision(spec, here.revision(model, 1), fresh(model, 1)).champion
    second = here.place.running(model, 2)
    lease = wiring.get_leases().acquire(model, f"{model}-v2-a1", 30)
    begun = begin_traffic(fresh(model, 2), second, first, time.time(), needs_approval=True)
    held = replace(begun, phase=Phase.HELD, held_from=Phase.PROMOTING, weight_percent=50)
    wiring.get_router().set_traffic(model, Traffic(stable=f"{model}-v1", canary=f"{model}-v2", canary_percent=50))
    wiring.get_rollout_store().save(held, lease)
    wiring.get_leases().release(lease)


def answer(model: str, *, approve: bool) -> ReleaseEnd:
    """Answer a release that is held."""
    with ThreadRunner() as runner:
        return answer_release(model, Approval(by="ann", approve=approve), runner)


@pytest.mark.parametrize(
    ("model", "state", "serves"),
    [("approved", ReleaseState.PROMOTED, 2), ("rejected", ReleaseState.ROLLED_BACK, 1)],
)
def test_an_answer_is_carried_out_and_recorded(
    here: Here, register: Callable[[str], int], model: str, state: ReleaseState, serves: int
) -> None:
    """Traffic, status, registry and record agree; the lease is free again."""
    hold_second_version(here, register, model)

    end = answer(model, approve=serves == 2)

    assert (end.release_id, end.state, end.reason) == (f"{model}-v2-a1", state, f"{model} by ann")
    assert here.status(model).champion.name == f"{model}-v{serves}"
    assert wiring.get_router().read_traffic(model).weights[f"{model}-v{serves}"] == 100
    assert wiring.get_ledger().read(f"{model}-v2-a1").state is state
    assert wiring.get_registry().get_version(model, "2").state is state
    assert (CHAMPION in wiring.get_registry().get_version(model, "2").aliases) == (serves == 2)
    assert wiring.get_held_leases().find_lease(model) is None


def test_nothing_that_is_held_is_nothing_to_answer(here: Here) -> None:
    """The error names the command that shows where the model stands."""
    here.spec("unheld")

    with pytest.raises(NotFound, match=r"no release of it waits for an answer.*`slipway status unheld`"):
        answer("unheld", approve=True)


def test_an_answer_is_refused_while_another_process_drives(here: Here, register: Callable[[str], int]) -> None:
    """Another process drives it: the answer is refused, and nothing has moved."""
    hold_second_version(here, register, "driven")
    lease = wiring.get_leases().acquire("driven", "another process", 30)

    with pytest.raises(LeaseHeld):
        answer("driven", approve=True)

    assert here.status("driven").phase is Phase.HELD
    wiring.get_leases().release(lease)
