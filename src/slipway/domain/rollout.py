r"""The rollout: `advance(spec, status, observation, now) -> Step(status, actions, reason)`. Pure, level-triggered.

    starting -> shadow -> shifting -> promoting -> baking -> succeeded
        \__________\__________\____________\________\____-> rolling-back -> rolled-back    (held: waits)

Every call compares what is wanted with what is seen and says what to do about the difference. Nothing depends on an
action of an earlier call having been carried out: a driver that died between deciding and acting changes nothing in
the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from slipway.domain import judge
from slipway.domain.counters import Counters
from slipway.domain.revision import Health, Revision, RevisionState, Traffic
from slipway.domain.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.spec import Deadline, ReleaseSpec
from slipway.domain.status import Evidence, Moment, Phase, RolloutStatus
from slipway.domain.verdict import Outcome, Verdict

TIMELINE_LIMIT = 400
"""Moments kept: a status stays well under the megabyte that a ConfigMap may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a revision."""

    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Share live requests so."""

    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Drain and stop a revision."""

    name: str


Action = Start | Route | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person answered."""

    by: str
    approve: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen at one look."""

    revisions: dict[str, RevisionState] = field(default_factory=dict)
    traffic: Traffic | None = None
    live: dict[str, Counters] | None = None
    """Cumulative counters by revision; None: they can't be read now."""
    shadow: ShadowComparison | None = None
    """None: no shadow, or its answers can't be read now."""
    superseded_by: int | None = None
    """A newer version that asks this rollout to make room."""
    approval: Approval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows from one look: the status to keep, what to do, and why."""

    status: RolloutStatus
    actions: tuple[Action, ...] = ()
    reason: str = ""


def begin(
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
        evidence=Evidence(),
        shadow=NOTHING_COMPARED,
        step=0,
        awaits_approval=needs_approval,
    )
    return _enter(replace(begun, heartbeat_at=now), Phase.STARTING, f"{canary.name} is being started", now)


def advance(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    """Return what follows from one look. After a terminal phase: nothing, whatever is seen.

    Raises ValueError for a status that has no canary yet (PENDING): there is nothing to advance.
    """
    if status.phase.terminal:
        return Step(status=status, reason=status.reason)
    if status.canary is None:
        message = f"rollout {status.release_id} is {status.phase}: begin() it first"
        raise ValueError(message)
    if status.phase is Phase.STARTING and now - status.heartbeat_at > spec.rollout.lease_seconds:
        status = replace(status, entered_at=now)  # nobody drove: the revision is not to blame for that time
    status = replace(status, heartbeat_at=now, shadow=seen.shadow or status.shadow)
    status = _judged(spec, status, seen)
    status = _interrupted(spec, status, seen, now)
    step = _PHASES[status.phase](spec, status, seen, now)
    return replace(step, status=_remembered(step.status, now), reason=step.status.reason)


def undo(status: RolloutStatus, reason: str, now: float) -> RolloutStatus:
    """Return the status that takes a rollout back, wherever it is; raises ValueError when it is over.

    Where nothing was started yet, it is STOPPED at once.
    """
    if status.phase.terminal:
        message = f"rollout {status.release_id} is {status.phase}: there is nothing to take back"
        raise ValueError(message)
    return _enter(status, Phase.ROLLING_BACK if status.canary else Phase.STOPPED, reason, now)


def verdict_of(spec: ReleaseSpec, status: RolloutStatus) -> Verdict:
    """Return what the judge says of a rollout now."""
    return judge.verdict(status.evidence, spec.judge)


def wanted_traffic(status: RolloutStatus) -> Traffic | None:
    """Return how live requests are to be shared in this phase; None: leave the route as it is."""
    canary, stable = _name(status.canary), _name(status.stable)
    if canary is None:
        return None
    match status.phase:
        case Phase.PROMOTING | Phase.BAKING | Phase.SUCCEEDED:
            return Traffic(stable=canary, canary=stable if status.phase is not Phase.SUCCEEDED else None)
        case Phase.ROLLING_BACK | Phase.ROLLED_BACK:
            return Traffic(stable=stable) if stable else None
        case Phase.SHADOW if stable:
            return Traffic(stable=stable, canary=canary, shadow=canary)
        case Phase.SHIFTING | Phase.HELD if stable:
            return Traffic(stable=stable, canary=canary, canary_percent=status.weight_percent)
        case _:
            return None


def _judged(spec: ReleaseSpec, status: RolloutStatus, seen: Observation) -> RolloutStatus:
    """Let the judge look where both arms get requests. An arm that can't be read is no evidence, good or bad.

    A stable revision that is not ready is no reference: beside it any canary looks fine.
    """
    canary, stable = _name(status.canary), _name(status.stable)
    if canary is None or stable is None or status.phase not in {Phase.SHADOW, Phase.SHIFTING, Phase.HELD}:
        return status
    live = judge.Arms(channel="live", canary=canary, stable=stable, counters=seen.live or {})
    pairs = {} if seen.shadow is None else _pairs(seen.shadow, canary, stable)
    copies = judge.Arms(channel="shadow", canary=canary, stable=stable, counters=pairs)
    # under shadow the copies are weighed, not the originals too
    weighed, noted = (copies, live) if status.phase is Phase.SHADOW else (live, copies)
    evidence = judge.remember(status.evidence, noted)
    if _state(seen, stable).health is not Health.READY:
        return replace(status, evidence=judge.remember(evidence, weighed))
    return replace(status, evidence=judge.look(evidence, weighed, spec.judge))


def _pairs(compared: ShadowComparison, canary: str, stable: str) -> dict[str, Counters]:
    return {
        canary: Counters(requests=compared.compared, errors=compared.canary_failed),
        stable: Counters(requests=compared.compared, errors=compared.stable_failed),
    }


def _interrupted(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> RolloutStatus:
    """Guards that hold in every phase before promotion: they need no statistics, they act at once."""
    if status.phase in {Phase.ROLLING_BACK, Phase.BAKING}:
        return status
    if seen.superseded_by is not None and status.phase is not Phase.PROMOTING:
        reason = f"superseded by version {seen.superseded_by}, which arrived meanwhile"
        return _enter(replace(status, yielded=True), Phase.ROLLING_BACK, reason, now)
    if seen.approval is not None and not seen.approval.approve:
        return _enter(status, Phase.ROLLING_BACK, f"rejected by {seen.approval.by}", now)
    trouble = _trouble(status, seen)
    alone = status.phase is Phase.PROMOTING and status.stable is None and seen.traffic == wanted_traffic(status)
    if trouble and not alone:  # where it serves alone, there is nothing to go back to
        return _enter(status, Phase.ROLLING_BACK, trouble, now)
    said = verdict_of(spec, status)
    if said.outcome is Outcome.FAIL:
        return _enter(status, Phase.ROLLING_BACK, said.reason, now)
    return status


def _trouble(status: RolloutStatus, seen: Observation) -> str:
    """Say what is wrong with the canary, if anything."""
    state = _state(seen, _name(status.canary))
    match state.health:
        case Health.FAILED:
            return f"{state.name} failed: {state.detail}"
        case Health.UNREADY if status.phase is not Phase.STARTING:
            return f"{state.name} lost its readiness: {state.detail}"
        case Health.STARTING if status.phase is not Phase.STARTING:
            return f"{state.name} died and was started again: {state.detail}"
        case Health.ABSENT if status.phase is not Phase.STARTING:
            return f"{state.name} is gone: somebody or something took it away"
        case _:
            return ""


def _starting(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    canary = _require(status.canary)
    state = _state(seen, canary.name)
    if state.health is Health.READY:
        return _move(_after_start(spec, status, now), seen)
    waited = now - status.entered_at
    if waited > spec.rollout.ready_timeout_seconds:
        reason = f"{canary.name} was not ready after {waited:.0f} s: {state.detail or state.health}"
        return _rolling_back(spec, _enter(status, Phase.ROLLING_BACK, reason, now), seen, now)
    start = (Start(revision=canary),) if state.health is Health.ABSENT else ()
    return Step(status=status, actions=start)


def _after_start(spec: ReleaseSpec, status: RolloutStatus, now: float) -> RolloutStatus:
    name = _name(status.canary)
    if status.stable is None:
        return _approved_or_held(spec, status, f"{name} is ready; nothing serves yet, so it gets all requests", now)
    if status.direct:
        return _enter(status, Phase.PROMOTING, f"{name} is ready and gets all requests again", now)
    if spec.rollout.shadow is not None:
        return _enter(status, Phase.SHADOW, f"{name} is ready and gets a copy of live requests", now)
    return _enter_step(spec, status, 0, now)


def _shadow(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    shadow, compared = spec.rollout.shadow, status.shadow
    limit = shadow.disagreement_limit if shadow else None
    early = shadow is not None and now - status.entered_at < shadow.duration_seconds
    unknown = limit is not None and not compared.compared  # a limit that nothing was held against is not kept
    if early or unknown or _state(seen, _name(status.stable)).health is not Health.READY:
        return _move(replace(status, reason=f"shadow: {_told(compared)}"), seen)
    if limit is not None and compared.disagreed > limit * compared.compared:
        reason = (
            f"canary disagrees with stable on {compared.disagreed:,} of {compared.compared:,} copied requests "
            f"({compared.disagreed / compared.compared:.1%}); allowed {limit:.1%}"
        )
        return _rolling_back(spec, _enter(status, Phase.ROLLING_BACK, reason, now), seen, now)
    return _move(_enter_step(spec, status, 0, now, _told(compared)), seen)


def _told(compared: ShadowComparison) -> str:
    return (
        f"{compared.compared:,} copied requests answered by both, {compared.disagreed:,} differently; "
        f"failed: canary {compared.canary_failed:,}, stable {compared.stable_failed:,}"
    )


def _shifting(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    stable = _state(seen, _name(status.stable))
    if stable.health is not Health.READY:
        reason = f"{stable.name} is {stable.health}: the weights stay until it is ready"
        return _move(replace(status, reason=reason), seen, towards=seen.traffic)
    if not {stable.name, _name(status.canary)} <= (seen.live or {}).keys():
        reason = "requests can't be counted now: the weights stay until they can"
        return _move(replace(status, reason=reason), seen)
    said = verdict_of(spec, status)
    waited = now - status.entered_at
    if waited < spec.rollout.steps[status.step].duration_seconds:
        return _move(replace(status, reason=said.reason), seen)
    if status.step + 1 < len(spec.rollout.steps):
        return _move(_enter_step(spec, status, status.step + 1, now, said.reason), seen)
    if said.outcome is Outcome.PASS:
        return _move(_approved_or_held(spec, status, said.reason, now), seen)
    return _move(_waiting(spec, replace(status, reason=said.reason), waited, now), seen)


def _approved_or_held(spec: ReleaseSpec, status: RolloutStatus, reason: str, now: float) -> RolloutStatus:
    if (spec.rollout.approval or status.awaits_approval) and status.approved_by is None:
        held = replace(status, held_from=Phase.PROMOTING, awaits_approval=True)
        return _enter(held, Phase.HELD, f"waits for approval before promotion; {reason}", now)
    return _enter(status, Phase.PROMOTING, reason, now)


def _waiting(spec: ReleaseSpec, status: RolloutStatus, waited: float, now: float) -> RolloutStatus:
    """Wait for evidence after the last step, until the deadline."""
    over = waited - spec.rollout.steps[status.step].duration_seconds
    if over < spec.rollout.deadline_seconds:
        return status
    reason = f"no decision {over:.0f} s after the last step: {status.reason}"
    blind = verdict_of(spec, status).outcome is Outcome.NO_DATA
    match Deadline.HOLD if blind else spec.rollout.on_deadline:
        case Deadline.PROMOTE:
            return _approved_or_held(spec, status, reason, now)
        case Deadline.ROLL_BACK:
            return _enter(status, Phase.ROLLING_BACK, reason, now)
        case Deadline.HOLD:
            return _enter(replace(status, held_from=Phase.SHIFTING), Phase.HELD, reason, now)


def _held(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    if seen.approval is not None and seen.approval.approve:
        approved = replace(status, approved_by=seen.approval.by)
        return _move(_enter(approved, Phase.PROMOTING, f"approved by {seen.approval.by}", now), seen)
    said = verdict_of(spec, status)
    if status.held_from is Phase.SHIFTING and said.outcome is Outcome.PASS:
        return _move(_approved_or_held(spec, status, said.reason, now), seen)
    return _move(status, seen)


def _promoting(_spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    canary = _state(seen, _name(status.canary))
    if seen.traffic != _wanted_now(status, seen) or canary.health is not Health.READY:
        return _move(status, seen)
    baking = status.stable is not None
    return Step(status=_enter(status, Phase.BAKING if baking else Phase.SUCCEEDED, status.reason, now))


def _baking(spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    canary, old = _state(seen, _name(status.canary)), _state(seen, _name(status.stable))
    if canary.health is not Health.READY:
        if old.health is not Health.READY:
            return _move(status, seen)  # neither is well: keep both
        reason = f"{canary.name} is {canary.health} in its bake window: {canary.detail or 'no detail'}"
        return _rolling_back(spec, _enter(status, Phase.ROLLING_BACK, reason, now), seen, now)
    warm = old.health is not Health.ABSENT  # gone: it was stopped, by us or by somebody
    if warm and now - status.entered_at < spec.rollout.bake_seconds and seen.superseded_by is None:
        return _move(status, seen)
    done = replace(status, phase=Phase.SUCCEEDED)
    if seen.traffic != wanted_traffic(done):
        return _move(status, seen, towards=wanted_traffic(done))
    if old.health is not Health.ABSENT:
        return Step(status=status, actions=(Stop(name=old.name),))
    return Step(status=_enter(status, Phase.SUCCEEDED, status.reason, now))


def _rolling_back(_spec: ReleaseSpec, status: RolloutStatus, seen: Observation, now: float) -> Step:
    """Capacity before traffic: stable is ready first, then gets all requests, then the canary goes."""
    canary = _require(status.canary)
    if status.stable is None and seen.traffic is not None and seen.traffic.weights.get(canary.name):
        reason = f"{status.reason}; {canary.name} keeps all requests: there is nothing to go back to"
        return Step(status=_enter(status, Phase.SUCCEEDED, reason, now))
    if status.stable is not None:
        gone = _state(seen, status.stable.name).health is Health.ABSENT
        if gone or seen.traffic != wanted_traffic(status):
            return _move(status, seen)
    if _state(seen, canary.name).health is not Health.ABSENT:
        return Step(status=status, actions=(Stop(name=canary.name),))
    return Step(status=_enter(status, Phase.ROLLED_BACK, status.reason, now))


def _pending(_spec: ReleaseSpec, status: RolloutStatus, _seen: Observation, _now: float) -> Step:
    return Step(status=status)


_PHASES: dict[Phase, Callable[[ReleaseSpec, RolloutStatus, Observation, float], Step]] = {
    Phase.PENDING: _pending,
    Phase.STARTING: _starting,
    Phase.SHADOW: _shadow,
    Phase.SHIFTING: _shifting,
    Phase.HELD: _held,
    Phase.PROMOTING: _promoting,
    Phase.BAKING: _baking,
    Phase.ROLLING_BACK: _rolling_back,
}


_WEIGHTS = {
    Phase.STARTING: 0,
    Phase.SHADOW: 0,
    Phase.PROMOTING: 100,
    Phase.BAKING: 100,
    Phase.SUCCEEDED: 100,
    Phase.ROLLING_BACK: 0,
    Phase.ROLLED_BACK: 0,
}
"""The canary's share where the phase alone says it; elsewhere it stays what it was."""


def _move(status: RolloutStatus, seen: Observation, towards: Traffic | None = None) -> Step:
    """Route as the status wants it, if it is not so already; what is to serve and is not there is started first."""
    wanted = towards or _wanted_now(status, seen)
    if wanted is None:
        return Step(status=status)
    for revision in filter(None, (status.stable, status.canary)):
        if wanted.weights.get(revision.name) and _state(seen, revision.name).health is Health.ABSENT:
            return Step(status=status, actions=(Start(revision=revision),))
    if wanted == seen.traffic or not _ready_for(wanted, seen):
        return Step(status=status)
    return Step(status=status, actions=(Route(traffic=wanted),))


def _wanted_now(status: RolloutStatus, seen: Observation) -> Traffic | None:
    """Return the wanted traffic without a warm revision that is not there: no router can be told of it."""
    wanted = wanted_traffic(status)
    if wanted is None or wanted.canary_percent or _state(seen, wanted.canary).health is not Health.ABSENT:
        return wanted
    return Traffic(stable=wanted.stable)


def _ready_for(wanted: Traffic, seen: Observation) -> bool:
    """Capacity before traffic: whoever gets a larger share than now is ready."""
    before = seen.traffic.weights if seen.traffic else {}
    grows = [name for name, percent in wanted.weights.items() if percent > before.get(name, 0)]
    return all(_state(seen, name).health is Health.READY for name in grows)


def _enter_step(spec: ReleaseSpec, status: RolloutStatus, step: int, now: float, because: str = "") -> RolloutStatus:
    weight = spec.rollout.steps[step].weight_percent
    reason = f"step {step + 1} of {len(spec.rollout.steps)}: {weight} % of live requests" + (
        f"; {because}" * bool(because)
    )
    return _enter(replace(status, step=step, weight_percent=weight), Phase.SHIFTING, reason, now)


def _enter(status: RolloutStatus, phase: Phase, reason: str, now: float) -> RolloutStatus:
    weight = _WEIGHTS.get(phase, status.weight_percent)
    entered = replace(status, phase=phase, reason=reason, entered_at=now, weight_percent=weight)
    return replace(entered, timeline=(*entered.timeline, _moment(entered, now)))


def _remembered(status: RolloutStatus, now: float) -> RolloutStatus:
    """Add this look to the timeline, and thin it evenly when it grows long; changes of phase and weight stay."""
    moment = _moment(status, now)
    timeline = (*status.timeline, moment) if status.timeline[-1:] != (moment,) else status.timeline
    if len(timeline) > TIMELINE_LIMIT:
        kept = [
            at
            for number, (earlier, at) in enumerate(pairwise(timeline), start=1)
            if number % 2 == 0 or (earlier.phase, earlier.weight_percent) != (at.phase, at.weight_percent)
        ]
        timeline = (timeline[0], *kept)
    return replace(status, timeline=timeline)


def _moment(status: RolloutStatus, now: float) -> Moment:
    return Moment(
        at=now,
        phase=status.phase,
        weight_percent=status.weight_percent,
        reason=status.reason,
        evidence_against=judge.evidence_against(status.evidence),
        evidence_for=judge.evidence_for(status.evidence),
        canary=status.evidence.canary,
        stable=status.evidence.stable,
    )


def _state(seen: Observation, name: str | None) -> RevisionState:
    absent = RevisionState(name=name or "nothing", health=Health.ABSENT)
    return seen.revisions.get(absent.name, absent)


def _name(revision: Revision | None) -> str | None:
    return revision.name if revision else None


def _require(revision: Revision | None) -> Revision:
    if revision is None:
        message = "a rollout under way has a canary"
        raise ValueError(message)
    return revision
