"""The judge within a rollout: what it looks at in each phase, what holds the weights, and what lets them go."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.decision import decide
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.judge import may_rise
from slipway.domain.judge.readings import Summary, collect_readings
from slipway.domain.judge.statistics.dispersion import KNOWN_BLOCKS
from slipway.domain.judge.statistics.drift import profile_of
from slipway.domain.judge.statistics.route import RouteEvidence
from slipway.domain.judge.statistics.shared_faults import SharedFault
from slipway.domain.rollout.actions import Observation, SetTraffic
from slipway.domain.rollout.analysis import find_hold
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
    NEW,
    NOTHING,
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
    step_is_over,
    update_verdicts,
)

FAULT = SharedFault(usual=0.004, requests=9000, now=True, stable_share=0.34, canary_share=0.31)
FAULT_SAID = "both versions fail together (stable on 34 %, canary on 31 %, usual 0.4 %): a dependency is down"
WELL = {"new": counted(590), "old": counted(590)}
MISMATCH = RouteEvidence(weight_percent=50, canary=900, stable=100)


def knowing(status: RolloutStatus, **more: Any) -> RolloutStatus:  # noqa: ANN401 - parts of the evidence
    """Return the rollout with more evidence."""
    return replace(status, evidence=replace(status.evidence, **more))


def knowing_gusts(status: RolloutStatus) -> RolloutStatus:
    """Return the rollout with ten blocks of stable known, in which nothing came in gusts."""
    errors = status.evidence.rate(Check.ERRORS)
    known = replace(errors, dispersion=replace(errors.dispersion, pairs=KNOWN_BLOCKS))
    return knowing(status, rates={**status.evidence.rates, Check.ERRORS: known})


def labels(canary: Counters, stable: Counters) -> dict[str, Counters]:
    """Return what is known of both."""
    return {"new": canary, "old": stable}


def faulty(status: RolloutStatus, known: dict[str, Any]) -> RolloutStatus:
    """Return the rollout with a fault that is not the canary's, at the weight it has."""
    status = knowing(status, **known)
    return knowing(status, route=replace(status.evidence.route, weight_percent=status.weight_percent))


# what is looked at


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


# what holds the weights


@pytest.mark.parametrize(
    ("known", "because"),
    [
        ({"fault": FAULT}, f"{FAULT_SAID}, not the canary: the weights stay until it is over"),
        (
            {"route": MISMATCH},
            "the router sent 90 % of 1,000 requests to the canary instead of",
        ),
    ],
    ids=["both fail", "route"],
)
@pytest.mark.parametrize("step", [0, 1])
def test_a_fault_that_is_not_the_canarys_holds_the_weights(known: dict[str, Any], because: str, step: int) -> None:
    """In every step, with the sentence that says whose it is; from the deadline on it is held, for a person to see."""
    spec = release_spec(on_deadline="promote")
    look = seen(traffic=HALF if step else TENTH, live=NOTHING)

    waits, held = (advance(spec, faulty(shifting(seconds, step=step), known), look, NOW) for seconds in (69, 70))

    assert (waits.status.phase, waits.status.step, waits.actions) == (Phase.SHIFTING, step, ())
    assert waits.reason.startswith(because)
    assert (held.status.phase, held.status.step, held.actions) == (Phase.HELD, step, ())
    assert (held.status.held_from, held.status.weight_percent) == (Phase.SHIFTING, 50 if step else 10)
    assert held.reason == f"no decision 70 s after this step began: {waits.reason}"


@pytest.mark.parametrize("known", [{"fault": FAULT}, {"route": MISMATCH}], ids=["both fail", "route"])
def test_a_held_rollout_is_not_promoted_meanwhile(known: dict[str, Any]) -> None:
    """Good evidence waits until the fault is over."""
    held = given(Phase.HELD, held_from=Phase.SHIFTING, step=1)
    good = update_verdicts(SPEC, held, seen(traffic=HALF, live=GOOD), NOW)

    waits = advance(SPEC, knowing(good, **known), seen(traffic=HALF, live=GOOD | {"old": counted(1000, 0)}), NOW + 1)
    goes_on = advance(SPEC, good, seen(traffic=HALF, live=GOOD), NOW + 1)

    assert (waits.status.phase, goes_on.status.phase) == (Phase.HELD, Phase.PROMOTING)


def test_what_was_held_before_the_last_step_begins_that_step_anew() -> None:
    """However good the evidence: the steps that are left have a reason of their own."""
    held = given(Phase.HELD, held_from=Phase.SHIFTING, step=0, weight_percent=10)

    waits = advance(SPEC, knowing(held, fault=FAULT), seen(traffic=TENTH, live=NOTHING), NOW)
    goes_on = advance(SPEC, held, seen(traffic=TENTH, live=GOOD), NOW)

    assert waits.status.phase is Phase.HELD
    assert (goes_on.status.phase, goes_on.status.step, goes_on.status.weight_percent) == (Phase.SHIFTING, 0, 10)
    assert goes_on.status.entered_at == NOW


@pytest.mark.parametrize("reason", ["both fail", "route", "stable not ready", "unreadable"])
def test_what_was_held_at_the_deadline_goes_on_when_it_is_over_and_the_evidence_passes(reason: str) -> None:
    """While it lasts, good evidence does not promote; once it is over, evidence that is not enough does not either."""
    known: dict[str, Any] = {"both fail": {"fault": FAULT}, "route": {"route": MISMATCH}}.get(reason, {})
    troubled: dict[str, Any] = {"stable not ready": {"old": UNREADY}, "unreadable": {"live": None}}.get(reason, {})
    held = advance(SPEC, faulty(shifting(70), known), seen(traffic=HALF, **({"live": NOTHING} | troubled)), NOW).status

    lasts = advance(SPEC, faulty(well(held), known), seen(traffic=HALF, **({"live": WELL} | troubled)), NOW + 1)
    over = knowing(held, fault=SharedFault(), route=RouteEvidence())
    on_little = advance(SPEC, over, seen(traffic=HALF, live=EVEN), NOW + 1)
    on_enough = advance(SPEC, well(over), seen(traffic=HALF, live=WELL), NOW + 1)

    assert held.phase is Phase.HELD
    assert held.reason.startswith("no decision 70 s after this step began: ")
    assert (lasts.status.phase, lasts.status.reason, lasts.actions) == (Phase.HELD, held.reason, ())
    assert (on_little.status.phase, on_little.actions) == (Phase.HELD, ())
    assert (on_enough.status.phase, on_enough.actions) == (Phase.PROMOTING, (SetTraffic(traffic=PROMOTED),))


@pytest.mark.parametrize(
    ("on_deadline", "live", "then"),
    [
        ("hold", EVEN, Phase.HELD),
        ("roll-back", EVEN, Phase.SHIFTING),
        ("promote", EVEN, Phase.SHIFTING),
        ("roll-back", NOTHING, Phase.HELD),
        ("promote", NOTHING, Phase.HELD),
    ],
)
def test_what_was_held_in_the_last_step_has_its_time_again_where_the_spec_decides_at_its_end(
    on_deadline: str, live: dict[str, Counters], then: Phase
) -> None:
    """So nothing stays split for ever because of a fault that is over; without answers there is nothing to decide."""
    held = given(Phase.HELD, held_from=Phase.SHIFTING, step=1)

    step = advance(release_spec(on_deadline=on_deadline), held, seen(traffic=HALF, live=live), NOW)

    assert (step.status.phase, step.status.step, step.status.weight_percent, step.actions) == (then, 1, 50, ())
    assert (step.status.entered_at == NOW) is (then is Phase.SHIFTING)


def test_an_outage_is_waited_out() -> None:
    """Both fail for three looks of many: nothing is held against the canary, and the rollout goes on after it."""
    status, reasons = shifting(1, step=0), []
    sums = np.zeros(4, dtype=int)
    for second in range(12):
        down = 4 <= second < 7
        sums += [100, 35 if down else 0, 900, 300 if down else 3]
        n, x, m, y = (int(one) for one in sums)
        live = {"new": counted(n, x), "old": counted(m, y)}
        step = advance(SPEC, status, seen(traffic=TENTH if status.step == 0 else HALF, live=live), NOW + second)
        status, reasons = step.status, [*reasons, step.reason]

    assert status.phase is Phase.SHIFTING
    assert [reason.startswith("both versions fail together") for reason in reasons] == [
        4 <= second < 7 for second in range(12)
    ]
    assert status.step == 1


def test_the_route_is_held_against_what_it_was_told() -> None:
    """A weight that the router was not told yet is not its fault."""
    status = shifting(5)
    for number in range(6):
        live = {"new": counted(100 * number), "old": counted(900 * number)}
        status = update_verdicts(SPEC, status, seen(traffic=TENTH, live=live), NOW + number)

    assert (status.weight_percent, status.evidence.route.weight_percent) == (50, 10)
    assert status.evidence.route.canary == 500
    assert find_hold(SPEC, status, seen(traffic=TENTH)) is None


def test_a_wrong_route_is_found_and_blamed() -> None:
    """It was told half and sends a tenth; the canary is not taken back for it."""
    status = shifting(5)
    for number in range(8):
        live = {"new": counted(100 * number), "old": counted(900 * number)}
        step = advance(SPEC, status, seen(traffic=HALF, live=live), NOW + number)
        status = step.status

    assert status.phase is Phase.SHIFTING
    assert step.reason == (
        "the router sent 10 % of 7,000 requests to the canary instead of 50 %: "
        "the route is at fault, not the model: the weights stay"
    )


@pytest.mark.parametrize(("action", "held"), [("warn", False), ("guard", True)])
def test_drift_holds_the_rollout_only_as_a_guard(action: str, *, held: bool) -> None:
    """Other inputs than the gates judged with: told, or waited for, as the spec says; never rolled back."""
    spec = release_spec({"drift": {"action": action}})
    profile = profile_of("age", np.linspace(0, 100, 1000))
    package = replace(NEW.package, profile=(profile,))
    status = given(Phase.SHIFTING, 67, step=0, weight_percent=10, canary=replace(NEW, package=package))
    moved = tuple(5000 * one for one in np.eye(len(profile.counts), dtype=int)[0].tolist())
    for number in (0, 1):
        inputs = {"age": tuple(number * one for one in moved)}
        both = {name: Summary(inputs=inputs) for name in ("new", "old")}
        status = update_verdicts(spec, status, seen(traffic=TENTH, live=EVEN, summaries=both), NOW + number)

    step = advance(spec, status, seen(traffic=TENTH, live=EVEN, summaries=both), NOW + 2)

    late = advance(spec, step.status, seen(traffic=TENTH, live=EVEN, summaries=both), NOW + 3) if held else step
    said = "live values of 'age' are not as in the validation rows"
    assert late.status.phase is (Phase.HELD if held else Phase.SHIFTING)
    assert (step.status.phase, step.status.step) == (Phase.SHIFTING, 0 if held else 1)
    assert step.reason.startswith(said if held else "step 2 of 2")
    assert late.reason.startswith(f"no decision 70 s after this step began: {said}" if held else "step 2 of 2")


# what lets them go


def adaptive(at_least: float | None = 2.0) -> ReleaseSpec:
    """Return a spec whose steps may end earlier."""
    more = {} if at_least is None else {"at_least_seconds": at_least}
    steps = [{"weight_percent": weight, "duration_seconds": 10} | more for weight in (10, 50)]
    return release_spec(steps=steps)


def well(status: RolloutStatus) -> RolloutStatus:
    """Return the rollout with good evidence, from looks of twenty requests."""
    for number in range(1, 60):
        live = {"new": counted(10 * number), "old": counted(10 * number)}
        status = update_verdicts(SPEC, status, seen(traffic=HALF, live=live), NOW - 60 + number)
    return status


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


# a metric that nothing is known of


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
