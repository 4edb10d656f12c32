"""The rollout, outside of its tables: its ends, its beginning, what it keeps in mind, its timeline."""

from dataclasses import replace

import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.decision import decide
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.rollout.actions import Approval, SetTraffic, wanted_traffic
from slipway.domain.rollout.machine import advance, begin_traffic, undo_rollout
from slipway.domain.rollout.revision import Health, Traffic
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase
from slipway.domain.rollout.timeline import TIMELINE_LIMIT
from slipway.domain.rollout.transitions import Transition
from tests.domain.looks import (
    AFTER,
    BEFORE,
    GOOD,
    HALF,
    NEW,
    NO,
    NOW,
    OLD,
    PROMOTED,
    SHADOWED,
    SPEC,
    TENTH,
    UNREADY,
    WORSE,
    YES,
    given,
    seen,
    shifting,
    waiting,
)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED])
@pytest.mark.parametrize("health", Health)
@pytest.mark.parametrize("approval", [None, YES, NO])
def test_nothing_follows_a_terminal_phase(phase: Phase, health: Health, approval: Approval | None) -> None:
    """Whatever is seen: a rollout that is over is over."""
    over = given(phase)

    step = advance(SPEC, over, seen(health, health, HALF, live=WORSE, approval=approval, superseded_by=9), NOW + 99)

    assert step == Transition(status=over, reason="so far")


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

    assert (decide(sick.evidence, SPEC).evidence_for, sick.evidence_for) == (1.0, 1.0)
    assert sick.evidence.canary == ZERO
    assert well.evidence.canary == Counters(requests=10, errors=0)


def test_live_errors_begin_fresh_after_the_shadow() -> None:
    """What the copies showed is kept beside them: it speaks for no request that is live."""
    copies = ShadowComparison(compared=120, canary_failed=2, stable_failed=1)

    step = advance(SPEC, given(Phase.SHADOW, 10), seen(traffic=SHADOWED, shadow=copies), NOW)

    assert step.status.phase is Phase.SHIFTING
    assert (step.status.evidence.canary, step.status.evidence.stable) == (ZERO, ZERO)
    assert step.status.evidence.rate(Check.COPIES).canary == Counters(requests=120, errors=2)


# beginning and taking back


def test_a_rollout_begins_with_nothing_held_for_or_against_it() -> None:
    """Evidence of an earlier attempt is gone; what is to be compared is named."""
    earlier = advance(SPEC, shifting(), seen(traffic=HALF, live=GOOD), NOW).status
    pending = given(Phase.PENDING, canary=None, stable=None, evidence=earlier.evidence, evidence_for=9.0, step=1)

    begun = begin_traffic(pending, NEW, OLD, NOW, needs_approval=True)

    assert (begun.phase, begun.canary, begun.stable) == (Phase.STARTING, NEW, OLD)
    assert (begun.evidence.canary, begun.step, begun.weight_percent) == (ZERO, 0, 0)
    assert decide(begun.evidence, SPEC) == decide(NO_EVIDENCE, SPEC)
    assert (begun.evidence_against, begun.evidence_for, begun.verdicts) == (1.0, 1.0, ())
    assert begun.evidence.rate(Check.ERRORS).dispersion == earlier.evidence.rate(Check.ERRORS).dispersion
    assert (begun.entered_at, begun.heartbeat_at, begun.awaits_approval) == (NOW, NOW, True)
    assert [moment.phase for moment in begun.timeline] == [Phase.STARTING]


def test_what_serves_can_not_be_released_beside_itself() -> None:
    """Taking it back would stop what serves."""
    with pytest.raises(ValueError, match="new serves already"):
        begin_traffic(given(Phase.PENDING, canary=None), NEW, replace(NEW, version=3), NOW)


def test_a_rollout_that_did_not_begin_can_not_advance() -> None:
    """There is no canary to look at."""
    with pytest.raises(ValueError, match=r"m-v2-a1 is pending: begin_traffic\(\) it first"):
        advance(SPEC, given(Phase.PENDING, canary=None), seen(), NOW)


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.terminal and phase is not Phase.PENDING])
def test_a_rollout_under_way_can_be_taken_back(phase: Phase) -> None:
    """From every phase, the bake window included: the next look moves traffic to stable."""
    undone = undo_rollout(given(phase), "ann said so", NOW)

    step = advance(SPEC, undone, seen(traffic=PROMOTED), NOW)

    assert (undone.phase, undone.reason, undone.weight_percent) == (Phase.ROLLING_BACK, "ann said so", 0)
    assert step.actions == (SetTraffic(traffic=BEFORE),)


def test_a_rollout_whose_gates_are_at_work_is_stopped() -> None:
    """Nothing was started, so there is nothing to take back."""
    undone = undo_rollout(given(Phase.PENDING, canary=None), "ann said so", NOW)

    assert (undone.phase, undone.reason) == (Phase.STOPPED, "ann said so")


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED])
def test_a_rollout_that_is_over_can_not_be_taken_back(phase: Phase) -> None:
    """A new, direct rollout does that."""
    with pytest.raises(ValueError, match=f"is {phase}: there is nothing to take back"):
        undo_rollout(given(phase), "ann said so", NOW)


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
    """A thousand looks: at most 400 moments, every phase and weight among them, the last look at the end."""
    status = begin_traffic(given(Phase.PENDING, canary=None, timeline=()), NEW, OLD, NOW)
    status = advance(SPEC, status, seen(), NOW + 1).status
    status = advance(SPEC, status, seen(traffic=SHADOWED), NOW + 20).status
    status = advance(SPEC, status, seen(traffic=TENTH), NOW + 31).status

    for second in range(32, 1032):
        status = advance(SPEC, status, seen(old=UNREADY, traffic=HALF), NOW + second).status
        assert len(status.timeline) <= TIMELINE_LIMIT
        assert status.timeline[-1].at == NOW + second

    shown = [(moment.phase, moment.weight_percent) for moment in status.timeline]
    assert list(dict.fromkeys(shown)) == [
        (Phase.STARTING, 0),
        (Phase.SHADOW, 0),
        (Phase.SHIFTING, 10),
        (Phase.SHIFTING, 50),
        (Phase.HELD, 50),
    ]
    assert [moment.at for moment in status.timeline] == sorted(moment.at for moment in status.timeline)
