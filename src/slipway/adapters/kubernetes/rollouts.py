"""Rollout status and leases in the cluster: a ConfigMap and a Lease per model, both named `slipway-MODEL`.

Every write names the version of the object that was read; the API server accepts it, or reports a conflict. A new
holder of a lease first writes its token on the status (the fence): so a late write of an older holder is refused,
however late its clock or network made it. Time is the API server's (Cluster.now): holders on several machines share
that one clock.
"""

import time
from collections.abc import Callable

from slipway.adapters.kubernetes import events, lease_objects, statuses
from slipway.adapters.kubernetes.cluster import Cluster
from slipway.adapters.kubernetes.kinds import Manifest
from slipway.adapters.kubernetes.lease_objects import Grant, GrantedLease
from slipway.adapters.kubernetes.names import Key
from slipway.adapters.kubernetes.refusals import Conflict
from slipway.adapters.kubernetes.statuses import name_object
from slipway.domain.rollout.status import RolloutStatus
from slipway.errors import FormatTooNew, LeaseLost, NotFound, PermanentError
from slipway.ports.rollouts import Lease, make_held_error, make_lost_error

TRIES = 8
"""Two writers are rare, and each of them writes once: this many conflicts have another cause than a race."""
PAUSE_SECONDS = 0.05

Change = Callable[[Manifest | None], Manifest | None]
"""From the live object (None: missing) to the desired one; None: leave it unchanged. May raise."""


class KubernetesRollouts:
    """Implements RolloutStore, Leases and HeldLeases in one namespace of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        """Make no call yet."""
        self._cluster = cluster

    def load(self, model: str) -> RolloutStatus | None:
        """Return the status of the model's latest rollout; raise PermanentError for one that can't be read."""
        return statuses.read_status(self._cluster.get("ConfigMap", name_object(model)))

    def save(self, status: RolloutStatus, lease: Lease) -> None:
        """Write the status atomically; raise LeaseLost if a newer token was issued.

        A change of phase, step or weight becomes an Event too.
        """
        seen: list[RolloutStatus | None] = []

        def change_status(live: Manifest | None) -> Manifest:
            self._require_lease(lease, status.model, live)
            seen.append(_read_if_readable(live))
            return statuses.write_status(
                statuses.add_fence(live or statuses.build_empty_status(status.model), lease), status
            )

        self._change_object("ConfigMap", status.model, change_status)
        if events.needs_event(seen[-1], status):
            events.write_event(self._cluster, status)

    def list_models(self) -> list[str]:
        """Return the models that have a status."""
        live = self._cluster.list("ConfigMap", f"{statuses.select_all()},{Key.PHASE}")
        return sorted(map(statuses.read_model, live))

    def list_under_way(self) -> dict[str, RolloutStatus]:
        """Return the statuses of rollouts that have not ended, by model, with one call."""
        live = self._cluster.list("ConfigMap", statuses.select_under_way())
        found = {statuses.read_model(one): statuses.read_status(one) for one in live}
        return {model: status for model, status in found.items() if status and not status.phase.terminal}

    def forget(self, model: str, lease: Lease) -> None:
        """Delete the model's status and its lease; raise LeaseLost if a newer token was issued."""
        live = self._cluster.get("Lease", name_object(model))
        given = lease_objects.read_lease(live)
        if live is None or given is None or lease.model != model or not _is_last_grant(given, lease):
            raise _make_lost_error(lease, given)
        self._cluster.delete("ConfigMap", name_object(model))
        try:
            self._cluster.delete("Lease", name_object(model), resource_version=live["metadata"]["resourceVersion"])
        except Conflict as conflict:
            raise _make_lost_error(lease, self._read_given(model)) from conflict

    def acquire(self, model: str, holder: str, seconds: float) -> Lease:
        """Take the lease if it is free, expired, or already this holder's; raise LeaseHeld with its holder."""

        def grant_if_free(live: Manifest | None) -> Manifest:
            given, now = lease_objects.read_lease(live), self._cluster.now()
            if given and given.in_force(now) and given.lease.holder != holder:
                raise make_held_error(given.lease)
            return _grant_next(live or lease_objects.build_empty_lease(model), holder, seconds, now)

        return self._write_lease(model, grant_if_free)

    def take_over(self, model: str, holder: str, seconds: float) -> Lease:
        """Take the lease even if it is held: the former holder's next write is refused (LeaseLost)."""
        now = self._cluster.now
        return self._write_lease(
            model, lambda live: _grant_next(live or lease_objects.build_empty_lease(model), holder, seconds, now())
        )

    def renew(self, lease: Lease, seconds: float) -> Lease:
        """Extend the lease and return it; raise LeaseLost if another holder took it or it was released.

        A lease that expired and was not taken meanwhile is still this holder's.
        """

        def extend_lease(live: Manifest | None) -> Manifest:
            given = lease_objects.read_lease(live)
            if live is None or given is None or given.released or given.lease.token != lease.token:
                raise _make_lost_error(lease, given)
            asked = given.lease.superseded_by
            grant = Grant(holder=given.lease.holder, token=lease.token, seconds=seconds, superseded_by=asked)
            return lease_objects.grant_lease(live, grant, self._cluster.now())

        return _read_written_lease(self._change_object("Lease", lease.model, extend_lease))

    def release(self, lease: Lease) -> None:
        """Release it; a lease lost meanwhile is left unchanged."""

        def release_if_held(live: Manifest | None) -> Manifest | None:
            given = lease_objects.read_lease(live)
            mine = live is not None and given is not None and given.lease.token == lease.token
            return lease_objects.give_lease_back(live) if mine and live else None

        self._change_object("Lease", lease.model, release_if_held)

    def find_lease(self, model: str) -> Lease | None:
        """Return the lease that is in force; None: free or expired."""
        given = self._read_given(model)
        return given.lease if given and given.in_force(self._cluster.now()) else None

    def list_in_force(self) -> dict[str, Lease]:
        """Return the leases that are in force, by model, with one call."""
        found = map(lease_objects.read_lease, self._cluster.list("Lease", statuses.select_all()))
        now = self._cluster.now()
        return {given.lease.model: given.lease for given in found if given and given.in_force(now)}

    def ask_to_yield(self, model: str, version: int) -> None:
        """Record for the holder that a newer version waits; without a holder nothing happens."""

        def record_request(live: Manifest | None) -> Manifest | None:
            given = lease_objects.read_lease(live)
            if live is None or given is None or not given.in_force(self._cluster.now()):
                return None
            # two newer versions may wait: the holder ends for the newest
            newest = max(version, given.lease.superseded_by or 0)
            annotations = {**(live["metadata"].get("annotations") or {}), Key.SUPERSEDED_BY: str(newest)}
            return {**live, "metadata": {**live["metadata"], "annotations": annotations}}

        self._change_object("Lease", model, record_request)

    def _write_lease(self, model: str, change: Change) -> Lease:
        """Write the next lease, then fence the status with its token: only then is it held."""
        lease = _read_written_lease(self._change_object("Lease", model, change))

        def fence_status(live: Manifest | None) -> Manifest | None:
            # another holder that took it over in between may have been faster here
            newer = statuses.read_fence(live) > lease.token
            return None if newer else statuses.add_fence(live or statuses.build_empty_status(model), lease)

        self._change_object("ConfigMap", model, fence_status)
        return lease

    def _require_lease(self, lease: Lease, model: str, live: Manifest | None) -> None:
        """Refuse a lease of another model, and one that is not the newest.

        The fence shows that at once. If it is not this lease's own (the ConfigMap was deleted) the Lease decides.
        """
        if lease.model == model and live is not None and statuses.is_fenced_by(live, lease):
            return
        given = self._read_given(model)
        newer = statuses.read_fence(live) > lease.token
        if lease.model != model or given is None or newer or not _is_last_grant(given, lease):
            raise _make_lost_error(lease, given)

    def _read_given(self, model: str) -> GrantedLease | None:
        return lease_objects.read_lease(self._cluster.get("Lease", name_object(model)))

    def _change_object(self, kind: str, model: str, change: Change) -> Manifest | None:
        """Read, change and write an object, again after a conflict; None: it was left unchanged."""
        tries = 0
        while True:
            live = self._cluster.get(kind, name_object(model))
            wanted = change(live)
            if wanted is None:
                return None
            tries += 1
            try:
                return self._cluster.create(wanted) if live is None else self._cluster.replace(wanted)
            except (Conflict, NotFound) as raced:
                if tries == TRIES or (live is None and isinstance(raced, NotFound)):
                    raise
            time.sleep(PAUSE_SECONDS)


def _grant_next(live: Manifest, holder: str, seconds: float, now: float) -> Manifest:
    """Return the next lease; a request to its holder is kept while the previous lease is in force."""
    before = lease_objects.read_lease(live)
    asked = before.lease.superseded_by if before and before.in_force(now) else None
    token = before.lease.token + 1 if before else 1
    return lease_objects.grant_lease(live, Grant(holder=holder, token=token, seconds=seconds, superseded_by=asked), now)


def _read_written_lease(live: Manifest | None) -> Lease:
    given = lease_objects.read_lease(live)
    if given is None:
        raise AssertionError(live)  # it was written with a token just now
    return given.lease


def _is_last_grant(given: GrantedLease, lease: Lease) -> bool:
    """Return whether a lease is the last one granted, released or not; deleted models begin again with token 1."""
    return given.lease.token == lease.token and (given.released or given.lease.holder == lease.holder)


def _read_if_readable(live: Manifest | None) -> RolloutStatus | None:
    try:
        return statuses.read_status(live)
    except FormatTooNew:
        raise
    except PermanentError:
        return None  # a complete one replaces it now


def _make_lost_error(lease: Lease, given: GrantedLease | None) -> LeaseLost:
    return make_lost_error(lease, None if given is None or given.released else given.lease)
