"""The shadow phase, as a table: given copied requests, when this is seen, then that follows."""

import math

import pytest

from slipway.domain.judge.readings import Sums
from slipway.domain.rollout.actions import SetTraffic
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase
from tests.domain.looks import BEFORE, SHADOWED, TENTH, UNREADY, WORSE, YES, Case, given, release_spec, seen

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


@pytest.mark.parametrize("case", [pytest.param(case, id=f"shadow: {case.case}") for case in SHADOW_CASES])
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
