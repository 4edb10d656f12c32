"""Verdicts that stop a release, and verdicts that don't."""

import pytest

from slipway.domain.release.record import StageName
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import GateFailed
from slipway.usecases.stages.stage import begin_stage, require_passed


@pytest.mark.parametrize(
    ("outcome", "blocking", "stops"),
    [
        (Outcome.PASS, True, False),
        (Outcome.FAIL, True, True),
        (Outcome.NO_DATA, True, True),
        (Outcome.INCONCLUSIVE, True, False),
        (Outcome.FAIL, False, False),
    ],
)
def test_a_blocking_no_stops_the_release(outcome: Outcome, *, blocking: bool, stops: bool) -> None:
    """FAIL and NO_DATA stop; a warning and an inconclusive gate that the spec lets pass do not."""
    verdict = Verdict(check="quality", outcome=outcome, reason="5 of 9", blocking=blocking)
    stage = begin_stage(StageName.VALIDATE_MODEL).stage("value", (verdict,))

    if not stops:
        assert require_passed(stage) == "value"
        return
    with pytest.raises(GateFailed, match="validate model: quality: 5 of 9"):
        require_passed(stage)
