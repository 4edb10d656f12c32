r"""The rollout: `advance(spec, status, observation, now) -> Step(status, actions, reason)`. Pure, level-triggered.

    starting -> shadow -> shifting -> promoting -> baking -> succeeded
        \__________\__________\____________\________\____-> rolling-back -> rolled-back    (held: waits)

Every call compares what is wanted with what is seen and returns what to do about the difference. Nothing depends on an
action of an earlier call having been carried out: a driver that died between deciding and acting changes nothing in
the end.
"""

from dataclasses import replace

from slipway.domain.judge.evidence import prior_for_next_rollout
from slipway.domain.rollout.actions import (
    Observation,
    name_of,
    remark_on,
    state_in,
    wanted_traffic,
)
from slipway.domain.rollout.analysis import (
    too_bad_for_cold,
    update_warming,
)
from slipway.domain.rollout.look import Look
from slipway.domain.rollout.phases import PHASES
from slipway.domain.rollout.revision import Health, Revision
from slipway.domain.rollout.shadow import NOTHING_COMPARED
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.rollout.timeline import append_to_timeline, moment_of
from slipway.domain.rollout.transitions import Transition, enter_phase
from slipway.domain.rollout.warming import NOTHING_WARMS
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome


def begin_traffic(
    status: RolloutStatus, canary: Revision, stable: Revision | None, now: float, *, needs_approval: bool = False
) -> RolloutStatus:
    """Return the status with which the traffic part of a release begins; raise ValueError for what serves already."""
    if stable is not None and stable.name == canary.name:
        message = f"rollout {status.release_id}: {canary.name} serves already, it can't be compared with itself"
        raise ValueError(message)
    begun = replace(
        status,
        canary=canary,
        stable=stable,
        evidence=prior_for_next_rollout(status.evidence),
        evidence_against=1.0,
        evidence_for=1.0,
        verdicts=(),
        shadow=NOTHING_COMPARED,
        warming=NOTHING_WARMS,
        step=0,
        awaits_approval=needs_approval,
    )
    return enter_phase(replace(begun, heartbeat_at=now), Phase.STARTING, f"{canary.name} is being started", now)


def advance(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Transition:
    """Return what follows from one look. After a terminal phase: nothing, whatever is seen.

    Raises ValueError for a status that has no canary yet (PENDING): there is nothing to advance.
    """
    if status.phase.terminal:
        return Transition(status=status, reason=status.reason)
    if status.canary is None:
        message = f"rollout {status.release_id} is {status.phase}: begin_traffic() it first"
        raise ValueError(message)
    if status.phase is Phase.STARTING and now - status.heartbeat_at > spec.rollout.lease_seconds:
        status = replace(status, entered_at=now)  # no driver was running: that time does not count against the revision
    hold = status.hold if status.phase is Phase.HELD else None
    status = _note_remark(replace(status, heartbeat_at=now, hold=hold), seen, now)
    look = Look(spec=spec, before=update_warming(spec, status, seen, now), seen=seen, now=now)
    status = _check_interruptions(look, look.update_verdicts())
    step = PHASES[status.phase](look, status)
    return replace(step, status=append_to_timeline(step.status, now), reason=step.status.reason)


def undo_rollout(status: RolloutStatus, reason: str, now: float) -> RolloutStatus:
    """Return the status that takes a rollout back, wherever it is; raises ValueError when it is over, or serves alone.

    Where nothing was started yet, it is STOPPED at once.
    """
    if status.phase.terminal or status.alone:
        message = f"rollout {status.release_id} is {status.phase}: there is nothing to take back"
        raise ValueError(message)
    return enter_phase(status, Phase.ROLLING_BACK if status.canary else Phase.STOPPED, reason, now)


def _note_remark(status: RolloutStatus, seen: Observation, now: float) -> RolloutStatus:
    """Add a remark on other parts to the timeline, once."""
    remark = remark_on(seen)
    if not remark or remark == status.remark:
        return replace(status, remark=remark)
    moment = replace(moment_of(status, now), reason=remark)
    return replace(status, remark=remark, timeline=(*status.timeline, moment))


def _check_interruptions(look: Look, status: RolloutStatus) -> RolloutStatus:
    """Take the canary back for what needs no waiting: guards without statistics, and the judge's FAIL."""
    if status.phase is Phase.ROLLING_BACK:
        return status
    if status.phase is not Phase.BAKING:
        if look.seen.superseded_by is not None and status.phase is not Phase.PROMOTING:
            reason = f"superseded by version {look.seen.superseded_by}, which arrived meanwhile"
            return enter_phase(replace(status, yielded=True), Phase.ROLLING_BACK, reason, look.now)
        if look.seen.approval is not None and not look.seen.approval.approve:
            return enter_phase(status, Phase.ROLLING_BACK, f"rejected by {look.seen.approval.by}", look.now)
        trouble = _find_trouble(status, look.seen) or too_bad_for_cold(look.spec, status, look.seen)
        alone = (
            status.phase is Phase.PROMOTING and status.stable is None and look.seen.traffic == wanted_traffic(status)
        )
        if trouble and not alone:  # where it serves alone, there is nothing to go back to
            return enter_phase(status, Phase.ROLLING_BACK, trouble, look.now)
    said = look.decision
    if said.outcome is Outcome.FAIL:  # in the bake window too: labels come late, and the old revision is warm
        return enter_phase(status, Phase.ROLLING_BACK, said.reason, look.now)
    return status


def _find_trouble(status: RolloutStatus, seen: Observation) -> str:
    """Describe what is wrong with the canary; empty: nothing."""
    state = state_in(seen, name_of(status.canary))
    match state.health:
        case Health.FAILED:
            return f"{state.name} failed: {state.detail}"
        case Health.UNREADY if status.phase is not Phase.STARTING:
            return f"{state.name} lost its readiness: {state.detail}"
        case Health.STARTING if status.phase is not Phase.STARTING:
            return f"{state.name} died and was started again: {state.detail}"
        case Health.ABSENT if status.phase is not Phase.STARTING:
            return f"{state.name} is gone: someone or something deleted it"
        case _:
            return ""
