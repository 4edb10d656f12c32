"""From decision to rest, as tables: promotion, bake window, the way back, and first releases."""

import pytest

from slipway.domain.rollout.actions import SetTraffic, Start, Stop
from slipway.domain.rollout.revision import Health
from slipway.domain.rollout.status import Phase
from tests.domain.looks import (
    ABSENT,
    AFTER,
    BEFORE,
    FAILED,
    GOOD,
    HALF,
    NEW,
    NO,
    OLD,
    PROMOTED,
    STARTING,
    UNREADY,
    WORSE,
    YES,
    Case,
    given,
    release_spec,
    seen,
    waiting,
)

PROMOTION_CASES = [
    Case(
        case="promoting: the route was lost: set again",
        given=given(Phase.PROMOTING),
        when=seen(traffic=HALF),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    Case(
        case="promoting: a newer version does not stop what is decided",
        given=given(Phase.PROMOTING),
        when=seen(traffic=HALF, superseded_by=3),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    Case(
        case="promoting: the old revision is gone: promoted without a warm one",
        given=given(Phase.PROMOTING),
        when=seen(old=ABSENT, traffic=HALF),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    Case(
        case="promoting: routed: bakes",
        given=given(Phase.PROMOTING),
        when=seen(traffic=PROMOTED),
        then=Phase.BAKING,
        because="so far",
    ),
    Case(case="baking: early: nothing", given=given(Phase.BAKING, 99), when=seen(traffic=PROMOTED), then=Phase.BAKING),
    Case(
        case="baking: over: the old revision leaves the route first",
        given=given(Phase.BAKING, 100),
        when=seen(traffic=PROMOTED),
        then=Phase.BAKING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    Case(
        case="baking: over, out of the route: stopped",
        given=given(Phase.BAKING, 100),
        when=seen(traffic=AFTER),
        then=Phase.BAKING,
        do=(Stop(name="old"),),
    ),
    Case(
        case="baking: over, stopped: succeeded",
        given=given(Phase.BAKING, 100),
        when=seen(old=ABSENT, traffic=AFTER),
        then=Phase.SUCCEEDED,
        because="so far",
    ),
    Case(
        case="baking: superseded: the window ends early, nothing is taken back",
        given=given(Phase.BAKING, 5),
        when=seen(traffic=PROMOTED, superseded_by=3),
        then=Phase.BAKING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    Case(
        case="baking: nothing warm any more: the window is over",
        given=given(Phase.BAKING, 5),
        when=seen(old=ABSENT, traffic=PROMOTED),
        then=Phase.BAKING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    *(
        Case(
            case=f"baking: the canary is {health}: back to the warm one",
            given=given(Phase.BAKING, 5),
            when=seen(health, traffic=PROMOTED),
            then=Phase.ROLLING_BACK,
            do=(SetTraffic(traffic=BEFORE),),
            because=f"new is {health} in its bake window: {'no detail' if health is ABSENT else 'some detail'}",
        )
        for health in (FAILED, UNREADY, STARTING, ABSENT)
    ),
    *(
        Case(
            case=f"baking: the canary failed and the old revision is {health}: both are kept",
            given=given(Phase.BAKING, 500),
            when=seen(FAILED, old=health, traffic=PROMOTED),
            then=Phase.BAKING,
        )
        for health in (UNREADY, STARTING, FAILED)
    ),
]

BACK = given(Phase.ROLLING_BACK)
BACK_CASES = [
    Case(
        case="stable is ready: gets all requests, the canary still runs",
        given=BACK,
        when=seen(traffic=HALF),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
    Case(
        case="stable is gone: started first",
        given=BACK,
        when=seen(old=ABSENT, traffic=HALF),
        then=Phase.ROLLING_BACK,
        do=(Start(revision=OLD),),
    ),
    *(
        Case(
            case=f"stable is {health}: nothing moves until it is ready",
            given=BACK,
            when=seen(old=health, traffic=PROMOTED),
            then=Phase.ROLLING_BACK,
        )
        for health in (STARTING, UNREADY, FAILED)
    ),
    Case(
        case="out of the route: the canary is stopped",
        given=BACK,
        when=seen(traffic=BEFORE),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
    ),
    Case(
        case="stopped: rolled back, with the reason that began it",
        given=BACK,
        when=seen(ABSENT, traffic=BEFORE),
        then=Phase.ROLLED_BACK,
        because="so far",
    ),
    Case(
        case="a canary that is well again does not stop it",
        given=BACK,
        when=seen(traffic=HALF, approval=YES, live=GOOD),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
]

FIRST = {"stable": None}
FIRST_CASES = [
    Case(
        case="ready: gets all requests",
        given=given(Phase.STARTING, **FIRST),
        when=seen(old=ABSENT, traffic=None),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=AFTER),),
        because="new is ready; nothing serves yet, so it gets all requests",
    ),
    Case(
        case="ready, a person is to be asked: held without traffic",
        spec=release_spec(approval=True),
        given=given(Phase.STARTING, **FIRST),
        when=seen(old=ABSENT, traffic=None),
        then=Phase.HELD,
        because="waits for approval before promotion; new is ready",
    ),
    Case(
        case="approved: gets all requests",
        given=waiting(**FIRST),
        when=seen(old=ABSENT, traffic=None, approval=YES),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    Case(
        case="rejected: stopped",
        given=waiting(**FIRST),
        when=seen(old=ABSENT, traffic=None, approval=NO),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
    ),
    Case(
        case="failed: stopped",
        given=given(Phase.STARTING, **FIRST),
        when=seen(FAILED, old=ABSENT, traffic=None),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
    ),
    Case(
        case="died before it was routed: never routed",
        given=given(Phase.PROMOTING, **FIRST),
        when=seen(FAILED, old=ABSENT, traffic=None),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
    ),
    Case(
        case="stopped: over",
        given=given(Phase.ROLLING_BACK, **FIRST),
        when=seen(ABSENT, old=ABSENT, traffic=None),
        then=Phase.ROLLED_BACK,
    ),
    Case(
        case="routed: serves alone, its errors are learned",
        given=given(Phase.PROMOTING, **FIRST),
        when=seen(old=ABSENT, traffic=AFTER),
        then=Phase.BAKING,
        because="so far; it serves alone, and how its errors come together is learned until 1970-01-01 00:18:20 UTC",
    ),
    Case(
        case="routed, no bake window: succeeded",
        given=given(Phase.PROMOTING, **FIRST),
        when=seen(old=ABSENT, traffic=AFTER),
        then=Phase.SUCCEEDED,
        spec=release_spec(bake_seconds=0),
    ),
    *[
        Case(
            case=f"alone and {health}: nothing to go back to",
            given=given(Phase.BAKING, **FIRST),
            when=seen(health, old=ABSENT, traffic=AFTER),
            then=Phase.BAKING,
            do=(Start(revision=NEW),) if health is ABSENT else (),
        )
        for health in Health
    ],
    Case(
        case="alone: a lost route comes back",
        given=given(Phase.BAKING, **FIRST),
        when=seen(old=ABSENT, traffic=None),
        then=Phase.BAKING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    Case(
        case="alone: whatever fails",
        given=given(Phase.BAKING, **FIRST),
        when=seen(old=ABSENT, traffic=AFTER, live=WORSE),
        then=Phase.BAKING,
    ),
    Case(
        case="alone, learned: succeeded",
        given=given(Phase.BAKING, 100, **FIRST),
        when=seen(old=ABSENT, traffic=AFTER),
        then=Phase.SUCCEEDED,
        because="new serves; while it was alone, its errors were learned from 0 differences of successive blocks",
    ),
    Case(
        case="alone, learned, its route lost: that first",
        given=given(Phase.BAKING, 100, **FIRST),
        when=seen(old=ABSENT, traffic=None),
        then=Phase.BAKING,
        do=(SetTraffic(traffic=AFTER),),
    ),
    *[
        Case(
            case=f"alone, {health}, and a newer version waits: at once",
            given=given(Phase.BAKING, **FIRST),
            when=seen(health, old=ABSENT, traffic=AFTER, superseded_by=3),
            then=Phase.SUCCEEDED,
        )
        for health in Health
    ],
    Case(
        case="died once routed: no success yet, and nothing to go back to",
        given=given(Phase.PROMOTING, **FIRST),
        when=seen(UNREADY, old=ABSENT, traffic=AFTER),
        then=Phase.PROMOTING,
    ),
    Case(
        case="taken back once routed: nothing else could serve",
        given=given(Phase.ROLLING_BACK, **FIRST),
        when=seen(old=ABSENT, traffic=AFTER),
        then=Phase.SUCCEEDED,
        because="so far; new keeps all requests: there is nothing to go back to",
    ),
]

CASES = {
    "promotion": PROMOTION_CASES,
    "rolling back": BACK_CASES,
    "first release": FIRST_CASES,
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{part}: {case.case}") for part, cases in CASES.items() for case in cases]
)
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
