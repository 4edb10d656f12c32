"""A revision's state and its reason, from the objects of the cluster.

A model that was recently killed for its memory, or ended by itself twice, in any replica has failed, even while others
answer: they run the same model. A single end, a lost node, and a pod that can't be scheduled are no faults of the
model; they are reported.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.adapters.kubernetes.containers import (
    count_restarts,
    describe_not_ready,
    describe_start_failure,
    find_last_end,
    read_memory_limit,
)
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import Key
from slipway.adapters.kubernetes.quantity import parse_quantity
from slipway.adapters.kubernetes.readiness import is_ready, parse_unix_seconds, select_staying_pods
from slipway.domain.rollout.revision import Health, RevisionState
from slipway.domain.rollout.scaling import IN_FLIGHT, Load, Scale

LATELY_SECONDS = 600.0
"""Older ends say nothing about a revision's state now."""
OFTEN = 2
BLIND_SECONDS = 60.0
"""A new autoscaler has nothing to read at first; after this it is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionObjects:
    """The cluster's objects of one revision."""

    deployment: Manifest
    pods: tuple[Manifest, ...]
    autoscaler: Manifest | None


def assess_revision(seen: RevisionObjects, now: float) -> RevisionState:
    """Return a revision's state; `now` is the API server's time, Unix seconds."""
    pods = _select_current_pods(seen)
    health, detail = _find_health(seen, pods, now)
    return RevisionState(
        name=seen.deployment["metadata"]["name"],
        health=health,
        detail=detail,
        restarts=sum(map(count_restarts, pods)),
        scale=_read_scale(seen.autoscaler, pods),
    )


def _find_health(seen: RevisionObjects, pods: Sequence[Manifest], now: float) -> tuple[Health, str]:
    ready = sum(map(is_ready, pods))
    broken = _describe_fault(pods, now)
    if broken:
        return Health.FAILED, broken
    if ready:
        return Health.READY, "; ".join(
            filter(
                None, (_describe_missing_replicas(seen, pods, ready), _describe_blind_autoscaler(seen.autoscaler, now))
            )
        )
    stuck = next(filter(None, map(describe_start_failure, pods)), "") or _describe_refusal(seen.deployment)
    if stuck:
        return Health.FAILED, stuck
    health = Health.UNREADY if _was_ready(seen.deployment) else Health.STARTING
    return health, _describe_waiting(seen, pods)


def _describe_fault(pods: Iterable[Manifest], now: float) -> str:
    """Describe the model's recent fault in any replica, ready or not; empty: none."""
    for pod in pods:
        ended = find_last_end(pod)
        if ended is None or now - ended.at > LATELY_SECONDS:
            continue
        if ended.out_of_memory or (ended.times >= OFTEN and ended.code):
            return ended.describe_end(read_memory_limit(pod))
    return ""


def _describe_refusal(deployment: Manifest) -> str:
    """Describe why no pod can be created, or that none became ready in time; empty: neither."""
    conditions = _index_conditions(deployment)
    failure, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if failure.get("status") == "True":
        return f"the cluster refuses its pods: {failure.get('message', '')}"
    if progress.get("reason") == "ProgressDeadlineExceeded":
        limit = deployment["spec"].get("progressDeadlineSeconds", 600)
        return f"no replica became ready in {limit} s"
    return ""


def _describe_waiting(seen: RevisionObjects, pods: Sequence[Manifest]) -> str:
    if not _read_wanted_replicas(seen.deployment):
        return "someone scaled it to 0 replicas"
    return describe_not_ready(pods[0]) if pods else "its pods are not there yet"


def _describe_missing_replicas(seen: RevisionObjects, pods: Sequence[Manifest], ready: int) -> str:
    wanted = _read_wanted_replicas(seen.deployment)
    if ready >= wanted:
        return ""
    waiting = next((pod for pod in pods if not is_ready(pod)), None)
    because = (
        describe_not_ready(waiting) if waiting else _describe_refusal(seen.deployment) or "the others are not there yet"
    )
    return f"{ready} of {wanted} replicas ready: {because}"


def _describe_blind_autoscaler(autoscaler: Manifest | None, now: float) -> str:
    if autoscaler is None:
        return "its autoscaler is gone: start it again, or its replicas stay as many as they are"
    active = _index_conditions(autoscaler).get("ScalingActive", {})
    unread = active.get("status") == "False" and active.get("reason") != "ScalingDisabled"
    if not unread or now - parse_unix_seconds(active.get("lastTransitionTime")) < BLIND_SECONDS:
        return ""
    return f"its autoscaler can't read its signals ({active.get('reason', '')}): {active.get('message', '')}"


def _select_current_pods(seen: RevisionObjects) -> list[Manifest]:
    """Return the pods that count: those of the Deployment's current template, in a stable order."""
    package = _read_package(seen.deployment["spec"]["template"])
    pods = [
        pod
        for pod in select_staying_pods(seen.pods, seen.deployment["metadata"]["name"])
        if _read_package(pod) == package
    ]
    return sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))


def _read_package(labelled: Manifest) -> str:
    return str((labelled["metadata"].get("annotations") or {}).get(Key.PACKAGE, ""))


def _was_ready(deployment: Manifest) -> bool:
    # the Deployment keeps this reason from its first complete rollout on, also when its pods fail later
    return _index_conditions(deployment).get("Progressing", {}).get("reason") == "NewReplicaSetAvailable"


def _read_wanted_replicas(deployment: Manifest) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _read_scale(autoscaler: Manifest | None, pods: Sequence[Manifest]) -> Scale | None:
    """Return the replicas and their load; None if they can't be changed: no autoscaler, or fixed counts."""
    noted = (autoscaler or {}).get("metadata", {}).get("annotations") or {}
    if autoscaler is None or Key.FIXED in noted:
        return None
    spec = autoscaler["spec"]
    floor = int(spec.get("minReplicas", 1))
    return Scale(
        ready=sum(map(is_ready, pods)),
        floor=floor,
        minimum=int(noted.get(Key.MINIMUM, floor)),
        maximum=int(noted.get(Key.MAXIMUM, spec["maxReplicas"])),
        loads=_read_loads(autoscaler),
    )


def _read_loads(autoscaler: Manifest) -> tuple[Load, ...]:
    """Return the autoscaler's measurements; nothing if it can't read now: then its values are old."""
    if _index_conditions(autoscaler).get("ScalingActive", {}).get("status") != "True":
        return ()
    current = {_name_signal(one): one for one in autoscaler.get("status", {}).get("currentMetrics") or [] if one}
    loads = []
    for metric in autoscaler["spec"].get("metrics") or []:
        measured = current.get(_name_signal(metric))
        if measured is not None:
            loads.append(_read_load(metric, measured))
    return tuple(loads)


def _name_signal(metric: Manifest) -> str:
    if metric["type"] == "Pods":
        return IN_FLIGHT
    return str(metric.get("resource", {}).get("name", metric["type"]))


def _read_load(metric: Manifest, measured: Manifest) -> Load:
    if metric["type"] == "Pods":
        target, average = metric["pods"]["target"]["averageValue"], measured["pods"]["current"]["averageValue"]
        return Load(signal=_name_signal(metric), average=parse_quantity(average), target=parse_quantity(target))
    target, average = (
        metric["resource"]["target"]["averageUtilization"],
        measured["resource"]["current"]["averageUtilization"],
    )
    return Load(signal=_name_signal(metric), average=float(average), target=float(target))


def _index_conditions(live: Manifest) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in live.get("status", {}).get("conditions") or []}
