"""Verdicts: which outcome stands for all."""

import pytest

from slipway.domain.verdict import Outcome, Verdict, combine_outcomes


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        ([], Outcome.NO_DATA),
        ([Outcome.PASS], Outcome.PASS),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.INCONCLUSIVE, Outcome.NO_DATA, Outcome.PASS], Outcome.NO_DATA),
        ([Outcome.NO_DATA, Outcome.FAIL, Outcome.PASS], Outcome.FAIL),
    ],
)
def test_the_worst_outcome_stands_for_all(outcomes: list[Outcome], together: Outcome) -> None:
    """FAIL, then NO_DATA, then INCONCLUSIVE, then PASS; nothing checked is no data."""
    assert combine_outcomes(Verdict(check="x", outcome=outcome, reason="") for outcome in outcomes) is together


def test_what_does_not_block_does_not_count() -> None:
    """A warning is shown, and stops nothing."""
    warning = Verdict(check="x", outcome=Outcome.FAIL, reason="", blocking=False)
    fine = Verdict(check="y", outcome=Outcome.PASS, reason="")

    assert combine_outcomes([warning, fine]) is Outcome.PASS
    assert combine_outcomes([warning]) is Outcome.NO_DATA
