"""A rollout that is held, as a table: given what held it, when this is seen, then that follows."""

import pytest

from slipway.domain.rollout.actions import SetTraffic
from slipway.domain.rollout.status import Phase
from tests.domain.looks import (
    BEFORE,
    FAILED,
    GOOD,
    HALF,
    NO,
    PROMOTED,
    STARTING,
    TENTH,
    UNREADY,
    WORSE,
    YES,
    Case,
    given,
    release_spec,
    seen,
    waiting,
)

HELD_CASES = [
    Case(case="no answer yet: waits", given=waiting(), when=seen(traffic=HALF), then=Phase.HELD, because="so far"),
    Case(
        case="approved: promoted",
        given=waiting(),
        when=seen(traffic=HALF, approval=YES),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
        because="approved by ann",
    ),
    Case(
        case="rejected: rolled back",
        given=waiting(),
        when=seen(traffic=HALF, approval=NO),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="rejected by ann",
    ),
    Case(
        case="approved and found worse in the same look: rolled back",
        given=waiting(),
        when=seen(traffic=HALF, approval=YES, live=WORSE),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
    Case(
        case="good evidence does not replace a person",
        given=waiting(),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.HELD,
    ),
    Case(
        case="held at the deadline, evidence came: promoted",
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    Case(
        case="held at the deadline, evidence came, a person is to be asked: held still",
        spec=release_spec(approval=True),
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.HELD,
        because="waits for approval before promotion",
    ),
    Case(
        case="held at the deadline, a person does not wait for evidence",
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=seen(traffic=HALF, approval=YES),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    *(
        Case(
            case=f"held at the deadline, stable is {health}: the weights stay, and good evidence waits",
            given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
            when=seen(old=health, traffic=TENTH, live=GOOD),
            then=Phase.HELD,
            because="so far",
        )
        for health in (UNREADY, STARTING, FAILED)
    ),
    Case(
        case="held at the deadline, stable is ready and the route was lost: set again",
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=seen(traffic=TENTH),
        then=Phase.HELD,
        do=(SetTraffic(traffic=HALF),),
    ),
    Case(
        case="held at the deadline, counters can't be read: waits",
        given=given(Phase.HELD, held_from=Phase.SHIFTING, step=1),
        when=seen(traffic=HALF, live=None),
        then=Phase.HELD,
    ),
    Case(
        case="superseded",
        given=waiting(),
        when=seen(traffic=HALF, superseded_by=3),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"held: {case.case}") for case in HELD_CASES])
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
