"""A rollout's status as a ConfigMap: one document for us, and a few readable keys and labels for people."""

import json

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import Key, make_model_labels
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.stored.formats import STATUS
from slipway.errors import PermanentError
from slipway.ports.rollouts import Lease

DOCUMENT = "status.json"
LARGEST_BYTES = 1_000_000
"""The API server accepts 1 MiB for a whole object."""


def name_object(model: str) -> str:
    """Return the name of the model's ConfigMap and of its Lease."""
    return f"slipway-{model}"


def build_empty_status(model: str) -> Manifest:
    """Return the ConfigMap of a model that has no status yet."""
    labels = {**make_model_labels(model), "app.kubernetes.io/component": "rollout"}
    metadata = {"name": name_object(model), "labels": labels, "annotations": {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


def read_fence(live: Manifest | None) -> int:
    """Return the newest token recorded on the status; 0: none."""
    annotations = (live or {}).get("metadata", {}).get("annotations") or {}
    return int(annotations.get(Key.FENCE, "0").partition("/")[0])


def is_fenced_by(live: Manifest, lease: Lease) -> bool:
    """Return whether a lease is the newest one recorded on the status."""
    return (live["metadata"].get("annotations") or {}).get(Key.FENCE) == _format_fence(lease)


def add_fence(live: Manifest, lease: Lease) -> Manifest:
    """Return the ConfigMap as one that refuses leases older than this one."""
    annotations = {**(live["metadata"].get("annotations") or {}), Key.FENCE: _format_fence(lease)}
    return {**live, "metadata": {**live["metadata"], "annotations": annotations}}


def write_status(live: Manifest, status: RolloutStatus) -> Manifest:
    """Return the ConfigMap with this status; labels and keys of other writers are kept."""
    document = json.dumps(STATUS.dump(status), separators=(",", ":"))
    if len(document.encode()) > LARGEST_BYTES:
        raise PermanentError(
            f"status of {status.model}",
            seen=f"it is {len(document.encode()) // 1000} kB",
            expected=f"at most {LARGEST_BYTES // 1000} kB, which a ConfigMap holds",
            do="release with fewer metrics or steps",
        )
    labels = {Key.PHASE: status.phase.value, Key.VERSION: str(status.version), Key.WEIGHT: str(status.weight_percent)}
    readable = {
        "phase": status.phase.value,
        "version": str(status.version),
        "weight": str(status.weight_percent),
        "reason": status.reason,
    }
    metadata = {**live["metadata"], "labels": {**(live["metadata"].get("labels") or {}), **labels}}
    return {**live, "metadata": metadata, "data": {**(live.get("data") or {}), **readable, DOCUMENT: document}}


def read_status(live: Manifest | None) -> RolloutStatus | None:
    """Return the status that a ConfigMap holds; None: none yet."""
    document = ((live or {}).get("data") or {}).get(DOCUMENT)
    if live is None or document is None:
        return None
    try:
        return STATUS.load(json.loads(document), f"ConfigMap {live['metadata']['name']}")
    except ValueError as error:
        raise PermanentError(
            f"ConfigMap {live['metadata']['name']}",
            seen=f"its {DOCUMENT} is no {STATUS.name} that Slipway wrote",
            expected="JSON, whole",
            do="look at it; deleted, its model counts as one that never had a rollout",
        ) from error


def _format_fence(lease: Lease) -> str:
    return f"{lease.token}/{lease.holder}"


def read_model(live: Manifest) -> str:
    """Return the model that an object belongs to."""
    return str(live["metadata"]["labels"][Key.MODEL])


def select_under_way() -> str:
    """Return the selector of statuses of rollouts that have not ended."""
    going = ",".join(phase.value for phase in Phase if not phase.terminal)
    return f"{select_all()},{Key.PHASE} in ({going})"


def select_all() -> str:
    """Return the selector of all models' statuses and leases."""
    return f"app.kubernetes.io/managed-by=slipway,app.kubernetes.io/component=rollout,{Key.MODEL}"
