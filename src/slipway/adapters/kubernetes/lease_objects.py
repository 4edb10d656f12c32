"""A model's lease as a Lease of the cluster. It is deleted only with its model: its token must never decrease."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.names import Key, make_model_labels
from slipway.adapters.kubernetes.readiness import parse_unix_seconds
from slipway.adapters.kubernetes.statuses import name_object
from slipway.domain.stored.format import require_known
from slipway.ports.rollouts import Lease

NEWEST = 1
"""Newest format of our annotations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedLease:
    """The last lease that was granted, and whether it was released."""

    lease: Lease
    released: bool

    def in_force(self, now: float) -> bool:
        """Whether it is held."""
        return not self.released and self.lease.expires_at > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A lease to be written."""

    holder: str
    token: int
    seconds: float
    superseded_by: int | None = None


def build_empty_lease(model: str) -> Manifest:
    """Return the Lease of a model that was never held."""
    labels = {**make_model_labels(model), "app.kubernetes.io/component": "rollout"}
    metadata = {"name": name_object(model), "labels": labels, "annotations": {}}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}


def grant_lease(live: Manifest, grant: Grant, now: float) -> Manifest:
    """Return the Lease as granted (or renewed) at this time."""
    annotations = {
        **(live["metadata"].get("annotations") or {}),
        Key.SECONDS: repr(grant.seconds),
        Key.FORMAT: str(NEWEST),
    }
    annotations.pop(Key.SUPERSEDED_BY, None)
    if grant.superseded_by is not None:
        annotations[Key.SUPERSEDED_BY] = str(grant.superseded_by)
    spec = {
        **live["spec"],
        "holderIdentity": grant.holder,
        "leaseTransitions": grant.token,
        "leaseDurationSeconds": max(1, ceil(grant.seconds)),
        "renewTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    return {**live, "metadata": {**live["metadata"], "annotations": annotations}, "spec": spec}


def give_lease_back(live: Manifest) -> Manifest:
    """Return the Lease as released; the token is kept."""
    return {**live, "spec": {**live["spec"], "holderIdentity": ""}}


def read_lease(live: Manifest | None) -> GrantedLease | None:
    """Return the lease in the object; None: none was ever granted. Raises FormatTooNew."""
    if live is None or "leaseTransitions" not in live["spec"]:
        return None
    spec, annotations = live["spec"], live["metadata"].get("annotations") or {}
    require_known("lease", int(annotations.get(Key.FORMAT, 1)), NEWEST, f"Lease {live['metadata']['name']}")
    asked = annotations.get(Key.SUPERSEDED_BY)
    good_for = float(annotations.get(Key.SECONDS, spec.get("leaseDurationSeconds", 0)))
    lease = Lease(
        model=str(live["metadata"]["labels"][Key.MODEL]),
        holder=spec.get("holderIdentity", ""),
        token=int(spec["leaseTransitions"]),
        expires_at=parse_unix_seconds(spec.get("renewTime")) + good_for,
        superseded_by=int(asked) if asked else None,
    )
    return GrantedLease(lease=lease, released=not lease.holder)
