"""The rollout as tables: given a phase, when this is seen, then that phase and these actions follow."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from slipway.domain import judge
from slipway.domain.counters import Counters
from slipway.domain.revision import Health, Package, Revision, RevisionState, Traffic
from slipway.domain.rollout import (
    TIMELINE_LIMIT,
    Action,
    Approval,
    Observation,
    Route,
    Start,
    Step,
    Stop,
    advance,
    begin,
    undo,
    wanted_traffic,
)
from slipway.domain.shadow import ShadowComparison
from slipway.domain.spec import ReleaseSpec
from slipway.domain.status import Evidence, Phase, RolloutStatus

NOW = 1000.0
ABSENT, STARTING, READY, UNREADY, FAILED = Health
BEFORE = Traffic(stable="old")
SHADOWED = Traffic(stable="old", canary="new", shadow="new")
TENTH = Traffic(stable="old", canary="new", canary_percent=10)
HALF = Traffic(stable="old", canary="new", canary_percent=50)
PROMOTED = Traffic(stable="new", canary="old")
AFTER = Traffic(stable="new")
NO, YES = Approval(by="ann", approve=False), Approval(by="ann", approve=True)


def revision(name: str, version: int) -> Revision:
    """Return a revision."""
    package = Package(model="m", version=version, path=Path(name), digest="sha256:0", tag=name, runtime="onnx")
    return Revision(name=name, model="m", version=version, package=package)


OLD, NEW = revision("old", 1), revision("new", 2)


def release_spec(judge: dict[str, Any] | None = None, **rollout: Any) -> ReleaseSpec:  # noqa: ANN401 - a document
    """Return a spec: shadow 10 s, steps of 10 % and 50 % for 10 s each, deadline 60 s, bake 100 s."""
    steps = [{"weight_percent": 10, "duration_seconds": 10}, {"weight_percent": 50, "duration_seconds": 10}]
    short = {"shadow": {"duration_seconds": 10}, "steps": steps, "deadline_seconds": 60, "bake_seconds": 100}
    document = {"model": "m", "data": {"path": "x", "label": "y"}, "judge": judge or {}}
    return ReleaseSpec.model_validate(
        document | {"rollout": short | {"ready_timeout_seconds": 30, "lease_seconds": 5} | rollout}
    )


SPEC = release_spec()
GOOD = {"new": Counters(requests=1000, errors=0), "old": Counters(requests=1000, errors=0)}
EVEN = {"new": Counters(requests=10, errors=0), "old": Counters(requests=10, errors=0)}
WORSE = {"new": Counters(requests=1000, errors=100), "old": Counters(requests=1000, errors=1)}
NOTHING = {"new": Counters(requests=0, errors=0), "old": Counters(requests=0, errors=0)}


def given(phase: Phase, seconds: float = 1, **more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout that is in a phase for some seconds, with counters that stood at zero at the last look."""
    weight = {Phase.SHIFTING: 10, Phase.HELD: 50, Phase.PROMOTING: 100, Phase.BAKING: 100}.get(phase, 0)
    fields: dict[str, Any] = {
        "model": "m",
        "version": 2,
        "release_id": "m-v2-a1",
        "phase": phase,
        "stable": OLD,
        "canary": NEW,
        "weight_percent": weight,
        "started_at": 0.0,
        "entered_at": NOW - seconds,
        "heartbeat_at": NOW - 1,
        "reason": "so far",
        "evidence": Evidence(last={f"{c}/{n}": NOTHING[n] for c in ("live", "shadow") for n in ("new", "old")}),
    }
    return RolloutStatus(**(fields | more))


def seen(
    new: Health = READY,
    old: Health = READY,
    traffic: Traffic | None = BEFORE,
    **more: Any,  # noqa: ANN401 - fields of the observation
) -> Observation:
    """Return what was seen: both revisions' health, the route, and equal counters where nothing else is said."""
    found = {"new": new, "old": old}
    states = {n: RevisionState(name=n, health=h, detail="some detail") for n, h in found.items() if h is not ABSENT}
    return Observation(**({"revisions": states, "traffic": traffic, "live": EVEN} | more))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Given a rollout, when this is seen, then that follows."""

    case: str
    given: RolloutStatus
    when: Observation
    then: Phase
    do: tuple[Action, ...] = ()
    because: str = ""
    spec: ReleaseSpec = field(default=SPEC)


def shifting(seconds: float = 1, step: int = 1, **more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout in one of its two steps; the last one where nothing is said."""
    return given(Phase.SHIFTING, seconds, step=step, weight_percent=50 if step else 10, **more)


def waiting(**more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout that waits for a person's word before promotion."""
    return given(Phase.HELD, held_from=Phase.PROMOTING, awaits_approval=True, step=1, **more)


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
        do=(Route(traffic=SHADOWED),),
        because="new is ready and gets a copy of live requests",
    ),
    Case(
        case="ready, no shadow wanted: first step",
        spec=release_spec(shadow=None),
        given=given(Phase.STARTING),
        when=seen(),
        then=Phase.SHIFTING,
        do=(Route(traffic=TENTH),),
        because="step 1 of 2: 10 % of live requests",
    ),
    Case(
        case="ready, direct: gets all requests",
        given=given(Phase.STARTING, direct=True),
        when=seen(),
        then=Phase.PROMOTING,
        do=(Route(traffic=PROMOTED),),
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
LIMITED = release_spec(shadow={"duration_seconds": 10, "disagreement_limit": 0.04})
SHADOW_CASES = [
    Case(
        case="the route was lost: set again",
        given=given(Phase.SHADOW),
        when=seen(),
        then=Phase.SHADOW,
        do=(Route(traffic=SHADOWED),),
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
        do=(Route(traffic=TENTH),),
        because="step 1 of 2: 10 % of live requests; 200 copied requests answered by both, 10 differently",
    ),
    Case(
        case="disagrees too often: taken out",
        spec=LIMITED,
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.ROLLING_BACK,
        do=(Route(traffic=BEFORE),),
        because="canary disagrees with stable on 10 of 200 copied requests (5.0%); allowed 4.0%",
    ),
    Case(
        case="disagrees too often, early: not judged yet",
        spec=LIMITED,
        given=given(Phase.SHADOW, 9),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHADOW,
    ),
    Case(
        case="disagrees as often as allowed: goes on",
        spec=release_spec(shadow={"duration_seconds": 10, "disagreement_limit": 0.05}),
        given=given(Phase.SHADOW, 10),
        when=seen(traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHIFTING,
        do=(Route(traffic=TENTH),),
    ),
    Case(
        case="a limit, and nothing compared: waits",
        spec=LIMITED,
        given=given(Phase.SHADOW, 500),
        when=seen(traffic=SHADOWED),
        then=Phase.SHADOW,
    ),
    Case(
        case="fails on copies: taken out before it ever served",
        given=given(Phase.SHADOW),
        when=seen(traffic=SHADOWED, shadow=ShadowComparison(compared=300, canary_failed=60)),
        then=Phase.ROLLING_BACK,
        do=(Route(traffic=BEFORE),),
        because="canary fails where stable never does; chance of that for an equal model below 1 in 1,000,000,000; "
        "60 of 300 against 0 of 300",
    ),
    Case(
        case="live counters are not weighed under shadow",
        given=given(Phase.SHADOW),
        when=seen(traffic=SHADOWED, live=WORSE),
        then=Phase.SHADOW,
    ),
    Case(
        case="over while stable is not ready: stays",
        given=given(Phase.SHADOW, 500),
        when=seen(old=UNREADY, traffic=SHADOWED, shadow=COMPARED),
        then=Phase.SHADOW,
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
        do=(Route(traffic=HALF),),
    ),
    Case(
        case="step over: next one",
        given=shifting(10, step=0),
        when=seen(traffic=TENTH),
        then=Phase.SHIFTING,
        do=(Route(traffic=HALF),),
        because="step 2 of 2: 50 % of live requests; not enough evidence yet",
    ),
    Case(
        case="good evidence, early: the steps are gone through",
        given=shifting(5),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.SHIFTING,
        because="canary fails on less than 1 % of its requests",
    ),
    Case(
        case="last step over, good evidence: promoted",
        given=shifting(10),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.PROMOTING,
        do=(Route(traffic=PROMOTED),),
        because="canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 1,000",
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
        do=(Route(traffic=PROMOTED),),
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
        do=(Route(traffic=BEFORE),),
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
            given=shifting(500, step=step),
            when=seen(traffic=HALF if step else TENTH, live=None),
            then=Phase.SHIFTING,
            because="requests can't be counted now: the weights stay until they can",
        )
        for step in (0, 1)
    ),
    Case(
        case="the router does not know the canary: no metrics either",
        given=shifting(500),
        when=seen(traffic=HALF, live={"old": EVEN["old"]}),
        then=Phase.SHIFTING,
    ),
    Case(
        case="worse: rolled back",
        given=shifting(),
        when=seen(traffic=HALF, live=WORSE),
        then=Phase.ROLLING_BACK,
        do=(Route(traffic=BEFORE),),
        because="canary fails 100.00x as often as stable; chance of that for an equal model below 1 in 1,000,000,000",
    ),
    Case(
        case="good evidence, a person is to be asked: held",
        spec=release_spec(approval=True),
        given=shifting(10),
        when=seen(traffic=HALF, live=GOOD),
        then=Phase.HELD,
        because="waits for approval before promotion; canary fails on less than 1 %",
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
            given=shifting(500),
            when=seen(old=health, traffic=TENTH, live=GOOD),
            then=Phase.SHIFTING,
            because=f"old is {health}: the weights stay until it is ready",
        )
        for health in (UNREADY, STARTING, FAILED)
    ),
    Case(
        case="stable is gone: the weights stay, and it is started again",
        given=shifting(500),
        when=seen(old=ABSENT, traffic=HALF, live=GOOD),
        then=Phase.SHIFTING,
        do=(Start(revision=OLD),),
    ),
]

HELD_CASES = [
    Case(case="no answer yet: waits", given=waiting(), when=seen(traffic=HALF), then=Phase.HELD, because="so far"),
    Case(
        case="approved: promoted",
        given=waiting(),
        when=seen(traffic=HALF, approval=YES),
        then=Phase.PROMOTING,
        do=(Route(traffic=PROMOTED),),
        because="approved by ann",
    ),
    Case(
        case="rejected: rolled back",
        given=waiting(),
        when=seen(traffic=HALF, approval=NO),
        then=Phase.ROLLING_BACK,
        do=(Route(traffic=BEFORE),),
        because="rejected by ann",
    ),
    Case(
        case="approved and found worse in the same look: rolled back",
        given=waiting(),
        when=seen(traffic=HALF, approval=YES, live=WORSE),
        then=Phase.ROLLING_BACK,
        do=(Route(traffic=BEFORE),),
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
        do=(Route(traffic=PROMOTED),),
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
        do=(Route(traffic=PROMOTED),),
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
        do=(Route(traffic=BEFORE),),
    ),
]

DEATHS = {
    FAILED: "new failed: some detail",
    UNREADY: "new lost its readiness: some detail",
    STARTING: "new died and was started again: some detail",
    ABSENT: "new is gone: somebody or something took it away",
}
CANARY_CASES = [
    Case(
        case=f"{phase}: the canary is {health}: rolled back at once",
        given=given(phase),
        when=seen(health, traffic=HALF),
        then=Phase.ROLLING_BACK,
        do=(Route(traffic=BEFORE),),
        because=because,
    )
    for phase in (Phase.SHADOW, Phase.SHIFTING, Phase.HELD, Phase.PROMOTING)
    for health, because in DEATHS.items()
]

PROMOTION_CASES = [
    Case(
        case="promoting: the route was lost: set again",
        given=given(Phase.PROMOTING),
        when=seen(traffic=HALF),
        then=Phase.PROMOTING,
        do=(Route(traffic=PROMOTED),),
    ),
    Case(
        case="promoting: a newer version does not stop what is decided",
        given=given(Phase.PROMOTING),
        when=seen(traffic=HALF, superseded_by=3),
        then=Phase.PROMOTING,
        do=(Route(traffic=PROMOTED),),
    ),
    Case(
        case="promoting: the old revision is gone: promoted without a warm one",
        given=given(Phase.PROMOTING),
        when=seen(old=ABSENT, traffic=HALF),
        then=Phase.PROMOTING,
        do=(Route(traffic=AFTER),),
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
        do=(Route(traffic=AFTER),),
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
        do=(Route(traffic=AFTER),),
    ),
    Case(
        case="baking: nothing warm any more: the window is over",
        given=given(Phase.BAKING, 5),
        when=seen(old=ABSENT, traffic=PROMOTED),
        then=Phase.BAKING,
        do=(Route(traffic=AFTER),),
    ),
    *(
        Case(
            case=f"baking: the canary is {health}: back to the warm one",
            given=given(Phase.BAKING, 5),
            when=seen(health, traffic=PROMOTED),
            then=Phase.ROLLING_BACK,
            do=(Route(traffic=BEFORE),),
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
        do=(Route(traffic=BEFORE),),
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
        do=(Route(traffic=BEFORE),),
    ),
]

FIRST = {"stable": None}
FIRST_CASES = [
    Case(
        case="ready: gets all requests",
        given=given(Phase.STARTING, **FIRST),
        when=seen(old=ABSENT, traffic=None),
        then=Phase.PROMOTING,
        do=(Route(traffic=AFTER),),
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
        do=(Route(traffic=AFTER),),
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
        case="routed: succeeded, there is nothing to bake beside",
        given=given(Phase.PROMOTING, **FIRST),
        when=seen(old=ABSENT, traffic=AFTER),
        then=Phase.SUCCEEDED,
    ),
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


ALL_CASES = {
    "starting": STARTING_CASES,
    "shadow": SHADOW_CASES,
    "shifting": SHIFTING_CASES,
    "held": HELD_CASES,
    "canary": CANARY_CASES,
    "promotion": PROMOTION_CASES,
    "rolling back": BACK_CASES,
    "first release": FIRST_CASES,
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{part}: {case.case}") for part, cases in ALL_CASES.items() for case in cases]
)
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    step = advance(case.spec, case.given, case.when, NOW)

    assert (step.status.phase, step.actions) == (case.then, case.do)
    assert step.reason == step.status.reason
    assert step.reason.startswith(case.because)
    assert advance(case.spec, case.given, case.when, NOW) == step


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED])
@pytest.mark.parametrize("health", Health)
@pytest.mark.parametrize("approval", [None, YES, NO])
def test_nothing_follows_a_terminal_phase(phase: Phase, health: Health, approval: Approval | None) -> None:
    """Whatever is seen: a rollout that is over is over."""
    over = given(phase)

    step = advance(SPEC, over, seen(health, health, HALF, live=WORSE, approval=approval, superseded_by=9), NOW + 99)

    assert step == Step(status=over, reason="so far")


def test_an_approval_is_kept() -> None:
    """Who said yes is part of the record."""
    step = advance(SPEC, waiting(), seen(traffic=HALF, approval=YES), NOW)

    assert step.status.approved_by == "ann"


def test_a_superseded_rollout_yielded() -> None:
    """It made room, which is told apart from a fault of its own."""
    superseded = advance(SPEC, shifting(), seen(traffic=HALF, superseded_by=3), NOW).status
    rejected = advance(SPEC, shifting(), seen(traffic=HALF, approval=NO), NOW).status

    assert (superseded.yielded, rejected.yielded) == (True, False)


def test_each_look_is_a_heartbeat() -> None:
    """A rollout that nobody drives is known by its silence."""
    assert advance(SPEC, shifting(), seen(traffic=HALF), NOW).status.heartbeat_at == NOW


def test_a_stable_revision_that_is_not_ready_is_no_reference() -> None:
    """Its failures are not held in favour of the canary, nor is that time counted when it is back."""
    crashed = {"new": Counters(requests=500, errors=40), "old": Counters(requests=500, errors=500)}
    after = {"new": Counters(requests=510, errors=40), "old": Counters(requests=510, errors=500)}

    sick = advance(SPEC, shifting(), seen(old=UNREADY, traffic=HALF, live=crashed), NOW).status
    well = advance(SPEC, sick, seen(traffic=HALF, live=after), NOW + 1).status

    assert judge.evidence_for(sick.evidence) == 1.0
    assert well.evidence.canary == Counters(requests=10, errors=0)


def test_shadow_evidence_counts_on() -> None:
    """The judge goes into the first step with what the copies showed."""
    copies = ShadowComparison(compared=120, canary_failed=2, stable_failed=1)

    step = advance(SPEC, given(Phase.SHADOW, 10), seen(traffic=SHADOWED, shadow=copies), NOW)

    assert step.status.phase is Phase.SHIFTING
    assert step.status.evidence.canary == Counters(requests=120, errors=2)


# beginning and taking back


def test_a_rollout_begins_with_nothing_held_for_or_against_it() -> None:
    """Evidence of an earlier attempt is gone; what is to be compared is named."""
    pending = given(Phase.PENDING, canary=None, stable=None, evidence=Evidence(canary=GOOD["new"]), step=1)

    begun = begin(pending, NEW, OLD, NOW, needs_approval=True)

    assert (begun.phase, begun.canary, begun.stable) == (Phase.STARTING, NEW, OLD)
    assert (begun.evidence, begun.step, begun.weight_percent) == (Evidence(), 0, 0)
    assert (begun.entered_at, begun.heartbeat_at, begun.awaits_approval) == (NOW, NOW, True)
    assert [moment.phase for moment in begun.timeline] == [Phase.STARTING]


def test_what_serves_can_not_be_released_beside_itself() -> None:
    """Taking it back would stop what serves."""
    with pytest.raises(ValueError, match="new serves already"):
        begin(given(Phase.PENDING, canary=None), NEW, replace(NEW, version=3), NOW)


def test_a_rollout_that_did_not_begin_can_not_advance() -> None:
    """There is no canary to look at."""
    with pytest.raises(ValueError, match=r"m-v2-a1 is pending: begin\(\) it first"):
        advance(SPEC, given(Phase.PENDING, canary=None), seen(), NOW)


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.terminal and phase is not Phase.PENDING])
def test_a_rollout_under_way_can_be_taken_back(phase: Phase) -> None:
    """From every phase, the bake window included: the next look moves traffic to stable."""
    undone = undo(given(phase), "ann said so", NOW)

    step = advance(SPEC, undone, seen(traffic=PROMOTED), NOW)

    assert (undone.phase, undone.reason, undone.weight_percent) == (Phase.ROLLING_BACK, "ann said so", 0)
    assert step.actions == (Route(traffic=BEFORE),)


def test_a_rollout_whose_gates_are_at_work_is_stopped() -> None:
    """Nothing was started, so there is nothing to take back."""
    undone = undo(given(Phase.PENDING, canary=None), "ann said so", NOW)

    assert (undone.phase, undone.reason) == (Phase.STOPPED, "ann said so")


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED])
def test_a_rollout_that_is_over_can_not_be_taken_back(phase: Phase) -> None:
    """A new, direct rollout does that."""
    with pytest.raises(ValueError, match=f"is {phase}: there is nothing to take back"):
        undo(given(phase), "ann said so", NOW)


@pytest.mark.parametrize(
    ("phase", "traffic"),
    [
        (Phase.PENDING, None),
        (Phase.STARTING, None),
        (Phase.SHADOW, SHADOWED),
        (Phase.SHIFTING, TENTH),
        (Phase.HELD, HALF),
        (Phase.PROMOTING, PROMOTED),
        (Phase.BAKING, PROMOTED),
        (Phase.SUCCEEDED, AFTER),
        (Phase.ROLLING_BACK, BEFORE),
        (Phase.ROLLED_BACK, BEFORE),
        (Phase.STOPPED, None),
    ],
)
def test_each_phase_wants_its_traffic(phase: Phase, traffic: Traffic | None) -> None:
    """None: the route stays as it is."""
    assert wanted_traffic(given(phase)) == traffic


# the timeline


def test_the_timeline_keeps_changes_and_the_newest_look() -> None:
    """Two thousand looks: at most 400 moments, every phase and weight among them, the last look at the end."""
    status = begin(given(Phase.PENDING, canary=None, timeline=()), NEW, OLD, NOW)
    status = advance(SPEC, status, seen(), NOW + 1).status
    status = advance(SPEC, status, seen(traffic=SHADOWED), NOW + 20).status
    status = advance(SPEC, status, seen(traffic=TENTH), NOW + 31).status

    for second in range(32, 2032):
        status = advance(SPEC, status, seen(old=UNREADY, traffic=HALF), NOW + second).status
        assert len(status.timeline) <= TIMELINE_LIMIT
        assert status.timeline[-1].at == NOW + second

    shown = [(moment.phase, moment.weight_percent) for moment in status.timeline]
    assert list(dict.fromkeys(shown)) == [
        (Phase.STARTING, 0),
        (Phase.SHADOW, 0),
        (Phase.SHIFTING, 10),
        (Phase.SHIFTING, 50),
    ]
    assert [moment.at for moment in status.timeline] == sorted(moment.at for moment in status.timeline)
