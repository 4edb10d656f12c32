"""A canary that dies, as a table: in every phase it is rolled back at once."""

import pytest

from slipway.domain.rollout.actions import SetTraffic
from slipway.domain.rollout.status import Phase
from tests.domain.looks import ABSENT, BEFORE, FAILED, HALF, STARTING, UNREADY, Case, given, seen

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


@pytest.mark.parametrize("case", [pytest.param(case, id=f"canary: {case.case}") for case in CANARY_CASES])
def test_what_follows_from_a_look(case: Case) -> None:
    """Given a rollout, when this is seen, then that phase, these actions and this sentence follow; twice the same."""
    case.check()
