"""Words for what a real cluster showed (seen/*.json, written by capture.py), and for what came of it later."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.kubernetes.signals import RevisionObjects, assess_revision
from slipway.domain.rollout.revision import Health, RevisionState
from slipway.domain.rollout.scaling import Load, Scale

SEEN = Path(__file__).parent / "seen"
NO_IMAGE = (
    f"its image registry.example/slipway-test-service@sha256:{'0' * 64} can't be pulled (ImagePullBackOff): not found"
)


def look(seen: dict[str, Any], later_seconds: float = 0.0) -> RevisionState:
    """Assess what was seen, so long after it was seen."""
    return assess_revision(
        RevisionObjects(deployment=seen["deployment"], pods=tuple(seen["pods"]), autoscaler=seen["autoscaler"]),
        seen["now"] + later_seconds,
    )


def read(name: str) -> dict[str, Any]:
    """Return a capture, to be changed at will."""
    seen: dict[str, Any] = json.loads((SEEN / f"{name}.json").read_text())
    return seen


def unready(pod: dict[str, Any], *, container: bool) -> None:
    """Take a pod's readiness, and its container's where that is not fine either."""
    next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")["status"] = "False"
    pod["status"]["containerStatuses"][0]["ready"] = not container


@pytest.mark.parametrize(
    ("name", "health", "detail"),
    [
        ("ready", Health.READY, ""),
        ("two-ready", Health.READY, ""),
        ("not-ready", Health.STARTING, "not ready yet"),
        (
            "no-node",
            Health.STARTING,
            "no node takes it (Unschedulable): 0/1 nodes are available: 1 node(s) didn't match",
        ),
        ("crash-loop", Health.FAILED, "exited with code 3, twice; last line: the model file is broken"),
        ("no-image", Health.FAILED, NO_IMAGE),
        ("no-config", Health.FAILED, 'container can\'t be made (CreateContainerConfigError): secret "none" not found'),
        ("out-of-memory", Health.FAILED, "ended for using more than its memory limit of 64Mi (OOMKilled), once"),
        ("quota", Health.FAILED, "the cluster refuses its pods: pods"),
        ("one-of-two", Health.READY, "1 of 2 replicas ready: exited with code 3, once; last line: asked to end"),
        ("blind", Health.READY, "its autoscaler can't read its signals (FailedGetPodsMetric)"),
    ],
)
def test_what_a_cluster_shows_has_its_word_and_its_reason(name: str, health: Health, detail: str) -> None:
    """Captured from a cluster, each at the moment when it showed first."""
    state = look(read(name))

    assert state.health is health
    assert detail in state.detail
    assert bool(state.detail) == bool(detail)


def test_replicas_and_load_are_the_autoscalers() -> None:
    """Floor and loads as they are, bounds at rest as they were noted."""
    seen = read("ready")
    seen["autoscaler"]["spec"]["minReplicas"] = 3
    seen["autoscaler"]["status"]["currentMetrics"][0]["pods"]["current"]["averageValue"] = "2500m"

    assert look(seen).scale == Scale(
        ready=1, floor=3, minimum=1, maximum=10, loads=(Load(signal="requests in flight", average=2.5, target=4.0),)
    )


def test_utilization_is_in_percent() -> None:
    """CPU and memory: of what a replica requests."""
    seen = read("ready")
    target = {"type": "Utilization", "averageUtilization": 70}
    seen["autoscaler"]["spec"]["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    current = {"averageUtilization": 35, "averageValue": "35m"}
    seen["autoscaler"]["status"]["currentMetrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "current": current}}
    ]

    scale = look(seen).scale

    assert scale is not None
    assert scale.loads == (Load(signal="cpu", average=35.0, target=70.0),)


def test_loads_of_before_are_not_shown_by_a_blind_autoscaler() -> None:
    """It keeps what it read last: that is no load of now."""
    seen, fresh = read("blind"), read("ready")
    seen["autoscaler"]["status"]["currentMetrics"] = fresh["autoscaler"]["status"]["currentMetrics"]

    scale = look(seen).scale

    assert scale is not None
    assert scale.loads == ()


def test_fixed_counts_have_no_scale() -> None:
    """While shares follow from counts there is no range to move in."""
    seen = read("ready")
    seen["autoscaler"]["metadata"]["annotations"]["slipway.dev/fixed"] = "3"

    assert look(seen).scale is None


def test_who_was_ready_and_is_not_any_more_is_unready() -> None:
    """Not STARTING: it had been there."""
    seen = read("ready")
    unready(seen["pods"][0], container=True)

    state = look(seen)

    assert (state.health, state.detail) == (Health.UNREADY, "it does not answer its readiness probe")


def test_a_lost_node_is_no_failure_of_the_model() -> None:
    """Its container is fine as far as anybody knows; the others serve."""
    seen = read("two-ready")
    unready(seen["pods"][0], container=False)

    state = look(seen)

    assert (state.health, state.detail) == (Health.READY, "1 of 2 replicas ready: its node does not answer")


def test_an_evicted_pod_is_no_failure_of_the_model() -> None:
    """The cluster ended it, and its successor is on the way."""
    seen = read("two-ready")
    pod = seen["pods"][0]
    unready(pod, container=True)
    pod["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
    pod["status"]["containerStatuses"] = []

    state = look(seen)

    assert state.health is Health.READY
    assert "its pod was ended by the cluster (Evicted): The node was low on memory." in state.detail


@pytest.mark.parametrize(
    ("ends", "reason", "later_seconds", "health"),
    [
        (1, "Error", 0, Health.READY),
        (2, "Error", 0, Health.FAILED),
        (2, "Error", 700, Health.READY),
        (1, "OOMKilled", 0, Health.FAILED),
        (1, "OOMKilled", 700, Health.READY),
    ],
)
def test_ends_of_a_replica_that_is_back_count_for_ten_minutes(
    ends: int, reason: str, later_seconds: float, health: Health
) -> None:
    """Out of memory at once, other ends from the second on, also while another replica serves."""
    seen = read("two-ready")
    ended = copy.deepcopy(read("one-of-two")["pods"])
    terminated = next(
        state["terminated"]
        for pod in ended
        for state in (pod["status"]["containerStatuses"][0]["state"],)
        if "terminated" in state
    )
    seen["now"] = read("one-of-two")["now"]
    status = seen["pods"][0]["status"]["containerStatuses"][0]
    status |= {"restartCount": ends, "lastState": {"terminated": {**terminated, "reason": reason}}}

    state = look(seen, later_seconds)

    assert state.health is health
    assert state.restarts == ends


def test_pods_of_an_older_template_do_not_count() -> None:
    """A revision that was started from another package is not ready by its old pods."""
    seen = read("ready")
    seen["deployment"]["spec"]["template"]["metadata"]["annotations"]["slipway.dev/package"] = "sha256:other"

    state = look(seen)

    assert state.health is not Health.READY
    assert state.detail == "its pods are not there yet"


def test_pods_on_their_way_out_do_not_count() -> None:
    """They answer what they have and nothing more."""
    seen = read("two-ready")
    seen["pods"][0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    state = look(seen)

    assert state.scale is not None
    assert (state.scale.ready, state.detail) == (1, "1 of 2 replicas ready: the others are not there yet")


def test_a_late_model_is_failed_by_the_deployments_deadline() -> None:
    """Nothing was wrong that anybody saw, and it never became ready."""
    seen = read("not-ready")
    progress = next(one for one in seen["deployment"]["status"]["conditions"] if one["type"] == "Progressing")
    progress |= {"status": "False", "reason": "ProgressDeadlineExceeded"}

    state = look(seen)

    assert (state.health, state.detail) == (Health.FAILED, "no replica became ready in 600 s")


def test_somebody_who_scales_to_zero_is_told() -> None:
    """It was ready, and there is no pod that could be asked."""
    seen = read("ready")
    seen["pods"] = []
    seen["deployment"]["spec"]["replicas"] = 0

    state = look(seen)

    assert (state.health, state.detail) == (Health.UNREADY, "someone scaled it to 0 replicas")


def test_a_deleted_autoscaler_is_told() -> None:
    """The revision serves, and nothing would scale it."""
    seen = read("ready")
    seen["autoscaler"] = None

    state = look(seen)

    assert state.health is Health.READY
    assert "its autoscaler is gone" in state.detail
    assert state.scale is None


def test_a_young_autoscaler_may_be_blind() -> None:
    """It has nothing to read in its first minute."""
    seen = read("blind")
    active = next(one for one in seen["autoscaler"]["status"]["conditions"] if one["type"] == "ScalingActive")
    active["lastTransitionTime"] = "2099-01-01T00:00:00Z"

    assert look(seen).detail == ""
