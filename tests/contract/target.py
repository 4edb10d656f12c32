"""What every Revisions and Router promise.

An adapter's test class inherits both contracts and gives the fixtures `target` (it implements both ports), `start` and
`ask`.
"""

from collections.abc import Callable
from typing import Protocol

import pytest

from slipway.domain.rollout.revision import Health, Rescue, Revision, Traffic
from slipway.errors import NotFound, PermanentError
from slipway.ports.revisions import Revisions
from slipway.ports.router import Router

Start = Callable[[str, int], Revision]
"""Starts a version of a model and waits until it is ready."""
Ask = Callable[[str, int], list[str]]
"""Sends so many requests to a model and returns the revisions that answered them."""


class Target(Revisions, Router, Protocol):
    """Both in one, as adapters have them."""


class RevisionsContract:
    """Model versions that run."""

    def test_a_new_model_has_nothing(self, target: Target) -> None:
        """No route, no revisions."""
        assert target.read_traffic("nothing") is None
        assert target.observe("nothing") == {}

    def test_a_started_revision_is_seen_ready(self, target: Target, start: Start) -> None:
        """It is there by its name, with the memory it uses (where the target measures it), and gets no traffic."""
        revision = start("seen", 1)

        state = target.observe("seen")[revision.name]

        assert state.health is Health.READY
        assert state.memory_mebibytes is None or state.memory_mebibytes > 0
        assert target.read_traffic("seen") is None

    def test_a_revision_with_traffic_is_not_stopped(self, target: Target, start: Start, ask: Ask) -> None:
        """Neither one that serves nor one that gets copies or a share; the refusal changes nothing."""
        one, two = start("kept", 1), start("kept", 2)
        copies = target.get_abilities("kept", one.serving).copies
        shared = Traffic(stable=one.name, canary=two.name, canary_percent=50)
        target.set_traffic("kept", Traffic(stable=one.name, shadow=two.name) if copies else shared)

        for name in (one.name, two.name):
            with pytest.raises(PermanentError):
                target.stop("kept", name)

        assert set(target.observe("kept")) == {one.name, two.name}
        assert set(ask("kept", 20)) == ({one.name} if copies else {one.name, two.name})

    def test_stopping_twice_is_no_error(self, target: Target, start: Start) -> None:
        """Stop is idempotent."""
        revision = start("stopped", 1)

        target.stop("stopped", revision.name)
        target.stop("stopped", revision.name)

        assert target.observe("stopped") == {}

    def test_removing_takes_everything_away(self, target: Target, start: Start) -> None:
        """Route and revisions go; twice is no error; other models stay."""
        start("stays", 1)
        target.set_traffic("removed", Traffic(stable=start("removed", 1).name))

        target.remove("removed")
        target.remove("removed")

        assert target.read_traffic("removed") is None
        assert target.observe("removed") == {}
        assert target.observe("stays")


class RouterContract:
    """How live requests are shared between revisions."""

    def test_traffic_goes_where_the_weights_say(self, target: Target, start: Start, ask: Ask) -> None:
        """At 25 % the canary answers about a quarter; at 0 % nothing; at 100 % everything."""
        one, two = start("weights", 1), start("weights", 2)

        target.set_traffic("weights", Traffic(stable=one.name, canary=two.name, canary_percent=25))
        quarter = ask("weights", 400).count(two.name)
        target.set_traffic("weights", Traffic(stable=one.name, canary=two.name))
        nothing = ask("weights", 50).count(two.name)
        target.set_traffic("weights", Traffic(stable=one.name, canary=two.name, canary_percent=100))
        everything = ask("weights", 50).count(two.name)

        assert 60 <= quarter <= 145  # 100 expected, 5 standard deviations either side
        assert (nothing, everything) == (0, 50)

    def test_the_route_is_remembered_as_it_was_told(self, target: Target, start: Start) -> None:
        """`traffic` returns what `route` was given; saying it twice changes nothing."""
        one, two = start("memory", 1), start("memory", 2)
        can = target.get_abilities("memory", one.serving)
        shadow = two.name if can.copies else None
        rescue = Rescue(of=two.name, by=one.name, at_once=3, after_seconds=2.5) if can.rescues else None
        told = Traffic(stable=one.name, canary=two.name, canary_percent=5, shadow=shadow, rescue=rescue)

        target.set_traffic("memory", told)
        target.set_traffic("memory", told)

        assert target.read_traffic("memory") == told

    def test_copies_are_refused_where_the_router_makes_none(self, target: Target, start: Start) -> None:
        """A shadow that would see nothing is no shadow; where the router makes copies it is taken."""
        one, two = start("copied", 1), start("copied", 2)
        shadowed = Traffic(stable=one.name, shadow=two.name)

        if target.get_abilities("copied", one.serving).copies:
            target.set_traffic("copied", shadowed)
            assert target.read_traffic("copied") == shadowed
        else:
            with pytest.raises(PermanentError, match="cop"):
                target.set_traffic("copied", shadowed)
            assert target.read_traffic("copied") is None

    def test_a_route_to_nobody_is_refused(self, target: Target) -> None:
        """Revisions named must exist."""
        with pytest.raises(NotFound):
            target.set_traffic("nobody", Traffic(stable="nobody-v1"))
