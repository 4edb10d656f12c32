"""What holds the weights: faults of a dependency, of the route or of the inputs, and an unready stable revision."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Summary
from slipway.domain.judge.statistics.drift import profile_of
from slipway.domain.judge.statistics.route import RouteEvidence
from slipway.domain.judge.statistics.shared_faults import SharedFault
from slipway.domain.rollout.actions import SetTraffic
from slipway.domain.rollout.analysis import find_hold
from slipway.domain.rollout.machine import advance
from slipway.domain.rollout.status import Phase, RolloutStatus
from tests.domain.judged import counted
from tests.domain.looks import (
    EVEN,
    GOOD,
    HALF,
    NEW,
    NOTHING,
    NOW,
    PROMOTED,
    SPEC,
    TENTH,
    UNREADY,
    given,
    release_spec,
    seen,
    shifting,
    update_verdicts,
)
from tests.domain.rollout.known import FAULT, WELL, knowing, well

FAULT_SAID = "both versions fail together (stable on 34 %, canary on 31 %, usual 0.4 %): a dependency is down"
MISMATCH = RouteEvidence(weight_percent=50, canary=900, stable=100)


def faulty(status: RolloutStatus, known: dict[str, Any]) -> RolloutStatus:
    """Return the rollout with a fault that is not the canary's, at the weight it has."""
    status = knowing(status, **known)
    return knowing(status, route=replace(status.evidence.route, weight_percent=status.weight_percent))


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
