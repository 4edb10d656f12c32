"""What an analysis looks at in each phase of a rollout."""

from typing import Any

import numpy as np
import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.readings import collect_readings
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS
from slipway.domain.rollout.actions import Observation, SetTraffic
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.judged import counted, latencies
from tests.domain.looks import (
    BEFORE,
    EVEN,
    GOOD,
    HALF,
    NOW,
    PROMOTED,
    SHADOWED,
    SPEC,
    TENTH,
    UNREADY,
    WORSE,
    given,
    release_spec,
    seen,
    shifting,
    update_verdicts,
)
from tests.domain.rollout.known import FAULT, knowing, knowing_gusts


def labels(canary: Counters, stable: Counters) -> dict[str, Counters]:
    """Return what is known of both."""
    return {"new": canary, "old": stable}


@pytest.mark.parametrize("phase", [Phase.SHIFTING, Phase.HELD])
def test_live_requests_are_weighed_while_both_get_them(phase: Phase) -> None:
    """And every verdict is written down."""
    after = update_verdicts(SPEC, given(phase), seen(traffic=HALF, live=WORSE), NOW)

    assert (after.evidence.canary, after.evidence.stable) == (WORSE["new"], WORSE["old"])
    assert after.evidence_against > 1 / SPEC.judge.alpha
    outcomes = [(one.check, one.outcome) for one in after.verdicts]
    assert outcomes == [(Check.ERRORS, Outcome.FAIL), (Check.COPIES, Outcome.NO_DATA)]


@pytest.mark.parametrize("phase", [Phase.SHADOW, Phase.SHIFTING, Phase.HELD])
def test_beside_a_stable_that_is_not_ready_nothing_is_weighed(phase: Phase) -> None:
    """Any canary looks fine there; that time is not weighed later either."""
    sick = update_verdicts(SPEC, given(phase), seen(old=UNREADY, traffic=HALF, live=WORSE), NOW)

    assert (sick.evidence.canary, sick.evidence.stable) == (ZERO, ZERO)
    assert sick.evidence.cursors["requests"].last["new"].requests == WORSE["new"]


def test_under_shadow_the_copies_are_weighed_and_the_originals_remembered() -> None:
    """Each request counts once."""
    copies = ShadowComparison(compared=300, canary_failed=3, stable_failed=2, both_failed=2)

    after = update_verdicts(SPEC, given(Phase.SHADOW), seen(traffic=SHADOWED, live=GOOD, shadow=copies), NOW)
    again = update_verdicts(SPEC, after, seen(traffic=SHADOWED, live=GOOD, shadow=copies), NOW + 1)

    assert (after.evidence.canary, after.evidence.stable) == (ZERO, ZERO)
    copied = after.evidence.rate(Check.COPIES)
    assert (copied.canary, copied.stable) == (counted(300, 1), counted(300, 0))
    assert after.evidence.cursors["requests"].last["new"].requests == GOOD["new"]
    assert (again.evidence.rate(Check.COPIES), again.shadow) == (copied, copies)


def test_under_shadow_the_gusts_of_stables_live_errors_are_learned() -> None:
    """They are known when the first live request is weighed; nothing is held for or against the canary by them."""
    status = given(Phase.SHADOW)
    for number in range(6):
        live = {"new": ZERO, "old": counted(4000 * number, 40 * number)}
        copies = ShadowComparison(compared=10 * number)
        status = update_verdicts(SPEC, status, seen(traffic=SHADOWED, live=live, shadow=copies), NOW + 60 * number)

    assert (status.evidence.canary, status.evidence.stable) == (ZERO, ZERO)
    assert status.evidence.rate(Check.ERRORS).dispersion.all_events == 160  # the block under way is not over
    assert status.evidence.fault.usual == pytest.approx(0.01)


def test_what_is_bad_on_copies_never_serves() -> None:
    """Rolled back in the shadow phase, for errors on copies alone: no live request was weighed."""
    status = given(Phase.SHADOW)
    for number in range(1, 10):
        live = {"new": ZERO, "old": counted(1000 * number, 10 * number)}
        copies = ShadowComparison(compared=100 * number, canary_failed=6 * number, stable_failed=number)
        step = advance(SPEC, status, seen(traffic=SHADOWED, live=live, shadow=copies), NOW + number)
        status = step.status
        if status.phase is not Phase.SHADOW:
            break

    assert (status.phase, step.actions) == (Phase.ROLLING_BACK, (SetTraffic(traffic=BEFORE),))
    assert step.reason.startswith("canary fails 6.0")
    assert {moment.weight_percent for moment in status.timeline} == {0}
    assert [(one.check, one.outcome) for one in status.verdicts] == [
        (Check.ERRORS, Outcome.NO_DATA),
        (Check.COPIES, Outcome.FAIL),
    ]


@pytest.mark.parametrize(
    ("longest", "watched", "ratio", "blocks"),
    [(900, False, 3, KNOWN_BLOCKS), (900, True, 3, 0), (300, False, 3, 0), (900, False, 140, 0)],
    ids=["gusts are learned first", "known already", "no time to learn them", "no gust explains it"],
)
def test_copies_count_against_it_once_stables_gusts_are_known(
    longest: float, ratio: int, blocks: int, *, watched: bool
) -> None:
    """In one arm a gust looks like the canary's doing, and the shadow costs nobody anything but its time."""
    shadow = {"duration_seconds": longest, "at_least_seconds": 60}
    spec = release_spec({"refused": None, "shed": None, "nonfinite": None, "latency": None}, shadow=shadow)
    status = knowing_gusts(given(Phase.SHADOW)) if watched else given(Phase.SHADOW)
    for number in range(1, 90):
        live = {"new": ZERO, "old": counted(500 * number, 3 * number)}
        copies = ShadowComparison(
            compared=500 * number, canary_failed=3 * ratio * number, stable_failed=3 * number, both_failed=0
        )
        status = advance(spec, status, seen(traffic=SHADOWED, live=live, shadow=copies), NOW + 10 * number).status
        if status.phase is not Phase.SHADOW:
            break

    assert status.phase is Phase.ROLLING_BACK
    assert blocks <= (10 * number) / 60 <= blocks + 3


def found_after(spec: ReleaseSpec, status: RolloutStatus) -> tuple[RolloutStatus, int]:
    """Return a rollout whose canary fails twice as often on live requests, taken back, and the looks it took."""
    for number in range(100):
        live = {"new": counted(250 * number, 10 * number), "old": counted(2250 * number, 45 * number)}
        status = advance(spec, status, seen(traffic=TENTH, live=live), status.heartbeat_at + 1).status
        if status.phase is Phase.ROLLING_BACK:
            return status, number
    message = "it was never found"
    raise AssertionError(message)


def test_what_is_equal_on_copies_and_worse_live_is_found_as_soon_as_without_a_shadow() -> None:
    """Many equal failures on copies dilute nothing: one look later at most, for alpha's part that copies have."""
    steps = [{"weight_percent": 10, "duration_seconds": 500}]
    with_shadow, without = release_spec(steps=steps), release_spec(steps=steps, shadow=None)
    status = given(Phase.SHADOW, 0)
    for number in range(11):
        copies = ShadowComparison(compared=20_000 * number, canary_failed=400 * number, stable_failed=400 * number)
        live = {"new": ZERO, "old": counted(2500 * number, 50 * number)}
        step = advance(with_shadow, status, seen(traffic=SHADOWED, live=live, shadow=copies), NOW + number)
        status = step.status
    assert (status.phase, status.evidence.rate(Check.COPIES).canary) == (Phase.SHIFTING, counted(200_000, 4000))

    found, looks = found_after(with_shadow, status)
    _, looks_without = found_after(without, shifting(0, step=0))

    assert looks_without <= looks <= looks_without + 1
    assert found.reason.startswith("canary fails 1.99x as often as stable (")
    assert found.evidence.canary == counted(250 * looks, 10 * looks)


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.PROMOTING, Phase.ROLLING_BACK])
def test_in_other_phases_nothing_is_looked_at(phase: Phase) -> None:
    """One arm alone serves, or is about to."""
    assert update_verdicts(SPEC, given(phase), seen(live=WORSE), NOW) == given(phase)


def test_what_can_not_be_read_changes_nothing() -> None:
    """Neither evidence nor verdicts."""
    before = shifting()

    assert update_verdicts(SPEC, before, seen(traffic=HALF, live=None), NOW) == before
    assert update_verdicts(SPEC, before, seen(traffic=HALF, live={"old": EVEN["old"]}), NOW) == before


def test_while_it_bakes_labels_are_weighed_and_its_habits_learned() -> None:
    """It serves alone: its errors are compared with nothing, and known when the next one comes."""
    spec = release_spec({"labels": {}})
    status = given(Phase.BAKING)
    for second, number in enumerate(range(0, 500, 100)):
        look = seen(
            traffic=PROMOTED,
            live={"new": counted(1000 + 9 * number, number), "old": EVEN["old"]},
            labels=labels(counted(number, number // 20), counted(number, number // 20)),
        )
        status = update_verdicts(spec, status, look, NOW + 60 * second)

    assert status.evidence.canary == ZERO
    assert status.evidence.rate(Check.LABELS).canary == counted(400, 20)
    assert status.evidence.rate(Check.ERRORS).dispersion.all_events == 300


def test_labels_alone_can_take_it_back_while_it_bakes() -> None:
    """They come late, and the old revision is warm; a fault of what serves does not hide them."""
    spec = release_spec({"labels": {}})
    status = knowing(given(Phase.BAKING), fault=FAULT)
    for second, number in enumerate((0, 1)):
        wrong = labels(counted(1000 * number, 300 * number), counted(9000 * number, 900 * number))
        look = seen(traffic=PROMOTED, live={"new": counted(1000, 900), "old": EVEN["old"]}, labels=wrong)
        step = advance(spec, status, look, NOW + second)
        status = step.status

    assert (status.phase, step.actions) == (Phase.ROLLING_BACK, (SetTraffic(traffic=BEFORE),))
    assert step.reason.startswith("canary is wrong 2.99x as often as stable (")


def test_bands_of_whole_distributions_begin_anew_with_a_weight() -> None:
    """Pooled over weights, a drifting base would be held against the canary; what was found stays found."""
    spec = release_spec({"latency": {"any_quantile": True}})
    status = shifting(9, step=0)
    for second in (0, 0.5, 2):
        both = {name: latencies(1000 + int(100 * second), 300, 40, 1) for name in ("new", "old")}
        live = {"new": counted(int(20 * second)), "old": counted(int(180 * second))}
        step = advance(spec, status, seen(traffic=TENTH, live=live, latencies=both), NOW + second)
        if second < 2:
            assert step.status.evidence.quantiles.restarts == 0
        status = step.status

    assert status.weight_percent == 50
    assert (status.evidence.quantiles.restarts, status.evidence.quantiles.canary_requests) == (1, 0)


@pytest.mark.parametrize("read", [{}, {"latencies": {}}], ids=["not read", "empty"])
def test_a_metric_that_the_source_does_not_know_goes_on_and_holds_at_the_deadline(read: dict[str, Any]) -> None:
    """It never passes, so the last step waits; then a person is asked, whatever the spec says of the deadline."""
    spec = release_spec({"latency": {}}, on_deadline="promote")
    status, phases, waits, sums = shifting(1, step=0), [], "", np.zeros(2, dtype=int)
    for second in range(0, 100, 9):
        traffic = TENTH if status.step == 0 else HALF
        sums += [40 * status.weight_percent, 40 * (100 - status.weight_percent)]
        live = {"new": counted(int(sums[0])), "old": counted(int(sums[1]))}
        step = advance(spec, status, seen(traffic=traffic, live=live, **read), NOW + second)
        status, phases = step.status, [*phases, (step.status.phase, step.status.weight_percent)]
        waits = step.reason

    assert list(dict.fromkeys(phases)) == [(Phase.SHIFTING, 10), (Phase.SHIFTING, 50), (Phase.HELD, 50)]
    assert waits.startswith("no decision ")
    assert waits.endswith("how slow stable's slowest answers are is not known yet")
    assert {one.check: one.outcome for one in status.verdicts}[Check.LATENCY] is Outcome.NO_DATA


def test_a_rollout_without_a_stable_revision_has_nothing_to_look_at() -> None:
    """The first release of a model."""
    first = given(Phase.SHIFTING, stable=None, evidence=NO_EVIDENCE)

    assert (
        update_verdicts(SPEC, first, Observation(readings=collect_readings(requests=GOOD)), NOW).evidence == Evidence()
    )
