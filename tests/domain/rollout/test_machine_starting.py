"""From the start of a canary to its first requests, as a table: given a phase, when this is seen, then that follows."""

import pytest

from slipway.domain.rollout.actions import SetTraffic, Start, Stop
from slipway.domain.rollout.status import Phase
from tests.domain.looks import (
    ABSENT,
    FAILED,
    NEW,
    NOW,
    OLD,
    PROMOTED,
    SHADOWED,
    STARTING,
    TENTH,
    Case,
    given,
    release_spec,
    seen,
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


@pytest.mark.parametrize("case", [pytest.param(case, id=f"starting: {case.case}") for case in STARTING_CASES])
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
