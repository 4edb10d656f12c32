r"""The rollout: `advance(spec, status, observation, now) -> Step(status, actions, reason)`. Pure, level-triggered.

    starting -> shadow -> shifting -> promoting -> baking -> succeeded
        \__________\__________\____________\________\____-> rolling-back -> rolled-back    (held: waits)

Every call compares what is wanted with what is seen and says what to do about the difference. Nothing depends on an
action of an earlier call having been carried out: a driver that died between deciding and acting changes nothing in
the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from slipway.domain.judge.evidence import prior_for_next_rollout
from slipway.domain.judge.statistics import quantiles
from slipway.domain.rollout.actions import (
    Action,
    Observation,
    Reserve,
    Start,
    Stop,
    find_traffic_actions,
    name_of,
    remark_on,
    state_in,
    wanted_now,
    wanted_traffic,
)
from slipway.domain.rollout.analysis import (
    copies_pass,
    find_copying_hold,
    find_hold,
    step_is_over,
    too_bad_for_cold,
    update_warming,
)
from slipway.domain.rollout.baking import describe_learned, describe_learning, find_hold_back
from slipway.domain.rollout.capacity import find_floors_to_raise, find_floors_to_release, find_shortages
from slipway.domain.rollout.look import Look
from slipway.domain.rollout.revision import Health, Revision, Traffic
from slipway.domain.rollout.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.rollout.status import Hold, HoldReason, Phase, RolloutStatus
from slipway.domain.rollout.timeline import append_to_timeline, moment_of
from slipway.domain.rollout.warming import NOTHING_WARMS
from slipway.domain.spec.release import Deadline, ReleaseSpec
from slipway.domain.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What follows from one look: the status to keep, what to do, and why."""

    status: RolloutStatus
    actions: tuple[Action, ...] = ()
    reason: str = ""


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
    return _enter_phase(replace(begun, heartbeat_at=now), Phase.STARTING, f"{canary.name} is being started", now)


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
    step = _PHASES[status.phase](look, status)
    return replace(step, status=append_to_timeline(step.status, now), reason=step.status.reason)


def undo_rollout(status: RolloutStatus, reason: str, now: float) -> RolloutStatus:
    """Return the status that takes a rollout back, wherever it is; raises ValueError when it is over, or serves alone.

    Where nothing was started yet, it is STOPPED at once.
    """
    if status.phase.terminal or status.alone:
        message = f"rollout {status.release_id} is {status.phase}: there is nothing to take back"
        raise ValueError(message)
    return _enter_phase(status, Phase.ROLLING_BACK if status.canary else Phase.STOPPED, reason, now)


def _note_remark(status: RolloutStatus, seen: Observation, now: float) -> RolloutStatus:
    """Write down what was seen beside the canary's own state, once."""
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
            return _enter_phase(replace(status, yielded=True), Phase.ROLLING_BACK, reason, look.now)
        if look.seen.approval is not None and not look.seen.approval.approve:
            return _enter_phase(status, Phase.ROLLING_BACK, f"rejected by {look.seen.approval.by}", look.now)
        trouble = _find_trouble(status, look.seen) or too_bad_for_cold(look.spec, status, look.seen)
        alone = (
            status.phase is Phase.PROMOTING and status.stable is None and look.seen.traffic == wanted_traffic(status)
        )
        if trouble and not alone:  # where it serves alone, there is nothing to go back to
            return _enter_phase(status, Phase.ROLLING_BACK, trouble, look.now)
    said = look.decision
    if said.outcome is Outcome.FAIL:  # in the bake window too: labels come late, and the old revision is warm
        return _enter_phase(status, Phase.ROLLING_BACK, said.reason, look.now)
    return status


def _find_trouble(status: RolloutStatus, seen: Observation) -> str:
    """Say what is wrong with the canary, if anything."""
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


def _advance_starting(look: Look, status: RolloutStatus) -> Transition:
    canary = _require_canary(status.canary)
    state = state_in(look.seen, canary.name)
    following = _after_start(look, status) if state.health is Health.READY else status
    missing = _describe_missing(following, look.seen)
    if following is not status and not missing:
        return _move_traffic(following, look.seen)
    waited = look.now - status.entered_at
    if waited > look.spec.rollout.ready_timeout_seconds:
        why = missing or state.detail or state.health
        reason = f"{canary.name} was not ready after {waited:.0f} s: {why}"
        return _advance_rolling_back(look, _enter_phase(status, Phase.ROLLING_BACK, reason, look.now))
    start = (Start(revision=canary),) if state.health is Health.ABSENT else ()
    return Transition(
        status=replace(status, reason=missing or status.reason),
        actions=(*start, *_reserve_replicas(following, look.seen)),
    )


def _after_start(look: Look, status: RolloutStatus) -> RolloutStatus:
    name = name_of(status.canary)
    if status.stable is None:
        return _approved_or_held(look, status, f"{name} is ready; nothing serves yet, so it gets all requests")
    if status.direct:
        return _enter_promoting(look, status, f"{name} is ready and gets all requests again")
    if look.spec.rollout.shadow is not None:
        return _enter_phase(status, Phase.SHADOW, f"{name} is ready and gets a copy of live requests", look.now)
    return _enter_step(look, status, 0)


def _advance_shadow(look: Look, status: RolloutStatus) -> Transition:
    shadow, waited = look.spec.rollout.shadow, look.now - status.entered_at
    longest = shadow.duration_seconds if shadow is not None else 0.0
    hold = find_copying_hold(look.spec, status, look.seen)
    if hold is None and (waited >= longest or _may_end_early(look, status, waited)):
        return _first_step(look, status)
    if waited >= longest + look.spec.rollout.deadline_seconds:
        reason = f"no decision {waited:.0f} s after the shadow began: {hold.sentence if hold else ''}"
        return _move_traffic(_enter_held(status, Phase.SHADOW, HoldReason.NO_DECISION, reason, look.now), look.seen)
    told = replace(status, reason=f"shadow: {_describe_comparison(status.shadow)}", hold=hold.reason if hold else None)
    return _move_traffic(told, look.seen)


def _may_end_early(look: Look, status: RolloutStatus, waited: float) -> bool:
    """Say whether the shadow may end before its time: copies have shown enough."""
    least = look.spec.rollout.shadow.at_least_seconds if look.spec.rollout.shadow is not None else None
    return least is not None and waited >= least and copies_pass(look.spec, status, look.scores)


def _first_step(look: Look, status: RolloutStatus) -> Transition:
    """Begin the steps; the canary had replicas for all copies."""
    step = _move_traffic(_enter_step(look, status, 0, _describe_comparison(status.shadow)), look.seen)
    return replace(step, actions=(*_release_replicas(look.seen, status.canary), *step.actions))


def _describe_comparison(compared: ShadowComparison) -> str:
    return (
        f"{compared.compared:,} copied requests answered by both, {compared.disagreed:,} differently; "
        f"failed: canary {compared.canary_failed:,}, stable {compared.stable_failed:,}"
    )


def _advance_shifting(look: Look, status: RolloutStatus) -> Transition:
    hold = find_hold(look.spec, status, look.seen)
    following = status if hold else _follow_evidence(look, status)
    missing = _describe_missing(following, look.seen)
    if hold is None and missing:
        hold = Hold(reason=HoldReason.REPLICAS, sentence=missing)
    if hold is None:
        return _move_traffic(following, look.seen)
    waited = look.now - status.entered_at
    if waited >= look.spec.rollout.steps[status.step].duration_seconds + look.spec.rollout.deadline_seconds:
        reason = f"no decision {waited:.0f} s after this step began: {hold.sentence}"
        choice = look.spec.rollout.on_deadline if hold.reason is HoldReason.REPLICAS else Deadline.HOLD
        if choice is Deadline.PROMOTE and following.phase is Phase.PROMOTING:
            return _move_traffic(following, look.seen)
        if choice is Deadline.ROLL_BACK:
            return _advance_rolling_back(look, _enter_phase(status, Phase.ROLLING_BACK, reason, look.now))
        return _keep_weights(_enter_held(status, Phase.SHIFTING, HoldReason.NO_DECISION, reason, look.now), look.seen)
    return _keep_weights(replace(status, reason=hold.sentence, hold=hold.reason), look.seen, reserve=following)


def _follow_evidence(look: Look, status: RolloutStatus) -> RolloutStatus:
    """Return what follows from the evidence: the same step, the next one, or what comes after the last."""
    said, waited = look.decision, look.now - status.entered_at
    if not step_is_over(look.spec, status, waited, look.decision):
        return replace(status, reason=said.reason)
    if status.step + 1 < len(look.spec.rollout.steps):
        return _enter_step(look, status, status.step + 1, said.reason)
    if said.outcome is Outcome.PASS:
        return _approved_or_held(look, status, said.reason)
    return _wait_or_decide(look, replace(status, reason=said.reason), waited)


def _approved_or_held(look: Look, status: RolloutStatus, reason: str) -> RolloutStatus:
    if (look.spec.rollout.approval or status.awaits_approval) and status.approved_by is None:
        waits = f"waits for approval before promotion; {reason}"
        return _enter_held(replace(status, awaits_approval=True), Phase.PROMOTING, HoldReason.APPROVAL, waits, look.now)
    return _enter_promoting(look, status, reason)


def _wait_or_decide(look: Look, status: RolloutStatus, waited: float) -> RolloutStatus:
    """Wait for evidence after the last step, until the deadline."""
    over = waited - look.spec.rollout.steps[status.step].duration_seconds
    if over < look.spec.rollout.deadline_seconds:
        return status
    reason = f"no decision {over:.0f} s after the last step: {status.reason}"
    blind = look.decision.outcome is Outcome.NO_DATA
    match Deadline.HOLD if blind else look.spec.rollout.on_deadline:
        case Deadline.PROMOTE:
            return _approved_or_held(look, status, reason)
        case Deadline.ROLL_BACK:
            return _enter_phase(status, Phase.ROLLING_BACK, reason, look.now)
        case Deadline.HOLD:
            return _enter_held(status, Phase.SHIFTING, HoldReason.NO_DECISION, reason, look.now)


def _advance_held(look: Look, status: RolloutStatus) -> Transition:
    if status.copying:
        go_on = look.seen.approval is not None and look.seen.approval.approve
        hold = None if go_on else find_copying_hold(look.spec, status, look.seen)
        return _move_traffic(status, look.seen) if hold else _first_step(look, status)
    if look.seen.approval is not None and look.seen.approval.approve:
        approved = replace(status, approved_by=look.seen.approval.by)
        return _move_traffic(_enter_promoting(look, approved, f"approved by {look.seen.approval.by}"), look.seen)
    if status.held_from is not Phase.SHIFTING or find_hold(look.spec, status, look.seen):
        return _keep_weights(status, look.seen)
    following = _resume_shifting(look, status)
    return (
        _keep_weights(status, look.seen, reserve=following)
        if _describe_missing(following, look.seen)
        else _move_traffic(following, look.seen)
    )


def _resume_shifting(look: Look, status: RolloutStatus) -> RolloutStatus:
    """Return what follows once nothing holds the weights: the step again, or what its evidence allows by now."""
    said, last = look.decision, status.step + 1 == len(look.spec.rollout.steps)
    if last and said.outcome is Outcome.PASS:
        return _approved_or_held(look, status, said.reason)
    if last and (look.spec.rollout.on_deadline is Deadline.HOLD or said.outcome is Outcome.NO_DATA):
        return status  # a deadline of its own would end here again
    return _enter_step(look, status, status.step, said.reason)


def _advance_promoting(look: Look, status: RolloutStatus) -> Transition:
    canary = state_in(look.seen, name_of(status.canary))
    if look.seen.traffic != wanted_now(status, look.seen) or canary.health is not Health.READY:
        told = replace(status, reason=_describe_missing(status, look.seen) or status.reason)
        return Transition(
            status=told, actions=find_traffic_actions(status, look.seen, ignore_capacity=_is_late(look, status))
        )
    if status.stable is None and not look.spec.rollout.bake_seconds:
        return Transition(status=_enter_phase(status, Phase.SUCCEEDED, status.reason, look.now))
    if status.stable is None:
        return Transition(
            status=_enter_phase(status, Phase.BAKING, describe_learning(look.spec, status, look.now), look.now)
        )
    anew = replace(status, evidence_after_promotion=prior_for_next_rollout(status.evidence))
    return Transition(status=_enter_phase(anew, Phase.BAKING, status.reason, look.now))


def _advance_baking(look: Look, status: RolloutStatus) -> Transition:
    return (_bake_alone if status.alone else _bake_beside_old)(look, status)


def _bake_beside_old(look: Look, status: RolloutStatus) -> Transition:
    canary, old = state_in(look.seen, name_of(status.canary)), state_in(look.seen, name_of(status.stable))
    if canary.health is not Health.READY:
        if old.health is not Health.READY:
            return _move_traffic(status, look.seen)  # neither is well: keep both
        reason = f"{canary.name} is {canary.health} in its bake window: {canary.detail or 'no detail'}"
        return _advance_rolling_back(look, _enter_phase(status, Phase.ROLLING_BACK, reason, look.now))
    warm = old.health is not Health.ABSENT  # absent: it was stopped
    if warm and look.now - status.entered_at < look.spec.rollout.bake_seconds and look.seen.superseded_by is None:
        step = _move_traffic(status, look.seen)
        return replace(step, actions=(*step.actions, *_release_replicas(look.seen, status.canary, status.stable)))
    done = replace(status, phase=Phase.SUCCEEDED)
    if look.seen.traffic != wanted_traffic(done):
        return _move_traffic(status, look.seen, target=wanted_traffic(done))
    release = _release_replicas(look.seen, status.canary)  # it had replicas for the share that the old one gave up
    stop = (Stop(name=old.name),) if old.health is not Health.ABSENT else ()
    if release or stop:
        return Transition(status=status, actions=(*release, *stop))
    return Transition(status=_enter_phase(status, Phase.SUCCEEDED, status.reason, look.now))


def _bake_alone(look: Look, status: RolloutStatus) -> Transition:
    """Keep it there whatever it does: there is nothing to go back to. A newer version is not kept waiting."""
    step, release = _move_traffic(status, look.seen), _release_replicas(look.seen, status.canary)
    learning = look.now - status.entered_at < look.spec.rollout.bake_seconds or bool(step.actions)
    if release or (learning and look.seen.superseded_by is None):
        return replace(step, actions=(*step.actions, *release))
    return Transition(status=_enter_phase(status, Phase.SUCCEEDED, describe_learned(status), look.now))


def _advance_rolling_back(look: Look, status: RolloutStatus) -> Transition:
    """Capacity before traffic: stable is ready first, then gets all requests, then the canary goes."""
    canary = _require_canary(status.canary)
    if status.stable is None and look.seen.traffic is not None and look.seen.traffic.weights.get(canary.name):
        reason = f"{status.reason}; {canary.name} keeps all requests: there is nothing to go back to"
        return Transition(status=_enter_phase(status, Phase.SUCCEEDED, reason, look.now))
    if status.stable is not None:
        gone = state_in(look.seen, status.stable.name).health is Health.ABSENT
        if gone or look.seen.traffic != wanted_traffic(status):
            return Transition(
                status=status, actions=find_traffic_actions(status, look.seen, ignore_capacity=_is_late(look, status))
            )
    release = _release_replicas(look.seen, status.stable)
    if release or state_in(look.seen, canary.name).health is not Health.ABSENT:
        return Transition(status=status, actions=(*release, Stop(name=canary.name)))
    return Transition(status=_enter_phase(status, Phase.ROLLED_BACK, status.reason, look.now))


def _is_late(look: Look, status: RolloutStatus) -> bool:
    """Return whether the time to wait for replicas is over; traffic then moves although replicas are missing.

    Overload is better than serving a bad version (rollback) or staying split (promotion). If nodes have no room for
    two versions, only stopping the old one makes room.
    """
    return look.now - status.entered_at > look.spec.rollout.ready_timeout_seconds


def _stay_pending(_look: Look, status: RolloutStatus) -> Transition:
    return Transition(status=status)


_PHASES: dict[Phase, Callable[[Look, RolloutStatus], Transition]] = {
    Phase.PENDING: _stay_pending,
    Phase.STARTING: _advance_starting,
    Phase.SHADOW: _advance_shadow,
    Phase.SHIFTING: _advance_shifting,
    Phase.HELD: _advance_held,
    Phase.PROMOTING: _advance_promoting,
    Phase.BAKING: _advance_baking,
    Phase.ROLLING_BACK: _advance_rolling_back,
}


_WEIGHTS = {
    Phase.STARTING: 0,
    Phase.SHADOW: 0,
    Phase.SUCCEEDED: 100,
    Phase.ROLLING_BACK: 0,
    Phase.ROLLED_BACK: 0,
}
"""The canary's share where the phase alone says it; elsewhere it stays what it was."""


def _move_traffic(status: RolloutStatus, seen: Observation, target: Traffic | None = None) -> Transition:
    return Transition(status=status, actions=find_traffic_actions(status, seen, target))


def _describe_missing(following: RolloutStatus, seen: Observation) -> str:
    """Say which replicas lack for what follows; empty: none."""
    wanted = wanted_traffic(following)
    short = find_shortages(wanted, seen.traffic, seen.revisions) if wanted else []
    return f"waits for replicas: {'; '.join(map(str, short))}" if short else ""


def _reserve_replicas(following: RolloutStatus, seen: Observation) -> tuple[Reserve, ...]:
    """Ask for the replicas that what follows needs."""
    wanted = wanted_traffic(following)
    floors = find_floors_to_raise(wanted, seen.traffic, seen.revisions) if wanted else {}
    return (Reserve(floors=floors),) if floors else ()


def _release_replicas(seen: Observation, *revisions: Revision | None) -> tuple[Reserve, ...]:
    """Give the replicas back to the autoscaler: floors are the spec's again."""
    floors = find_floors_to_release(seen.revisions, *map(name_of, revisions))
    return (Reserve(floors=floors),) if floors else ()


def _keep_weights(status: RolloutStatus, seen: Observation, *, reserve: RolloutStatus | None = None) -> Transition:
    """Keep the weights: as wanted, or, beside a stable revision that is not ready, as the router has them.

    `reserve` is what follows once it has its replicas: they are asked for.
    """
    lost = status.stable is not None and state_in(seen, status.stable.name).health is not Health.READY
    step = _move_traffic(status, seen, target=seen.traffic if lost else None)
    return replace(step, actions=(*step.actions, *_reserve_replicas(reserve, seen))) if reserve else step


def _enter_step(look: Look, status: RolloutStatus, step: int, because: str = "") -> RolloutStatus:
    weight = look.spec.rollout.steps[step].weight_percent
    reason = f"step {step + 1} of {len(look.spec.rollout.steps)}: {weight} % of live requests" + (
        f"; {because}" * bool(because)
    )
    evidence = replace(status.evidence, quantiles=quantiles.restart_bands(status.evidence.quantiles))
    return _enter_phase(
        replace(status, step=step, weight_percent=weight, evidence=evidence), Phase.SHIFTING, reason, look.now
    )


def _enter_promoting(look: Look, status: RolloutStatus, reason: str) -> RolloutStatus:
    weight = 100 - find_hold_back(look.spec, status)
    return _enter_phase(replace(status, weight_percent=weight), Phase.PROMOTING, reason, look.now)


def _enter_held(status: RolloutStatus, held_from: Phase, hold: HoldReason, reason: str, now: float) -> RolloutStatus:
    """Return the status of a rollout that waits; `held_from` is the phase that it continues with."""
    return _enter_phase(replace(status, held_from=held_from), Phase.HELD, reason, now, hold)


def _enter_phase(
    status: RolloutStatus, phase: Phase, reason: str, now: float, hold: HoldReason | None = None
) -> RolloutStatus:
    weight = _WEIGHTS.get(phase, status.weight_percent)
    entered = replace(status, phase=phase, reason=reason, hold=hold, entered_at=now, weight_percent=weight)
    return replace(entered, timeline=(*entered.timeline, moment_of(entered, now)))


def _require_canary(revision: Revision | None) -> Revision:
    if revision is None:
        message = "a rollout under way has a canary"
        raise ValueError(message)
    return revision
