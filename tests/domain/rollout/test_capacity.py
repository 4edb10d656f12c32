"""Capacity before traffic, as tables: replicas are asked for first, and waited for, on the way up and back."""

from dataclasses import replace
from typing import Any

import pytest

from slipway.domain.judge.readings import collect_readings
from slipway.domain.rollout.actions import Observation, Reserve, SetTraffic, Stop
from slipway.domain.rollout.capacity import find_floors_to_raise, find_shortages
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.revision import Health, Rescue, RevisionState, Traffic
from slipway.domain.rollout.scaling import Load, Scale
from slipway.domain.rollout.status import Phase, RolloutStatus
from tests.domain.looks import (
    BEFORE,
    GOOD,
    HALF,
    NOW,
    PROMOTED,
    READY,
    SPEC,
    TENTH,
    Case,
    given,
    release_spec,
    shifting,
)

UNSCHEDULABLE = "0/3 nodes are available: insufficient cpu"


def replicas(ready: int, in_flight: float | None = None, *, floor: int = 1, maximum: int = 20) -> Scale:
    """Return replicas that have so many requests at work each; 4 are what one carries."""
    loads = () if in_flight is None else (Load(signal="requests in flight", average=in_flight, target=4),)
    return Scale(ready=ready, floor=floor, minimum=1, maximum=maximum, loads=loads)


def scaled(
    new: Scale,
    old: Scale,
    traffic: Traffic | None,
    health: Health = READY,
    detail: str = "",
    **more: Any,  # noqa: ANN401 - fields of the observation
) -> Observation:
    """Return what was seen of two revisions with replicas."""
    states = {
        "new": RevisionState(name="new", health=health, scale=new, detail=detail),
        "old": RevisionState(name="old", health=READY, scale=old),
    }
    readings = collect_readings(requests=more.pop("live", GOOD))
    return Observation(**({"revisions": states, "traffic": traffic, "readings": readings} | more))


BUSY = replicas(10, 4)
"""Stable with all requests: 40 at work."""
CASES = [
    Case(
        case="starting: one replica is ready, the shadow's copies need ten: asked for, no copy yet",
        given=given(Phase.STARTING),
        when=scaled(replicas(1), BUSY, BEFORE),
        then=Phase.STARTING,
        do=(Reserve(floors={"new": 10}),),
        because="waits for replicas: new needs 10 replicas for its share and has 1 ready",
    ),
    Case(
        case="starting: asked for already: waits",
        given=given(Phase.STARTING),
        when=scaled(replicas(6, floor=10), BUSY, BEFORE),
        then=Phase.STARTING,
    ),
    Case(
        case="starting: replicas that don't come in time: taken back, with the reason",
        given=given(Phase.STARTING, 31),
        when=scaled(replicas(6, floor=10), BUSY, BEFORE, detail=UNSCHEDULABLE),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
        because=f"new was not ready after 31 s: waits for replicas: new needs 10 replicas for its share and has 6 "
        f"ready ({UNSCHEDULABLE})",
    ),
    Case(
        case="starting: enough: the shadow begins",
        given=given(Phase.STARTING),
        when=scaled(replicas(10, floor=10), BUSY, BEFORE),
        then=Phase.SHADOW,
        do=(SetTraffic(traffic=Traffic(stable="old", canary="new", shadow="new")),),
    ),
    Case(
        case="shadow over: the replicas for all copies are not kept for a tenth",
        given=given(Phase.SHADOW, 11),
        when=scaled(replicas(10, 4, floor=10), BUSY, Traffic(stable="old", canary="new", shadow="new")),
        then=Phase.SHIFTING,
        do=(Reserve(floors={"new": 1}), SetTraffic(traffic=TENTH)),
    ),
    Case(
        case="first step over: the next one's replicas are asked for before its weight",
        given=shifting(11, 0),
        when=scaled(replicas(1, 4), replicas(9, 4), TENTH),
        then=Phase.SHIFTING,
        do=(Reserve(floors={"new": 5}),),
        because="waits for replicas: new needs 5",
    ),
    Case(
        case="first step over, and they are there: the weight moves",
        given=shifting(11, 0),
        when=scaled(replicas(5, 0.8, floor=5), replicas(9, 4), TENTH),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=HALF),),
        because="step 2 of 2",
    ),
    Case(
        case="they never come: held at the deadline",
        given=shifting(71, 0),
        when=scaled(replicas(3, 0.8, floor=5), replicas(9, 4), TENTH),
        then=Phase.HELD,
        because="no decision 71 s after this step began: waits for replicas",
    ),
    Case(
        case="they never come: taken back at the deadline, where the spec says so",
        spec=release_spec(on_deadline="roll-back"),
        given=shifting(71, 0),
        when=scaled(replicas(3, 0.8, floor=5), replicas(10, 3.6), TENTH),
        then=Phase.ROLLING_BACK,
        do=(Reserve(floors={"old": 10}), SetTraffic(traffic=BEFORE)),
        because="no decision 71 s after this step began: waits for replicas",
    ),
    Case(
        case="they never come, and nothing passed yet: not promoted, whatever the spec says",
        spec=release_spec(on_deadline="promote"),
        given=shifting(71, 0),
        when=scaled(replicas(3, 0.8, floor=5), replicas(9, 4), TENTH),
        then=Phase.HELD,
    ),
    Case(
        case="they don't come for what passed: held at the deadline",
        given=shifting(70),
        when=scaled(replicas(5, 4, floor=10), replicas(5, 4), HALF),
        then=Phase.HELD,
        because="no decision 70 s after this step began: waits for replicas: new needs 10",
    ),
    Case(
        case="they don't come for what passed: promoted at the deadline, where the spec says so",
        spec=release_spec(on_deadline="promote"),
        given=shifting(70),
        when=scaled(replicas(5, 4, floor=10), replicas(5, 4), HALF),
        then=Phase.PROMOTING,
    ),
    Case(
        case="held: it passes, and its replicas are not there: asked for, held still",
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=scaled(replicas(5, 4, floor=5), replicas(5, 4), HALF),
        then=Phase.HELD,
        do=(Reserve(floors={"new": 10}),),
        because="so far",
    ),
    Case(
        case="held: it passes, and they came: promoted",
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=scaled(replicas(10, 2, floor=10), replicas(5, 4), HALF),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    Case(
        case="as many as the spec allows are enough",
        given=shifting(11, 0),
        when=scaled(replicas(3, 1.3, floor=3, maximum=3), replicas(9, 4), TENTH),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=HALF),),
    ),
    Case(
        case="promoting: no more than is carried",
        given=given(Phase.PROMOTING),
        when=scaled(replicas(5, 4, floor=5), replicas(5, 4), HALF),
        then=Phase.PROMOTING,
        do=(Reserve(floors={"new": 10}),),
        because="waits for replicas: new needs 10",
    ),
    Case(
        case="promoting: the replicas don't come: slow beats split for ever",
        given=given(Phase.PROMOTING, 31),
        when=scaled(replicas(5, 4, floor=10), replicas(5, 4), HALF),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    Case(
        case="baking: the autoscaler has both to itself again",
        given=given(Phase.BAKING, 1),
        when=scaled(replicas(10, 4, floor=10), replicas(5, 0, floor=5), PROMOTED),
        then=Phase.BAKING,
        do=(Reserve(floors={"new": 1, "old": 1}),),
    ),
    Case(
        case="rolling back: stable was scaled down: asked for what all requests need, gets what it carries by now",
        given=given(Phase.ROLLING_BACK),
        when=scaled(replicas(5, 4), replicas(6, 3.5), HALF),
        then=Phase.ROLLING_BACK,
        do=(Reserve(floors={"old": 11}), SetTraffic(traffic=Traffic(stable="old", canary="new", canary_percent=43))),
    ),
    Case(
        case="rolling back: it can't carry more yet: its share never falls",
        given=given(Phase.ROLLING_BACK),
        when=scaled(replicas(5, 4), replicas(2, 12, floor=12), HALF),
        then=Phase.ROLLING_BACK,
    ),
    Case(
        case="rolling back: the replicas are there: all requests at once",
        given=given(Phase.ROLLING_BACK),
        when=scaled(replicas(5, 4), replicas(10, 2, floor=10), HALF),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
    Case(
        case="rolling back: the canary is dead: nothing is slower than no answer",
        given=given(Phase.ROLLING_BACK),
        when=scaled(replicas(0), replicas(2, 10), HALF, health=Health.FAILED),
        then=Phase.ROLLING_BACK,
        do=(Reserve(floors={"old": 10}), SetTraffic(traffic=BEFORE)),
    ),
    Case(
        case="rolling back: the replicas don't come: slow beats wrong",
        given=given(Phase.ROLLING_BACK, 31),
        when=scaled(replicas(5, 4), replicas(2, 10, floor=10), HALF),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
    Case(
        case="rolled back: the canary goes, the floor falls back",
        given=given(Phase.ROLLING_BACK),
        when=scaled(replicas(5, 0), replicas(10, 4, floor=10), BEFORE),
        then=Phase.ROLLING_BACK,
        do=(Reserve(floors={"old": 1}), Stop(name="new")),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_capacity_comes_before_traffic(case: Case) -> None:
    """Given a rollout, when this is seen, then that follows."""
    case.check()


def test_without_a_shadow_the_first_step_s_replicas_are_enough() -> None:
    """Four requests at work are one replica's."""
    spec = release_spec(shadow=None)

    step = advance(spec, given(Phase.STARTING), scaled(replicas(1), BUSY, BEFORE), NOW)

    assert step.status.phase is Phase.SHIFTING
    assert step.actions == (SetTraffic(traffic=TENTH),)


def test_a_first_release_needs_no_load_to_begin() -> None:
    """Nothing serves, nothing is known: the spec's minimum gets all requests."""
    first: RolloutStatus = given(Phase.STARTING, stable=None)
    states = {"new": RevisionState(name="new", health=READY, scale=replicas(1))}

    step = advance(SPEC, first, Observation(revisions=states), NOW)

    assert step.status.phase is Phase.PROMOTING
    assert step.actions == (SetTraffic(traffic=Traffic(stable="new")),)


def test_an_edited_route_is_told_of_once_and_put_back() -> None:
    """A line in the timeline with who did it; the weights are the rollout's again."""
    edited = Traffic(stable="old", canary="new", canary_percent=90, edited_by="kubectl-edit")
    when = scaled(replicas(9, 4), replicas(9, 0.4), edited)

    once = advance(SPEC, shifting(1, 0), when, NOW)
    twice = advance(SPEC, once.status, when, NOW + 1)

    said = "the route was edited by kubectl-edit: old 10 %, new 90 %"
    assert once.actions[-1:] == (SetTraffic(traffic=TENTH),)
    assert [moment.reason for moment in twice.status.timeline].count(said) == 1


def test_what_a_target_says_of_a_ready_revision_is_told() -> None:
    """An autoscaler that can't read its signals is no fault of the canary, and is not silent either."""
    when = scaled(replicas(1), replicas(9, 4), TENTH, detail="the autoscaler can't read its metrics")

    step = advance(SPEC, shifting(1, 0), when, NOW)

    assert step.status.phase is Phase.SHIFTING
    assert step.status.remark == "new: the autoscaler can't read its metrics"


RESCUED = Rescue(of="new", by="old", at_once=16, after_seconds=10)


@pytest.mark.parametrize(
    ("wanted", "at_once", "new", "old", "floor"),
    [
        # ten replicas do nine tenths of the work; 16 at a time are four more replicas' work, all requests two more's
        (TENTH, 16, replicas(1, 4), replicas(10, 4), 12),
        (TENTH, 4, replicas(1, 4), replicas(10, 4), 11),
        # each of five replicas may hand on 16: no more than all requests, which are ten replicas' work
        (HALF, 16, replicas(5, 4), replicas(5, 4), 10),
        # after promotion: 5 % are two replicas' work, and each of 20 replicas may hand on two
        (Traffic(stable="new", canary="old", canary_percent=5), 2, replicas(20, 4), replicas(1, 4), 12),
    ],
)
def test_stable_keeps_room_for_what_it_answers_in_the_canarys_place(
    wanted: Traffic, at_once: int, new: Scale, old: Scale, floor: int
) -> None:
    """Its own share and what may be handed on at a time, and never more than all requests."""
    seen = scaled(new, old, wanted)

    rescue = replace(RESCUED, at_once=at_once)
    assert find_floors_to_raise(replace(wanted, rescue=rescue), wanted, seen.revisions) == {"old": floor}
    assert find_floors_to_raise(wanted, wanted, seen.revisions) == {}


def test_a_step_waits_for_the_room_that_rescue_needs() -> None:
    """Stable was scaled down: with its replicas the canary's requests would drown it."""
    wanted = replace(HALF, rescue=RESCUED)

    short = find_shortages(wanted, TENTH, scaled(replicas(6, 4), replicas(5, 4), TENTH).revisions)

    assert [(one.name, one.needed, one.ready) for one in short] == [("new", 20, 6), ("old", 20, 5)]


def test_a_warm_canary_hands_nothing_on() -> None:
    """At 0 % there is nothing to make room for; where the load is not known the spec's minimum is enough."""
    warm = Traffic(stable="old", canary="new", rescue=RESCUED)

    assert find_floors_to_raise(warm, BEFORE, scaled(replicas(1), BUSY, BEFORE).revisions) == {}
    assert (
        find_floors_to_raise(replace(TENTH, rescue=RESCUED), BEFORE, scaled(replicas(1), replicas(1), BEFORE).revisions)
        == {}
    )
