"""Reconcile finds what no event started, from the registry and the target."""

import time
from collections.abc import Callable
from dataclasses import replace

from slipway import wiring
from slipway.domain.release.version import ReleaseState, VersionTag
from slipway.domain.rollout.status import Phase
from slipway.usecases.reconcile import find_models_to_reconcile, reconcile_model
from tests.usecases.conftest import Here
from tests.usecases.test_roll_out import fresh


def test_models_that_may_need_a_run_are_found_with_one_broken_spec_among_them(
    here: Here, register: Callable[[str], int]
) -> None:
    """Not those at rest, not those with a lease, not those without a spec, and not those that are not registered."""
    for model in ("waits", "done", "driven", "broken", "unregistered"):
        here.spec(model)
    for model in ("waits", "done", "driven", "broken", "without"):
        register(model)
    (here.models / "broken.yaml").write_text("model: broken\ndata: [")
    wiring.get_registry().set_tags("done", 1, {VersionTag.STATE: ReleaseState.PROMOTED.value})
    lease = wiring.get_leases().acquire("driven", "driven-v1-a1", 60)

    found = find_models_to_reconcile()
    wiring.get_leases().release(lease)

    assert found == ["broken", "waits"]
    assert reconcile_model("done") == "nothing to do"
    assert reconcile_model("unregistered") == "not registered yet"


def test_what_is_held_is_left_to_the_watch(here: Here, register: Callable[[str], int]) -> None:
    """A release that waits for a person is no interruption; one that another process drives is none either."""
    here.spec("asks")
    register("asks")
    wiring.get_registry().set_tags("asks", 1, {VersionTag.STATE: ReleaseState.RELEASING.value})
    lease = wiring.get_leases().acquire("asks", "asks-v1-a1", 60)
    held = replace(fresh("asks", 1), phase=Phase.HELD, heartbeat_at=time.time())
    wiring.get_rollout_store().save(held, lease)

    assert reconcile_model("asks") == "a release is under way"
    wiring.get_leases().release(lease)
    assert reconcile_model("asks") == "nothing to do"
