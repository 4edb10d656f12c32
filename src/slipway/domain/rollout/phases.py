"""What follows from a look in each phase: keep going, wait, move on, or go back."""

from collections.abc import Callable
from dataclasses import replace

from slipway.domain.judge.evidence import prior_for_next_rollout
from slipway.domain.rollout.actions import (
    Start,
    Stop,
    find_traffic_actions,
    name_of,
    state_in,
    wanted_now,
    wanted_traffic,
)
from slipway.domain.rollout.analysis import (
    copies_pass,
    find_copying_hold,
    find_hold,
    step_is_over,
)
from slipway.domain.rollout.baking import describe_learned, describe_learning
from slipway.domain.rollout.look import Look
from slipway.domain.rollout.revision import Health
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Hold, HoldReason, Phase, RolloutStatus
from slipway.domain.rollout.transitions import (
    Transition,
    describe_missing,
    enter_held,
    enter_phase,
    enter_promoting,
    enter_step,
    keep_weights,
    move_traffic,
    release_replicas,
    require_canary,
    reserve_replicas,
)
from slipway.domain.spec.release import Deadline
from slipway.domain.verdict import Outcome


def _advance_starting(look: Look, status: RolloutStatus) -> Transition:
    canary = require_canary(status.canary)
    state = state_in(look.seen, canary.name)
    following = _leave_starting(look, status) if state.health is Health.READY else status
    missing = describe_missing(following, look.seen)
    if following is not status and not missing:
        return move_traffic(following, look.seen)
    waited = look.now - status.entered_at
    if waited > look.spec.rollout.ready_timeout_seconds:
        why = missing or state.detail or state.health
        reason = f"{canary.name} was not ready after {waited:.0f} s: {why}"
        return _advance_rolling_back(look, enter_phase(status, Phase.ROLLING_BACK, reason, look.now))
    start = (Start(revision=canary),) if state.health is Health.ABSENT else ()
    return Transition(
        status=replace(status, reason=missing or status.reason),
        actions=(*start, *reserve_replicas(following, look.seen)),
    )


def _leave_starting(look: Look, status: RolloutStatus) -> RolloutStatus:
    name = name_of(status.canary)
    if status.stable is None:
        return _promote_or_hold(look, status, f"{name} is ready; nothing serves yet, so it gets all requests")
    if status.direct:
        return enter_promoting(look, status, f"{name} is ready and gets all requests again")
    if look.spec.rollout.shadow is not None:
        return enter_phase(status, Phase.SHADOW, f"{name} is ready and gets a copy of live requests", look.now)
    return enter_step(look, status, 0)


def _advance_shadow(look: Look, status: RolloutStatus) -> Transition:
    shadow, waited = look.spec.rollout.shadow, look.now - status.entered_at
    longest = shadow.duration_seconds if shadow is not None else 0.0
    hold = find_copying_hold(look.spec, status, look.seen)
    if hold is None and (waited >= longest or _may_end_early(look, status, waited)):
        return _begin_steps(look, status)
    if waited >= longest + look.spec.rollout.deadline_seconds:
        reason = f"no decision {waited:.0f} s after the shadow began: {hold.sentence if hold else ''}"
        return move_traffic(enter_held(status, Phase.SHADOW, HoldReason.NO_DECISION, reason, look.now), look.seen)
    told = replace(status, reason=f"shadow: {_describe_comparison(status.shadow)}", hold=hold.reason if hold else None)
    return move_traffic(told, look.seen)


def _may_end_early(look: Look, status: RolloutStatus, waited: float) -> bool:
    """Return whether the shadow may end early: copies have shown enough."""
    least = look.spec.rollout.shadow.at_least_seconds if look.spec.rollout.shadow is not None else None
    return least is not None and waited >= least and copies_pass(look.spec, status, look.scores)


def _begin_steps(look: Look, status: RolloutStatus) -> Transition:
    """Begin the steps; the canary had replicas for all copies."""
    step = move_traffic(enter_step(look, status, 0, _describe_comparison(status.shadow)), look.seen)
    return replace(step, actions=(*release_replicas(look.seen, status.canary), *step.actions))


def _describe_comparison(compared: ShadowComparison) -> str:
    return (
        f"{compared.compared:,} copied requests answered by both, {compared.disagreed:,} differently; "
        f"failed: canary {compared.canary_failed:,}, stable {compared.stable_failed:,}"
    )


def _advance_shifting(look: Look, status: RolloutStatus) -> Transition:
    hold = find_hold(look.spec, status, look.seen)
    following = status if hold else _follow_evidence(look, status)
    missing = describe_missing(following, look.seen)
    if hold is None and missing:
        hold = Hold(reason=HoldReason.REPLICAS, sentence=missing)
    if hold is None:
        return move_traffic(following, look.seen)
    waited = look.now - status.entered_at
    if waited >= look.spec.rollout.steps[status.step].duration_seconds + look.spec.rollout.deadline_seconds:
        reason = f"no decision {waited:.0f} s after this step began: {hold.sentence}"
        choice = look.spec.rollout.on_deadline if hold.reason is HoldReason.REPLICAS else Deadline.HOLD
        if choice is Deadline.PROMOTE and following.phase is Phase.PROMOTING:
            return move_traffic(following, look.seen)
        if choice is Deadline.ROLL_BACK:
            return _advance_rolling_back(look, enter_phase(status, Phase.ROLLING_BACK, reason, look.now))
        return keep_weights(enter_held(status, Phase.SHIFTING, HoldReason.NO_DECISION, reason, look.now), look.seen)
    return keep_weights(replace(status, reason=hold.sentence, hold=hold.reason), look.seen, reserve=following)


def _follow_evidence(look: Look, status: RolloutStatus) -> RolloutStatus:
    """Return what follows from the evidence: the same step, the next one, or what comes after the last."""
    said, waited = look.decision, look.now - status.entered_at
    if not step_is_over(look.spec, status, waited, look.decision):
        return replace(status, reason=said.reason)
    if status.step + 1 < len(look.spec.rollout.steps):
        return enter_step(look, status, status.step + 1, said.reason)
    if said.outcome is Outcome.PASS:
        return _promote_or_hold(look, status, said.reason)
    return _wait_or_decide(look, replace(status, reason=said.reason), waited)


def _promote_or_hold(look: Look, status: RolloutStatus, reason: str) -> RolloutStatus:
    if (look.spec.rollout.approval or status.awaits_approval) and status.approved_by is None:
        waits = f"waits for approval before promotion; {reason}"
        return enter_held(replace(status, awaits_approval=True), Phase.PROMOTING, HoldReason.APPROVAL, waits, look.now)
    return enter_promoting(look, status, reason)


def _wait_or_decide(look: Look, status: RolloutStatus, waited: float) -> RolloutStatus:
    """Wait for evidence after the last step, until the deadline."""
    over = waited - look.spec.rollout.steps[status.step].duration_seconds
    if over < look.spec.rollout.deadline_seconds:
        return status
    reason = f"no decision {over:.0f} s after the last step: {status.reason}"
    blind = look.decision.outcome is Outcome.NO_DATA
    match Deadline.HOLD if blind else look.spec.rollout.on_deadline:
        case Deadline.PROMOTE:
            return _promote_or_hold(look, status, reason)
        case Deadline.ROLL_BACK:
            return enter_phase(status, Phase.ROLLING_BACK, reason, look.now)
        case Deadline.HOLD:
            return enter_held(status, Phase.SHIFTING, HoldReason.NO_DECISION, reason, look.now)


def _advance_held(look: Look, status: RolloutStatus) -> Transition:
    if status.copying:
        go_on = look.seen.approval is not None and look.seen.approval.approve
        hold = None if go_on else find_copying_hold(look.spec, status, look.seen)
        return move_traffic(status, look.seen) if hold else _begin_steps(look, status)
    if look.seen.approval is not None and look.seen.approval.approve:
        approved = replace(status, approved_by=look.seen.approval.by)
        return move_traffic(enter_promoting(look, approved, f"approved by {look.seen.approval.by}"), look.seen)
    if status.held_from is not Phase.SHIFTING or find_hold(look.spec, status, look.seen):
        return keep_weights(status, look.seen)
    following = _resume_shifting(look, status)
    return (
        keep_weights(status, look.seen, reserve=following)
        if describe_missing(following, look.seen)
        else move_traffic(following, look.seen)
    )


def _resume_shifting(look: Look, status: RolloutStatus) -> RolloutStatus:
    """Return what follows once nothing holds the weights: the step again, or what its evidence allows by now."""
    said, last = look.decision, status.step + 1 == len(look.spec.rollout.steps)
    if last and said.outcome is Outcome.PASS:
        return _promote_or_hold(look, status, said.reason)
    if last and (look.spec.rollout.on_deadline is Deadline.HOLD or said.outcome is Outcome.NO_DATA):
        return status  # a deadline of its own would end here again
    return enter_step(look, status, status.step, said.reason)


def _advance_promoting(look: Look, status: RolloutStatus) -> Transition:
    canary = state_in(look.seen, name_of(status.canary))
    if look.seen.traffic != wanted_now(status, look.seen) or canary.health is not Health.READY:
        told = replace(status, reason=describe_missing(status, look.seen) or status.reason)
        return Transition(
            status=told, actions=find_traffic_actions(status, look.seen, ignore_capacity=_is_late(look, status))
        )
    if status.stable is None and not look.spec.rollout.bake_seconds:
        return Transition(status=enter_phase(status, Phase.SUCCEEDED, status.reason, look.now))
    if status.stable is None:
        return Transition(
            status=enter_phase(status, Phase.BAKING, describe_learning(look.spec, status, look.now), look.now)
        )
    anew = replace(status, evidence_after_promotion=prior_for_next_rollout(status.evidence))
    return Transition(status=enter_phase(anew, Phase.BAKING, status.reason, look.now))


def _advance_baking(look: Look, status: RolloutStatus) -> Transition:
    return (_bake_alone if status.alone else _bake_beside_old)(look, status)


def _bake_beside_old(look: Look, status: RolloutStatus) -> Transition:
    canary, old = state_in(look.seen, name_of(status.canary)), state_in(look.seen, name_of(status.stable))
    if canary.health is not Health.READY:
        if old.health is not Health.READY:
            return move_traffic(status, look.seen)  # neither is well: keep both
        reason = f"{canary.name} is {canary.health} in its bake window: {canary.detail or 'no detail'}"
        return _advance_rolling_back(look, enter_phase(status, Phase.ROLLING_BACK, reason, look.now))
    warm = old.health is not Health.ABSENT  # absent: it was stopped
    if warm and look.now - status.entered_at < look.spec.rollout.bake_seconds and look.seen.superseded_by is None:
        step = move_traffic(status, look.seen)
        return replace(step, actions=(*step.actions, *release_replicas(look.seen, status.canary, status.stable)))
    done = replace(status, phase=Phase.SUCCEEDED)
    if look.seen.traffic != wanted_traffic(done):
        return move_traffic(status, look.seen, target=wanted_traffic(done))
    release = release_replicas(look.seen, status.canary)  # it had replicas for the share that the old one gave up
    stop = (Stop(name=old.name),) if old.health is not Health.ABSENT else ()
    if release or stop:
        return Transition(status=status, actions=(*release, *stop))
    return Transition(status=enter_phase(status, Phase.SUCCEEDED, status.reason, look.now))


def _bake_alone(look: Look, status: RolloutStatus) -> Transition:
    """Keep it there whatever it does: there is nothing to go back to. A newer version is not kept waiting."""
    step, release = move_traffic(status, look.seen), release_replicas(look.seen, status.canary)
    learning = look.now - status.entered_at < look.spec.rollout.bake_seconds or bool(step.actions)
    if release or (learning and look.seen.superseded_by is None):
        return replace(step, actions=(*step.actions, *release))
    return Transition(status=enter_phase(status, Phase.SUCCEEDED, describe_learned(status), look.now))


def _advance_rolling_back(look: Look, status: RolloutStatus) -> Transition:
    """Capacity before traffic: stable is ready first, then gets all requests, then the canary goes."""
    canary = require_canary(status.canary)
    if status.stable is None and look.seen.traffic is not None and look.seen.traffic.weights.get(canary.name):
        reason = f"{status.reason}; {canary.name} keeps all requests: there is nothing to go back to"
        return Transition(status=enter_phase(status, Phase.SUCCEEDED, reason, look.now))
    if status.stable is not None:
        gone = state_in(look.seen, status.stable.name).health is Health.ABSENT
        if gone or look.seen.traffic != wanted_traffic(status):
            return Transition(
                status=status, actions=find_traffic_actions(status, look.seen, ignore_capacity=_is_late(look, status))
            )
    release = release_replicas(look.seen, status.stable)
    if release or state_in(look.seen, canary.name).health is not Health.ABSENT:
        return Transition(status=status, actions=(*release, Stop(name=canary.name)))
    return Transition(status=enter_phase(status, Phase.ROLLED_BACK, status.reason, look.now))


def _is_late(look: Look, status: RolloutStatus) -> bool:
    """Return whether the time to wait for replicas is over; traffic then moves although replicas are missing.

    Overload is better than serving a bad version (rollback) or staying split (promotion). If nodes have no room for
    two versions, only stopping the old one makes room.
    """
    return look.now - status.entered_at > look.spec.rollout.ready_timeout_seconds


def _stay_pending(_look: Look, status: RolloutStatus) -> Transition:
    return Transition(status=status)


PHASES: dict[Phase, Callable[[Look, RolloutStatus], Transition]] = {
    Phase.PENDING: _stay_pending,
    Phase.STARTING: _advance_starting,
    Phase.SHADOW: _advance_shadow,
    Phase.SHIFTING: _advance_shifting,
    Phase.HELD: _advance_held,
    Phase.PROMOTING: _advance_promoting,
    Phase.BAKING: _advance_baking,
    Phase.ROLLING_BACK: _advance_rolling_back,
}
