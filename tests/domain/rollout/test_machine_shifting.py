"""The steps of a rollout, as a table: given a weight, when this is seen, then that follows."""

import pytest

from slipway.domain.rollout.actions import SetTraffic, Start
from slipway.domain.rollout.status import Phase
from tests.domain.looks import (
    ABSENT,
    BEFORE,
    EVEN,
    FAILED,
    GOOD,
    HALF,
    NOTHING,
    OLD,
    PROMOTED,
    STARTING,
    TENTH,
    UNREADY,
    WORSE,
    Case,
    release_spec,
    seen,
    shifting,
)

SHIFTING_CASES = [
    Case(
        case="early in a step: goes on",
        given=shifting(9, step=0),
        when=seen(traffic=TENTH),
        then=Phase.SHIFTING,
        because="not enough evidence yet either way; errors: 0 of 10 against 0 of 10",
    ),
    Case(
        case="the route was lost: set again",
        given=shifting(5),
        when=seen(traffic=TENTH),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=HALF),),
    ),
    Case(
        case="step over: next one",
        given=shifting(10, step=0),
        when=seen(traffic=TENTH),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=HALF),),
        because="step 2 of 2: 50 % of live requests; not enough evidence yet",
    ),
    Case(
        case="good evidence, early: the steps are gone through",
        given=shifting(5),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.SHIFTING,
        because="canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 1,000",
    ),
    Case(
        case="last step over, good evidence: promoted",
        given=shifting(10),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
        because="canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 1,000 against 0 of",
    ),
    Case(
        case="last step over, not enough evidence: waits",
        given=shifting(69),
        when=seen(traffic=HALF),
        then=Phase.SHIFTING,
    ),
    Case(
        case="deadline: held",
        given=shifting(70),
        when=seen(traffic=HALF),
        then=Phase.HELD,
        because="no decision 60 s after the last step: not enough evidence yet either way",
    ),
    Case(
        case="deadline: promoted, if that is wanted",
        spec=release_spec(on_deadline="promote"),
        given=shifting(70),
        when=seen(traffic=HALF),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
    ),
    Case(
        case="deadline: promoted only with a person's word where that is asked for",
        spec=release_spec(on_deadline="promote", approval=True),
        given=shifting(70),
        when=seen(traffic=HALF),
        then=Phase.HELD,
        because="waits for approval before promotion; no decision 60 s after",
    ),
    Case(
        case="deadline: rolled back, if that is wanted",
        spec=release_spec(on_deadline="roll-back"),
        given=shifting(70),
        when=seen(traffic=HALF),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="no decision 60 s after the last step",
    ),
    *(
        Case(
            case=f"deadline without an answer counted: held, although `{wish}` is wanted",
            spec=release_spec(on_deadline=wish),
            given=shifting(70),
            when=seen(traffic=HALF, live=NOTHING),
            then=Phase.HELD,
            because="no decision 60 s after the last step: no answer of the canary was counted yet",
        )
        for wish in ("hold", "promote", "roll-back")
    ),
    *(
        Case(
            case=f"counters can't be read at step {step + 1}: the weights stay",
            spec=release_spec(on_deadline="promote"),
            given=shifting(69, step=step),
            when=seen(traffic=HALF if step else TENTH, live=None),
            then=Phase.SHIFTING,
            because="requests can't be counted now: the weights stay until they can",
        )
        for step in (0, 1)
    ),
    *(
        Case(
            case=f"deadline of step {step + 1}, counters can't be read: held, although `{wish}` is wanted",
            spec=release_spec(on_deadline=wish),
            given=shifting(70, step=step),
            when=seen(traffic=HALF if step else TENTH, live=None),
            then=Phase.HELD,
            because="no decision 70 s after this step began: requests can't be counted now: the weights stay until",
        )
        for step in (0, 1)
        for wish in ("promote", "roll-back")
    ),
    Case(
        case="the router does not know the canary: no metrics either",
        given=shifting(69),
        when=seen(traffic=HALF, live={"old": EVEN["old"]}),
        then=Phase.SHIFTING,
        because="requests can't be counted now",
    ),
    Case(
        case="the router never knew the canary: held at the deadline",
        given=shifting(70),
        when=seen(traffic=HALF, live={"old": EVEN["old"]}),
        then=Phase.HELD,
        because="no decision 70 s after this step began: requests can't be counted now",
    ),
    Case(
        case="worse: rolled back",
        given=shifting(),
        when=seen(traffic=HALF, live=WORSE),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="canary fails 100.24x as often as stable (11.8 or more); chance of that for an equal model below",
    ),
    Case(
        case="good evidence, a person is to be asked: held",
        spec=release_spec(approval=True),
        given=shifting(10),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.HELD,
        because="waits for approval before promotion; canary fails on less than 1 % of its requests",
    ),
    Case(
        case="good evidence, a gate asked for a person: held",
        given=shifting(10, awaits_approval=True),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.HELD,
    ),
    *(
        Case(
            case=f"stable is {health}: the weights stay",
            given=shifting(69),
            when=seen(old=health, traffic=TENTH, live=GOOD),
            then=Phase.SHIFTING,
            because=f"old is {health}: the weights stay until it is ready",
        )
        for health in (UNREADY, STARTING, FAILED)
    ),
    *(
        Case(
            case=f"stable is {health} at the deadline: held, and the weights stay still",
            spec=release_spec(on_deadline="promote"),
            given=shifting(70),
            when=seen(old=health, traffic=TENTH, live=GOOD),
            then=Phase.HELD,
            because=f"no decision 70 s after this step began: old is {health}: the weights stay until it is ready",
        )
        for health in (UNREADY, STARTING, FAILED)
    ),
    *(
        Case(
            case=f"stable is gone, {phase} after {seconds} s: the weights stay, and it is started again",
            given=shifting(seconds),
            when=seen(old=ABSENT, traffic=HALF, live=GOOD),
            then=phase,
            do=(Start(revision=OLD),),
        )
        for seconds, phase in ((69, Phase.SHIFTING), (70, Phase.HELD))
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=f"shifting: {case.case}") for case in SHIFTING_CASES])
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
