"""One look at a rollout: observe through the ports, decide in the domain, write it down, act."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from slipway import wiring
from slipway.domain.judge.readings import collect_readings
from slipway.domain.rollout.actions import Action, Approval, Observation, Reserve, SetTraffic, Start, Stop
from slipway.domain.rollout.machine import advance, undo_rollout
from slipway.domain.rollout.shadow import ShadowComparison, compare_answers
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import LeaseLost, MetricsUnavailable, PermanentError, TransientError
from slipway.ports.rollouts import Lease

log = logging.getLogger(__name__)

BRISK_SECONDS = 0.25
"""Time between looks where nothing is judged: a revision starts, or traffic is on its way."""
PATIENCE_SECONDS = 120
"""How long a target that does not answer is waited for; then the run fails and `reconcile` takes the rollout up."""
JUDGED = {Phase.SHADOW, Phase.SHIFTING, Phase.HELD, Phase.BAKING}


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a look learns from elsewhere than the target."""

    superseded_by: int | None = None
    approval: Approval | None = None


NONE = Hints()


def look_once(spec: ReleaseSpec, status: RolloutStatus, lease: Lease, hints: Hints = NONE) -> RolloutStatus:
    """Observe, decide, save, act; return the new status. Raises LeaseLost when another holds the lease.

    A revision that the target refuses to start (a policy, a package that is gone) is taken back with its words: to try
    again would change nothing.
    """
    step = advance(spec, status, observe(spec, status, lease, hints), time.time())
    wiring.get_rollout_store().save(step.status, lease)
    try:
        for action in step.actions:
            act(status.model, action)
    except PermanentError as refusal:
        if step.status.phase is not Phase.STARTING:
            raise
        refused = undo_rollout(step.status, f"it can't be started: {refusal}", time.time())
        wiring.get_rollout_store().save(refused, lease)
        return refused
    return step.status


def observe(spec: ReleaseSpec, status: RolloutStatus, lease: Lease, hints: Hints) -> Observation:
    """Return what is seen now. Counters that can't be read are None: no evidence, good or bad."""
    held = wiring.get_held_leases().find_lease(status.model)
    if held is not None and held.token != lease.token:
        raise LeaseLost(
            f"rollout {status.release_id}",
            seen=f"{held.holder} holds it now",
            expected="our own lease",
            do="nothing: the other release continues",
        )
    revisions, traffic = wiring.get_revisions().observe(status.model), wiring.get_router().read_traffic(status.model)
    return replace(
        _read_metrics(spec, status),
        revisions=revisions,
        traffic=traffic,
        shadow=_shadow(spec, status) if status.copying else None,
        superseded_by=hints.superseded_by or (held.superseded_by if held else None),
        approval=hints.approval,
    )


def _read_metrics(spec: ReleaseSpec, status: RolloutStatus) -> Observation:
    """Read what the spec's judge looks at, in phases where there is something to see."""
    if status.phase not in JUDGED:
        return Observation()
    judge, metrics = spec.judge, wiring.get_metric_source()
    live = _read("counters", status, metrics.read_counters)
    if status.alone:
        return Observation(readings=collect_readings(requests=live))
    summarized = judge.scores is not None or judge.classes is not None or judge.drift is not None
    readings = collect_readings(
        requests=live,
        latencies=_read("latencies", status, metrics.read_latencies) if judge.latency is not None else None,
        summaries=_read("summaries", status, metrics.read_summaries) if summarized else None,
        labels=_read("labels", status, wiring.get_label_store().count_labels) if judge.labels is not None else None,
    )
    return Observation(readings=readings)


def act(model: str, action: Action) -> None:
    """Carry out one action; every one is idempotent."""
    match action:
        case Start(revision=revision):
            wiring.get_revisions().start(revision)
        case SetTraffic(traffic=traffic):
            wiring.get_router().set_traffic(model, traffic)
        case Stop(name=name):
            wiring.get_revisions().stop(model, name)
        case Reserve(floors=floors):
            if (scaler := wiring.get_scaler()) is not None:
                scaler.set_floors(model, dict(floors))


def drive(spec: ReleaseSpec, status: RolloutStatus, lease: Lease, hints: Hints = NONE) -> RolloutStatus:
    """Look until the phase or the step changes. Raises TransientError when the target stays away for two minutes."""
    at = (status.phase, status.step)
    answered = time.monotonic()
    while (status.phase, status.step) == at and not status.phase.terminal:
        try:
            status = look_once(spec, status, lease, hints)
            answered = time.monotonic()
        except TransientError as trouble:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise
            log.warning("%s: %s", status.release_id, trouble)
        time.sleep(spec.rollout.look_interval_seconds if status.phase in JUDGED else BRISK_SECONDS)
    return status


def drive_to_rest(
    spec: ReleaseSpec, status: RolloutStatus, lease: Lease, superseded_by: int | None = None
) -> RolloutStatus:
    """Look until nothing follows."""
    wiring.get_rollout_store().save(status, lease)
    while not status.phase.terminal:
        status = drive(spec, status, lease, Hints(superseded_by=superseded_by))
        log.info("%s: %s at %s %%: %s", status.release_id, status.phase, status.weight_percent, status.reason)
    return status


def _read(what: str, status: RolloutStatus, read: Callable[[str, list[str]], dict[str, T]]) -> dict[str, T] | None:
    """Read one source for both revisions; None, and a line in the log, where it can't be read."""
    names = [revision.name for revision in (status.stable, status.canary) if revision is not None]
    try:
        return read(status.model, names)
    except MetricsUnavailable as trouble:
        log.warning("%s: no %s from this look: %s", status.release_id, what, trouble)
        return None


def _shadow(spec: ReleaseSpec, status: RolloutStatus) -> ShadowComparison | None:
    if status.stable is None or status.canary is None or spec.rollout.shadow is None:
        return None
    try:
        stable = wiring.get_metric_source().read_shadow_answers(status.model, status.stable.name)
        canary = wiring.get_metric_source().read_shadow_answers(status.model, status.canary.name)
    except MetricsUnavailable as trouble:
        log.warning("%s: no shadow answers from this look: %s", status.release_id, trouble)
        return None
    return compare_answers(stable, canary, tolerance=spec.rollout.shadow.tolerance, before=status.shadow)
