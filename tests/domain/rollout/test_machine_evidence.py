"""From start to decision, as tables: given a phase, when this is seen, then that follows."""

import math

import pytest

from slipway.domain.judge.readings import Sums
from slipway.domain.rollout.actions import SetTraffic, Start, Stop
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase
from tests.domain.looks import (
    ABSENT,
    BEFORE,
    EVEN,
    FAILED,
    GOOD,
    HALF,
    NEW,
    NO,
    NOTHING,
    NOW,
    OLD,
    PROMOTED,
    SHADOWED,
    STARTING,
    TENTH,
    UNREADY,
    WORSE,
    YES,
    Case,
    given,
    release_spec,
    seen,
    shifting,
    waiting,
)

STARTING_CASES = [
    Case(
        case="not there: started",
        given=given(Phase.STARTING),
        when=seen(ABSENT),
        then=Phase.STARTING,
        do=(Start(revision=NEW),),
    ),
    Case(case="on its way: waited for", given=given(Phase.STARTING), when=seen(STARTING), then=Phase.STARTING),
    Case(
        case="ready: gets a copy",
        given=given(Phase.STARTING),
        when=seen(),
        then=Phase.SHADOW,
        do=(SetTraffic(traffic=SHADOWED),),
        because="new is ready and gets a copy of live requests",
    ),
    Case(
        case="ready, no shadow wanted: first step",
        spec=release_spec(shadow=None),
        given=given(Phase.STARTING),
        when=seen(),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
        because="step 1 of 2: 10 % of live requests",
    ),
    Case(
        case="ready, direct: gets all requests",
        given=given(Phase.STARTING, direct=True),
        when=seen(),
        then=Phase.PROMOTING,
        do=(SetTraffic(traffic=PROMOTED),),
        because="new is ready and gets all requests again",
    ),
    Case(
        case="failed: taken out",
        given=given(Phase.STARTING),
        when=seen(FAILED),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
        because="new failed: some detail",
    ),
    Case(
        case="never ready: taken out",
        given=given(Phase.STARTING, 31),
        when=seen(STARTING),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
        because="new was not ready after 31 s: some detail",
    ),
    Case(
        case="never there: over",
        given=given(Phase.STARTING, 31),
        when=seen(ABSENT),
        then=Phase.ROLLED_BACK,
        because="new was not ready after 31 s: absent",
    ),
    Case(
        case="its driver was away: it is given its time anew",
        given=given(Phase.STARTING, 900, heartbeat_at=NOW - 900),
        when=seen(ABSENT),
        then=Phase.STARTING,
        do=(Start(revision=NEW),),
    ),
    Case(
        case="superseded",
        given=given(Phase.STARTING),
        when=seen(STARTING, superseded_by=3),
        then=Phase.ROLLING_BACK,
        do=(Stop(name="new"),),
        because="superseded by version 3, which arrived meanwhile",
    ),
    Case(
        case="ready beside a stable revision that is gone: that one is started first",
        given=given(Phase.STARTING),
        when=seen(old=ABSENT),
        then=Phase.SHADOW,
        do=(Start(revision=OLD),),
    ),
]

COMPARED = ShadowComparison(compared=200, disagreed=10)
FAILING = ShadowComparison(compared=300, canary_failed=60)
PASSING = ShadowComparison(compared=4000)
DIFFERENT = ShadowComparison(compared=200, disagreed=30)
SLOWER = ShadowComparison(compared=400, log_latency_ratios=Sums(count=400, total=400 * math.log(2), squares=400.0))
LIMITED = release_spec(shadow={"duration_seconds": 10, "disagreement_limit": 0.04})
SHADOW_CASES = [
    Case(
        case="the route was lost: set again",
        given=given(Phase.SHADOW),
        when=seen(),
        then=Phase.SHADOW,
        do=(SetTraffic(traffic=SHADOWED),),
    ),
    Case(
        case="early: goes on, and tells",
        given=given(Phase.SHADOW, 9),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHADOW,
        because="shadow: 200 copied requests answered by both, 10 differently; failed: canary 0, stable 0",
    ),
    Case(
        case="over: first step",
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
        because="step 1 of 2: 10 % of live requests; 200 copied requests answered by both, 10 differently",
    ),
    Case(
        case="disagrees too often: taken out",
        spec=LIMITED,
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=DIFFERENT),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="canary disagrees with stable on 30 of 200 copied requests (7.76 % to 24.9 %; allowed 4 %)",
    ),
    Case(
        case="disagrees too often, early: shown is shown",
        spec=LIMITED,
        given=given(Phase.SHADOW, 1),
        when=seen(traffic=SHADOWED, shadow=DIFFERENT),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
    ),
    Case(
        case="disagrees more often than allowed, which may be chance: goes on",
        spec=LIMITED,
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
    ),
    Case(
        case="takes twice as long, which is not looked at: goes on",
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=SLOWER),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
    ),
    Case(
        case="takes twice as long, half as long again is allowed: taken out",
        spec=release_spec(shadow={"duration_seconds": 10, "slowdown_limit": 1.5}),
        given=given(Phase.SHADOW, 1),
        when=seen(traffic=SHADOWED, shadow=SLOWER),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="canary takes 2x stable's time",
    ),
    Case(
        case="disagrees as often as allowed: goes on",
        spec=release_spec(shadow={"duration_seconds": 10, "disagreement_limit": 0.05}),
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
    ),
    Case(
        case="a limit, and nothing compared: waits",
        spec=LIMITED,
        given=given(Phase.SHADOW, 60),
        when=seen(traffic=SHADOWED),
        then=Phase.SHADOW,
    ),
    Case(
        case="a limit, and nothing compared by the deadline: held, with its copies",
        spec=LIMITED,
        given=given(Phase.SHADOW, 70),
        when=seen(traffic=SHADOWED),
        then=Phase.HELD,
        because="no decision 70 s after the shadow began: no copied request",
    ),
    Case(
        case="held: the first pair lets it go on",
        spec=LIMITED,
        given=given(Phase.HELD, 500, held_from=Phase.SHADOW, weight_percent=0),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
    ),
    Case(
        case="held: without one it waits",
        spec=LIMITED,
        given=given(Phase.HELD, 500, held_from=Phase.SHADOW, weight_percent=0),
        when=seen(traffic=SHADOWED),
        then=Phase.HELD,
    ),
    Case(
        case="held: a person lets it go on with the first step",
        spec=LIMITED,
        given=given(Phase.HELD, 500, held_from=Phase.SHADOW, weight_percent=0),
        when=seen(traffic=SHADOWED, approval=YES),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
    ),
    Case(
        case="held: it fails on copies: taken out",
        given=given(Phase.HELD, 500, held_from=Phase.SHADOW, weight_percent=0),
        when=seen(traffic=SHADOWED, shadow=FAILING),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="canary fails",
    ),
    Case(
        case="copies have shown that it is no worse: over before its time",
        spec=release_spec(shadow={"duration_seconds": 600, "at_least_seconds": 60}),
        given=given(Phase.SHADOW, 60),
        when=seen(traffic=SHADOWED, shadow=PASSING),
        then=Phase.SHIFTING,
        do=(SetTraffic(traffic=TENTH),),
    ),
    Case(
        case="copies have shown that it is no worse, before the least time: stays",
        spec=release_spec(shadow={"duration_seconds": 600, "at_least_seconds": 60}),
        given=given(Phase.SHADOW, 59),
        when=seen(traffic=SHADOWED, shadow=PASSING),
        then=Phase.SHADOW,
    ),
    Case(
        case="copies have shown that it is no worse, and the spec wants its whole time: stays",
        spec=release_spec(shadow={"duration_seconds": 600, "at_least_seconds": None}),
        given=given(Phase.SHADOW, 599),
        when=seen(traffic=SHADOWED, shadow=PASSING),
        then=Phase.SHADOW,
    ),
    Case(
        case="copies have not shown enough: stays",
        spec=release_spec(shadow={"duration_seconds": 600, "at_least_seconds": 60}),
        given=given(Phase.SHADOW, 599),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHADOW,
    ),
    Case(
        case="fails on copies: taken out before it ever served",
        given=given(Phase.SHADOW),
        when=seen(traffic=SHADOWED, shadow=ShadowComparison(compared=300, canary_failed=60)),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because="canary fails where stable never does; chance of that for an equal model below 1 in 1,000,000,000; "
        "60 of 300 against 0 of 300 copied requests",
    ),
    Case(
        case="live counters are not weighed under shadow",
        given=given(Phase.SHADOW),
        when=seen(traffic=SHADOWED, live=WORSE),
        then=Phase.SHADOW,
    ),
    Case(
        case="over while stable is not ready: stays",
        given=given(Phase.SHADOW, 60),
        when=seen(old=UNREADY, traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHADOW,
    ),
    Case(
        case="stable is not ready by the deadline: held",
        given=given(Phase.SHADOW, 70),
        when=seen(old=UNREADY, traffic=SHADOWED, shadow=COMPARED),
        then=Phase.HELD,
        because="no decision 70 s after the shadow began: old is unready",
    ),
]

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

DEATHS = {
    FAILED: "new failed: some detail",
    UNREADY: "new lost its readiness: some detail",
    STARTING: "new died and was started again: some detail",
    ABSENT: "new is gone: someone or something deleted it",
}
CANARY_CASES = [
    Case(
        case=f"{phase}: the canary is {health}: rolled back at once",
        given=given(phase),
        when=seen(health, traffic=HALF),
        then=Phase.ROLLING_BACK,
        do=(SetTraffic(traffic=BEFORE),),
        because=because,
    )
    for phase in (Phase.SHADOW, Phase.SHIFTING, Phase.HELD, Phase.PROMOTING)
    for health, because in DEATHS.items()
]

CASES = {
    "starting": STARTING_CASES,
    "shadow": SHADOW_CASES,
    "shifting": SHIFTING_CASES,
    "held": HELD_CASES,
    "canary": CANARY_CASES,
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{part}: {case.case}") for part, cases in CASES.items() for case in cases]
)
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
