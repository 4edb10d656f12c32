"""What every RolloutStore, Leases and HeldLeases promise.

An adapter's test class inherits the contracts and gives the fixture `rollouts`, that implements all three ports.
"""

import math
import time
from dataclasses import replace
from typing import Protocol

import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.readings import Cursor, Reading, Source
from slipway.domain.judge.statistics.counts import CountEvidence
from slipway.domain.rollout.status import Moment, Phase, RolloutStatus
from slipway.errors import LeaseHeld, LeaseLost
from slipway.ports.rollouts import HeldLeases, Lease, Leases, RolloutStore


class Rollouts(RolloutStore, Leases, HeldLeases, Protocol):
    """All in one, as adapters have them."""


def a_status(model: str, version: int = 2) -> RolloutStatus:
    """Return a status with something in every corner."""
    counted = Counters(requests=7, errors=1)
    evidence = Evidence(
        rates={Check.ERRORS: CountEvidence(canary=counted, tally=(0.1, -math.inf))},
        cursors={Source.REQUESTS: Cursor(last={f"live/{model}-v2": Reading(requests=counted)})},
    )
    moment = Moment(at=1.5, phase=Phase.SHIFTING, weight_percent=5, reason="a step", evidence_against=1e12)
    return RolloutStatus(
        model=model,
        version=version,
        release_id=f"{model}-v{version}-a1",
        phase=Phase.SHIFTING,
        started_at=1.0,
        entered_at=1.25,
        heartbeat_at=2.0,
        evidence=evidence,
        timeline=(moment,),
    )


class RolloutStoreContract:
    """Status by model, written by whoever holds the lease."""

    def test_a_model_without_a_rollout_has_no_status(self, rollouts: Rollouts) -> None:
        """None, and not among the models."""
        assert rollouts.load("unknown") is None
        assert "unknown" not in rollouts.list_models()

    def test_a_status_comes_back_as_it_was_saved(self, rollouts: Rollouts) -> None:
        """Every field, infinities included."""
        status = a_status("same")

        rollouts.save(status, rollouts.acquire("same", "same-v2-a1", 30))

        assert rollouts.load("same") == status
        assert "same" in rollouts.list_models()

    def test_a_newer_lease_refuses_the_older_one_s_writes(self, rollouts: Rollouts) -> None:
        """The fencing token: who lost the lease can't write, even if it did not notice."""
        old = rollouts.acquire("fenced", "one", 0.01)
        new = _acquire_when_free(rollouts, "fenced", "two")
        rollouts.save(a_status("fenced", 3), new)

        with pytest.raises(LeaseLost, match="one"):
            rollouts.save(a_status("fenced", 2), old)

        assert rollouts.load("fenced").version == 3

    def test_a_lease_of_another_model_saves_nothing(self, rollouts: Rollouts) -> None:
        """A lease is good for its model only."""
        lease = rollouts.acquire("mine", "one", 30)

        with pytest.raises(LeaseLost):
            rollouts.save(a_status("yours"), lease)

        assert rollouts.load("yours") is None

    def test_only_statuses_that_are_not_at_their_end_are_under_way(self, rollouts: Rollouts) -> None:
        """A rollout leaves them with its last save; a lease without a status is none."""
        going, ended = a_status("going"), replace(a_status("ended"), phase=Phase.ROLLED_BACK)
        rollouts.acquire("leased", "one", 30)
        for status in (going, ended):
            rollouts.save(status, rollouts.acquire(status.model, "one", 30))

        found = rollouts.list_under_way()

        assert found.pop("going") == going
        assert not {"ended", "leased"} & set(found)

    def test_a_forgotten_model_never_had_a_rollout(self, rollouts: Rollouts) -> None:
        """Status and lease are gone; others stay; who held it before can't write it again."""
        before = rollouts.acquire("gone", "before", 30)
        lease = rollouts.take_over("gone", "uninstall", 30)
        rollouts.save(a_status("gone"), lease)
        rollouts.save(a_status("stays"), rollouts.acquire("stays", "one", 30))

        rollouts.forget("gone", lease)

        assert (rollouts.load("gone"), rollouts.find_lease("gone")) == (None, None)
        assert rollouts.load("stays") == a_status("stays")
        for late in (before, lease):
            with pytest.raises(LeaseLost):
                rollouts.save(a_status("gone"), late)
        rollouts.acquire("gone", "next", 30)
        with pytest.raises(LeaseLost):
            rollouts.save(a_status("gone"), before)
        assert rollouts.load("gone") is None

    def test_a_model_is_not_forgotten_by_who_lost_the_lease(self, rollouts: Rollouts) -> None:
        """LeaseLost, and everything stays."""
        old = rollouts.acquire("remembered", "one", 30)
        rollouts.save(a_status("remembered"), old)
        rollouts.take_over("remembered", "two", 30)

        with pytest.raises(LeaseLost):
            rollouts.forget("remembered", old)

        assert rollouts.load("remembered") == a_status("remembered")


class LeasesContract:
    """At most one rollout per model."""

    def test_a_held_lease_names_its_holder(self, rollouts: Rollouts) -> None:
        """LeaseHeld says who holds it and until when."""
        rollouts.acquire("held", "held-v2-a1", 30)

        with pytest.raises(LeaseHeld, match=r"held-v2-a1 holds it until \d\d:\d\d:\d\d UTC"):
            rollouts.acquire("held", "held-v3-a1", 30)

    def test_the_holder_may_take_it_again(self, rollouts: Rollouts) -> None:
        """A restarted release gets its own lease back, with a newer token."""
        first = rollouts.acquire("again", "one", 30)

        second = rollouts.acquire("again", "one", 30)

        assert second.token > first.token
        with pytest.raises(LeaseLost):
            rollouts.renew(first, 30)

    def test_tokens_grow_over_releases_and_expiries(self, rollouts: Rollouts) -> None:
        """Whoever gets the lease, the token is larger than any before."""
        tokens = []
        for holder in ("one", "two", "three"):
            lease = rollouts.acquire("tokens", holder, 30)
            tokens.append(lease.token)
            rollouts.release(lease)

        assert tokens == sorted(set(tokens))

    def test_renewing_pushes_the_expiry_out(self, rollouts: Rollouts) -> None:
        """The lease that is in force is the renewed one."""
        lease = rollouts.acquire("renewed", "one", 5)

        renewed = rollouts.renew(lease, 60)

        assert renewed.expires_at > lease.expires_at
        assert rollouts.find_lease("renewed") == renewed

    def test_a_released_lease_is_free(self, rollouts: Rollouts) -> None:
        """Nobody holds it; releasing it late or twice does not take it from the next one."""
        first = rollouts.acquire("free", "one", 30)
        rollouts.release(first)
        assert rollouts.find_lease("free") is None
        second = rollouts.acquire("free", "two", 30)

        rollouts.release(first)

        assert rollouts.find_lease("free") == second

    def test_a_lease_is_taken_over(self, rollouts: Rollouts) -> None:
        """Whoever held it can neither renew nor save; releasing it changes nothing."""
        held = rollouts.acquire("taken", "one", 30)

        taken = rollouts.take_over("taken", "two", 30)

        assert taken.token > held.token
        with pytest.raises(LeaseLost):
            rollouts.renew(held, 30)
        rollouts.release(held)
        assert rollouts.find_lease("taken") == taken

    def test_an_unknown_lease_is_lost(self, rollouts: Rollouts) -> None:
        """A lease that this store never gave out renews nothing."""
        lease = rollouts.acquire("known", "one", 30)

        with pytest.raises(LeaseLost):
            rollouts.renew(replace(lease, model="never"), 30)


class HeldLeasesContract:
    """Leases as those see them who do not hold them."""

    def test_the_holder_learns_that_a_newer_version_waits(self, rollouts: Rollouts) -> None:
        """The newest one that asked; the next holder is not asked."""
        rollouts.ask_to_yield("asked", 1)
        lease = rollouts.acquire("asked", "one", 30)
        assert lease.superseded_by is None
        rollouts.ask_to_yield("asked", 9)
        rollouts.ask_to_yield("asked", 8)

        renewed = rollouts.renew(lease, 30)

        assert renewed.superseded_by == 9
        rollouts.release(renewed)
        assert rollouts.acquire("asked", "two", 30).superseded_by is None

    def test_leases_in_force_are_listed(self, rollouts: Rollouts) -> None:
        """Those that were given back, or expired, are not among them."""
        held = rollouts.acquire("in-force", "one", 30)
        rollouts.release(rollouts.acquire("given-back", "one", 30))
        rollouts.acquire("expired", "one", 0.01)
        deadline = time.monotonic() + 60
        while "expired" in (found := rollouts.list_in_force()):
            assert time.monotonic() < deadline

        assert found["in-force"] == held
        assert "given-back" not in found


def _acquire_when_free(rollouts: Rollouts, model: str, holder: str) -> Lease:
    deadline = time.monotonic() + 60
    while True:
        try:
            return rollouts.acquire(model, holder, 30)
        except LeaseHeld:
            assert time.monotonic() < deadline
