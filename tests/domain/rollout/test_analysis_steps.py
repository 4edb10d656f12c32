"""When a step ends, and when evidence promotes before its time."""

import pytest

from slipway.domain.judge.decision import decide
from slipway.domain.judge.judge import may_rise
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.status import Phase
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.judged import counted
from tests.domain.looks import HALF, NOW, SPEC, TENTH, release_spec, seen, shifting, step_is_over, update_verdicts
from tests.domain.rollout.known import WELL, knowing_gusts, well


def adaptive(at_least: float | None = 2.0) -> ReleaseSpec:
    """Return a spec whose steps may end earlier."""
    more = {} if at_least is None else {"at_least_seconds": at_least}
    steps = [{"weight_percent": weight, "duration_seconds": 10} | more for weight in (10, 50)]
    return release_spec(steps=steps)


@pytest.mark.parametrize(
    ("at_least", "waited", "evidence", "over"),
    [
        (None, 9.9, True, False),
        (None, 10.0, False, True),
        (2.0, 1.9, True, False),
        (2.0, 2.0, True, True),
        (2.0, 9.9, False, False),
        (2.0, 10.0, False, True),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_a_step_may_end_earlier_where_the_spec_and_the_evidence_allow_it(
    step: int, at_least: float | None, waited: float, *, evidence: bool, over: bool
) -> None:
    """Never before its least time, always after its longest; the last one only with evidence that promotes."""
    status = knowing_gusts(well(shifting(step=step)) if evidence else shifting(step=step))

    assert step_is_over(adaptive(at_least), status, waited) is over


@pytest.mark.parametrize(
    ("weight", "passes", "over"), [(25, False, True), (26, False, False), (26, True, True), (50, False, False)]
)
def test_a_weight_over_a_quarter_is_given_early_only_after_a_pass(weight: int, *, passes: bool, over: bool) -> None:
    """Up to it, it is enough that a canary too bad to bear is excluded; after the step's time it is given anyway."""
    status = shifting(step=0)
    for number in range(31):
        bad = number // 2 if passes else 0
        live = {"new": counted(20 * number), "old": counted(180 * number, bad)}
        if not passes:  # enough to exclude a broken canary, too little for the tolerance
            live = {"new": counted(20 * number, number // 10), "old": counted(180 * number, number // 2)}
        status = update_verdicts(SPEC, status, seen(traffic=TENTH, live=live), NOW - 60 + number)
    status = knowing_gusts(status)
    steps = [{"weight_percent": one, "duration_seconds": 10, "at_least_seconds": 2} for one in (10, weight)]
    spec = release_spec(steps=steps)

    assert (decide(status.evidence, spec).outcome is Outcome.PASS) == passes
    assert may_rise(status.evidence, spec.judge, weight)
    assert step_is_over(spec, status, 5.0) is over
    assert not step_is_over(spec, status, 1.9)
    assert step_is_over(spec, status, 10.0)


@pytest.mark.parametrize(("weight", "waited", "over"), [(5, 5.0, True), (6, 5.0, False), (6, 10.0, True)])
def test_no_step_over_five_percent_begins_early_before_stables_gusts_are_known(
    weight: int, waited: float, *, over: bool
) -> None:
    """A model's second release knows none; after the step's time the spec is followed."""
    steps = [{"weight_percent": one, "duration_seconds": 10, "at_least_seconds": 2} for one in (1, weight)]
    status = well(shifting(step=0))

    assert step_is_over(release_spec(steps=steps), status, waited) is over
    assert step_is_over(release_spec(steps=steps), knowing_gusts(status), waited)


def test_good_evidence_promotes_before_the_last_steps_time_is_over() -> None:
    """As soon as every required metric passes."""
    status = well(shifting(3))

    early = advance(adaptive(), status, seen(traffic=HALF, live=WELL), NOW)
    fixed = advance(adaptive(None), status, seen(traffic=HALF, live=WELL), NOW)

    assert (early.status.phase, fixed.status.phase) == (Phase.PROMOTING, Phase.SHIFTING)
