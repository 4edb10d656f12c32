"""What follows from a look: the phase that is entered, the traffic and the replicas that it wants."""

from dataclasses import dataclass, replace

from slipway.domain.judge.statistics import quantiles
from slipway.domain.rollout.actions import (
    Action,
    Observation,
    Reserve,
    find_traffic_actions,
    name_of,
    state_in,
    wanted_traffic,
)
from slipway.domain.rollout.baking import find_hold_back
from slipway.domain.rollout.capacity import find_floors_to_raise, find_floors_to_release, find_shortages
from slipway.domain.rollout.look import Look
from slipway.domain.rollout.revision import Health, Revision, Traffic
from slipway.domain.rollout.status import HoldReason, Phase, RolloutStatus
from slipway.domain.rollout.timeline import moment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What follows from one look: the status to keep, what to do, and why."""

    status: RolloutStatus
    actions: tuple[Action, ...] = ()
    reason: str = ""


_WEIGHTS = {
    Phase.STARTING: 0,
    Phase.SHADOW: 0,
    Phase.SUCCEEDED: 100,
    Phase.ROLLING_BACK: 0,
    Phase.ROLLED_BACK: 0,
}
"""The canary's share in phases that determine it; in others it stays."""


def move_traffic(status: RolloutStatus, seen: Observation, target: Traffic | None = None) -> Transition:
    """Keep the status, and bring the traffic to what it wants, or to the target."""
    return Transition(status=status, actions=find_traffic_actions(status, seen, target))


def keep_weights(status: RolloutStatus, seen: Observation, *, reserve: RolloutStatus | None = None) -> Transition:
    """Keep the weights: as wanted, or, beside a stable revision that is not ready, as the router has them.

    `reserve` is the status that follows once its replicas are ready: they are requested.
    """
    lost = status.stable is not None and state_in(seen, status.stable.name).health is not Health.READY
    step = move_traffic(status, seen, target=seen.traffic if lost else None)
    return replace(step, actions=(*step.actions, *reserve_replicas(reserve, seen))) if reserve else step


def describe_missing(following: RolloutStatus, seen: Observation) -> str:
    """Describe which replicas are missing for what follows; empty: none."""
    wanted = wanted_traffic(following)
    short = find_shortages(wanted, seen.traffic, seen.revisions) if wanted else []
    return f"waits for replicas: {'; '.join(map(str, short))}" if short else ""


def reserve_replicas(following: RolloutStatus, seen: Observation) -> tuple[Reserve, ...]:
    """Return the request for the replicas that what follows needs."""
    wanted = wanted_traffic(following)
    floors = find_floors_to_raise(wanted, seen.traffic, seen.revisions) if wanted else {}
    return (Reserve(floors=floors),) if floors else ()


def release_replicas(seen: Observation, *revisions: Revision | None) -> tuple[Reserve, ...]:
    """Give the replicas back to the autoscaler: floors are the spec's again."""
    floors = find_floors_to_release(seen.revisions, *map(name_of, revisions))
    return (Reserve(floors=floors),) if floors else ()


def enter_step(look: Look, status: RolloutStatus, step: int, because: str = "") -> RolloutStatus:
    """Return the status at the beginning of a step; `step` counts from 0."""
    weight = look.spec.rollout.steps[step].weight_percent
    reason = f"step {step + 1} of {len(look.spec.rollout.steps)}: {weight} % of live requests" + (
        f"; {because}" * bool(because)
    )
    evidence = replace(status.evidence, quantiles=quantiles.restart_bands(status.evidence.quantiles))
    return enter_phase(
        replace(status, step=step, weight_percent=weight, evidence=evidence), Phase.SHIFTING, reason, look.now
    )


def enter_promoting(look: Look, status: RolloutStatus, reason: str) -> RolloutStatus:
    """Return the status of a canary that gets all requests but those that are held back."""
    weight = 100 - find_hold_back(look.spec, status)
    return enter_phase(replace(status, weight_percent=weight), Phase.PROMOTING, reason, look.now)


def enter_held(status: RolloutStatus, held_from: Phase, hold: HoldReason, reason: str, now: float) -> RolloutStatus:
    """Return the status of a rollout that waits; `held_from` is the phase that it continues with."""
    return enter_phase(replace(status, held_from=held_from), Phase.HELD, reason, now, hold)


def enter_phase(
    status: RolloutStatus, phase: Phase, reason: str, now: float, hold: HoldReason | None = None
) -> RolloutStatus:
    """Return the status at the beginning of a phase, with its moment in the timeline."""
    weight = _WEIGHTS.get(phase, status.weight_percent)
    entered = replace(status, phase=phase, reason=reason, hold=hold, entered_at=now, weight_percent=weight)
    return replace(entered, timeline=(*entered.timeline, moment_of(entered, now)))


def require_canary(revision: Revision | None) -> Revision:
    """Return the canary; raise ValueError if there is none."""
    if revision is None:
        message = "a rollout under way has a canary"
        raise ValueError(message)
    return revision
