"""After promotion: the old version keeps a small share, and what begins late is found."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.decisions.played.stage import play_many
from benchmarks.decisions.played.worlds import World
from slipway.domain.judge.checks import AFTER_PROMOTION, Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.statistics import counts
from slipway.domain.rollout.actions import SetTraffic, Stop
from slipway.domain.rollout.baking import (
    decide_after_promotion,
    find_hold_back,
    restart_rates,
    score_after_promotion,
    spec_after_promotion,
)
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.revision import Traffic
from slipway.domain.rollout.status import Phase, RolloutStatus
from tests.domain.judged import after
from tests.domain.looks import (
    ABSENT,
    BEFORE,
    HALF,
    NOW,
    PROMOTED,
    UNREADY,
    YES,
    Case,
    given,
    release_spec,
    seen,
    waiting,
)

SPEC = release_spec(hold_back_percent=10)
ALONE = Traffic(stable="new")
KEPT = Traffic(stable="new", canary="old", canary_percent=10)
WORSE = {"new": Counters(requests=900, errors=90), "old": Counters(requests=100, errors=0)}
BETTER = {"new": Counters(requests=900, errors=0), "old": Counters(requests=100, errors=10)}


def baking(seconds: float = 1, **more: Any) -> RolloutStatus:  # noqa: ANN401 - fields of the status
    """Return a rollout whose old revision keeps 10 %; counters stood at zero at the last look."""
    status = given(Phase.BAKING, seconds, weight_percent=90, **more)
    return replace(status, evidence_after_promotion=status.evidence)


@pytest.mark.parametrize(
    "case",
    [
        Case(
            case="promoting: the old revision keeps its share from the beginning",
            given=given(Phase.PROMOTING, weight_percent=90),
            when=seen(traffic=HALF),
            then=Phase.PROMOTING,
            do=(SetTraffic(traffic=KEPT),),
        ),
        Case(
            case="promoting: then it bakes",
            given=given(Phase.PROMOTING, weight_percent=90),
            when=seen(traffic=KEPT),
            then=Phase.BAKING,
        ),
        Case(case="baking: nothing to do", given=baking(), when=seen(traffic=KEPT), then=Phase.BAKING),
        Case(
            case="baking: an old revision that is not ready keeps no requests",
            given=baking(),
            when=seen(old=UNREADY, traffic=KEPT),
            then=Phase.BAKING,
            do=(SetTraffic(traffic=PROMOTED),),
        ),
        Case(
            case="baking: it gets them again when it is ready",
            given=baking(),
            when=seen(traffic=PROMOTED),
            then=Phase.BAKING,
            do=(SetTraffic(traffic=KEPT),),
        ),
        Case(
            case="baking: an old revision that is gone is not started again",
            given=baking(),
            when=seen(old=ABSENT, traffic=KEPT),
            then=Phase.BAKING,
            do=(SetTraffic(traffic=ALONE),),
        ),
        Case(
            case="baking: over: the old revision's requests go first",
            given=baking(100),
            when=seen(traffic=KEPT),
            then=Phase.BAKING,
            do=(SetTraffic(traffic=ALONE),),
        ),
        Case(
            case="baking: over: then it stops",
            given=baking(100),
            when=seen(traffic=ALONE),
            then=Phase.BAKING,
            do=(Stop(name="old"),),
        ),
        Case(
            case="baking: superseded: over as well",
            given=baking(),
            when=seen(traffic=KEPT, superseded_by=3),
            then=Phase.BAKING,
            do=(SetTraffic(traffic=ALONE),),
        ),
        Case(
            case="baking: the new one fails more: taken back",
            given=baking(),
            when=seen(traffic=KEPT, live=WORSE),
            then=Phase.ROLLING_BACK,
            do=(SetTraffic(traffic=BEFORE),),
            because="after promotion: canary fails",
        ),
        Case(
            case="baking: the old one fails more: nothing",
            given=baking(),
            when=seen(traffic=KEPT, live=BETTER),
            then=Phase.BAKING,
        ),
    ],
    ids=lambda case: case.case,
)
def test_what_follows_after_promotion(case: Case) -> None:
    """Given a promoted rollout, when this is seen, then that follows."""
    replace(case, spec=SPEC).check()


@pytest.mark.parametrize(
    ("status", "rollout", "percent"),
    [
        (baking(), {}, 10),
        (baking(direct=True), {}, 0),
        (baking(stable=None), {}, 0),
        (baking(), {"hold_back_percent": 0}, 0),
        (baking(), {"bake_seconds": 0}, 0),
    ],
)
def test_who_keeps_a_share(status: RolloutStatus, rollout: dict[str, Any], percent: int) -> None:
    """Nobody where there is no old version, no bake window, or where a person took the old one out."""
    spec = release_spec(**({"hold_back_percent": 10} | rollout))

    assert find_hold_back(spec, status) == percent


def test_an_approved_canary_is_promoted_with_its_share() -> None:
    """As one that passed is."""
    step = advance(SPEC, waiting(), seen(traffic=HALF, approval=YES), NOW)

    assert (step.status.phase, step.status.weight_percent, step.actions) == (
        Phase.PROMOTING,
        90,
        (SetTraffic(traffic=KEPT),),
    )


def test_the_evidence_begins_anew_with_a_part_of_alpha_of_its_own() -> None:
    """What spoke for it before promotion does not speak for it now; both parts are alpha together."""
    before = given(Phase.PROMOTING, weight_percent=90, evidence=after((1000, 1, 1000, 1)))
    step = advance(SPEC, before, seen(traffic=KEPT), NOW)
    both = [sum(one.alpha for one in score_metrics(NO_EVIDENCE, spec)) for spec in (SPEC, release_spec())]

    begun = step.status.evidence_after_promotion
    assert (begun.canary.requests, begun.stable.requests, begun.cursors) == (0, 0, {})
    assert both == pytest.approx([0.8 * SPEC.judge.alpha, SPEC.judge.alpha])
    assert spec_after_promotion(SPEC).judge.alpha <= 0.2 * SPEC.judge.alpha


def test_verdicts_say_what_they_are_about() -> None:
    """Those of the rollout stay beside those after promotion, which nothing waits for."""
    status = advance(SPEC, baking(), seen(traffic=KEPT, live=BETTER), NOW).status

    late = [one for one in status.verdicts if one.check.startswith(AFTER_PROMOTION)]
    assert [one.check for one in late] == [AFTER_PROMOTION + Check.ERRORS]
    assert not any(one.blocking for one in late)
    assert len(status.verdicts) > len(late)


def test_what_an_old_revision_answers_that_is_not_ready_is_not_weighed() -> None:
    """Nor what comes while it gets no requests."""
    for when in (seen(old=UNREADY, traffic=KEPT, live=BETTER), seen(traffic=PROMOTED, live=BETTER)):
        status = advance(SPEC, baking(), when, NOW).status

        assert status.evidence_after_promotion.canary.requests == 0
        assert status.evidence_after_promotion.cursors["requests"].last["new"].requests == BETTER["new"]


def test_starts_add_up_to_an_e_process() -> None:
    """Equal arms: over many traces the mean of the evidence, each start with its weight, is at most about 1."""
    draw, spec = np.random.default_rng(5), release_spec(hold_back_percent=10, bake_seconds=600).model_copy()
    guard, blocks, found = spec.judge.errors, 10, []
    for _ in range(200):
        one = counts.NOTHING
        for block in range(blocks):
            one = counts.add_start(one, guard, 4 / blocks) if block else one
            ours, theirs = draw.poisson(57.0), draw.poisson(3.0)
            look = counts.CountDelta(
                canary=Counters(requests=9500, errors=ours), stable=Counters(requests=500, errors=theirs)
            )
            one = counts.update_counts([one], [look], [guard], block, 0.0)[0]
        found.append(float(np.exp(counts.log_evidence([one], [guard], 0.0)[0][0])) / 5)

    assert np.mean(found) < 1.5
    assert np.mean(np.array(found) >= 20) <= 0.05


def test_what_breaks_late_is_not_diluted_by_what_went_well() -> None:
    """Fifty minutes of equal arms, then five times the errors for six: evidence with starts is far ahead."""
    spec, guard = release_spec(hold_back_percent=5, bake_seconds=3600), release_spec().judge.errors

    def evidence(*, anew: bool) -> float:
        one = counts.NOTHING
        for block in range(56):
            one = counts.add_start(one, guard, 4 / 60) if anew else one
            errors = 14 if block < 50 else 70
            look = counts.CountDelta(
                canary=Counters(requests=2850, errors=errors), stable=Counters(requests=150, errors=int(block % 4 > 0))
            )
            one = counts.update_counts([one], [look], [guard], block, 0.0)[0]
        return float(counts.log_evidence([one], [guard], 0.0)[0][0])

    assert find_hold_back(spec, baking()) == 5
    assert evidence(anew=True) > evidence(anew=False) + 3


def test_a_start_is_added_where_a_block_begins() -> None:
    """Not within one, and not where nothing was counted yet."""
    evidence = replace(after((1000, 5, 1000, 5)), cursors={})
    begun = restart_rates(evidence, SPEC, 1030.0), restart_rates(evidence, SPEC, 1100.0)

    assert begun[0] == evidence
    assert begun[1].rates[Check.ERRORS].tally != evidence.rates[Check.ERRORS].tally
    assert restart_rates(NO_EVIDENCE, SPEC, 1000.0) == NO_EVIDENCE


def test_evidence_is_told_on_the_scale_of_the_whole_alpha() -> None:
    """It is taken back at 1/alpha, as ever."""
    status = baking()
    for number in range(1, 200):
        live = {
            "new": Counters(requests=900 * number, errors=30 * number),
            "old": Counters(requests=100 * number, errors=number),
        }
        status = advance(SPEC, replace(status, entered_at=NOW), seen(traffic=KEPT, live=live), NOW + number).status
        said = decide_after_promotion(score_after_promotion(status.evidence_after_promotion, SPEC), SPEC)
        assert (status.phase is Phase.ROLLING_BACK) == (said.evidence_against >= 1 / SPEC.judge.alpha)
        if status.phase is Phase.ROLLING_BACK:
            break

    assert status.phase is Phase.ROLLING_BACK


def test_a_fault_that_begins_after_promotion_is_found() -> None:
    """Five times the errors, nine minutes after promotion, looks a minute apart; an equal one stays."""
    steps = [{"weight_percent": 50, "duration_seconds": 60, "at_least_seconds": 30}]
    world = World(late_seconds=540, watch_seconds=60, rollout={"shadow": None, "steps": steps, "bake_seconds": 1800})
    found = [one for one in play_many(world, 6) if one.found_in is Phase.BAKING]

    assert len(found) >= 5
    assert np.median([one.late_seconds for one in found]) <= 480
