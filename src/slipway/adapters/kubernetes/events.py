"""Changes of a rollout as Events, visible in `kubectl describe deployment digits-v7`."""

from datetime import UTC, datetime

from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.errors import SlipwayError

MOST_WORDS = 1000
"""The API server accepts 1,024 characters."""
WARNINGS = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.HELD, Phase.STOPPED})


def needs_event(before: RolloutStatus | None, after: RolloutStatus) -> bool:
    """Return whether a save needs an Event: for another phase, step or weight, not for every look."""
    if before is None or before.release_id != after.release_id:
        return True
    return (before.phase, before.step, before.weight_percent) != (after.phase, after.step, after.weight_percent)


def write_event(cluster: Cluster, status: RolloutStatus) -> None:
    """Write an Event on the canary's Deployment, or on the stable one's if that is gone.

    Best effort: a cluster that accepts no Event, or a missing right, must not stop a rollout.
    """
    try:
        for revision in filter(None, (status.canary, status.stable)):
            live = cluster.get("Deployment", revision.name)
            if live is not None:
                cluster.create(build_event(status, live, datetime.fromtimestamp(cluster.now(), UTC)))
                return
    except SlipwayError:
        return


def build_event(status: RolloutStatus, deployment: Manifest, at: datetime) -> Manifest:
    """Return the Event of a status."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    about = deployment["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{about['name']}.", "namespace": about["namespace"]},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": about["namespace"],
            "name": about["name"],
            "uid": about["uid"],
        },
        "reason": format_reason(status.phase),
        "message": (status.reason or f"{status.release_id} is {status.phase.value}")[:MOST_WORDS],
        "type": "Warning" if status.phase in WARNINGS else "Normal",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "source": {"component": "slipway"},
    }


def format_reason(phase: Phase) -> str:
    """Return a phase in the form of Events.

    >>> format_reason(Phase.ROLLING_BACK)
    'RollingBack'
    """
    return "".join(part.capitalize() for part in phase.value.split("-"))
