"""Rollout status and leases as files of the local target.

A lease file is deleted only with its model: its token must never decrease. Every read-modify-write happens under the
model's lock, which the kernel frees when its holder ends; files are replaced atomically, so a reader sees the old one
or the new one.
"""

import json
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from slipway.adapters.local.locks import hold_lock
from slipway.artifacts.store import write_atomic
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.stored.format import Format
from slipway.domain.stored.formats import STATUS
from slipway.errors import LeaseLost, PermanentError
from slipway.ports.rollouts import Lease, make_held_error, make_lost_error

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A model's lease file: the last lease granted, and whether it was released."""

    lease: Lease
    released: bool = False


_ENTRY = Format("lease", 1, TypeAdapter(_Entry))


class LocalRollouts:
    """Implements RolloutStore, Leases and HeldLeases in the folder `home`, for processes of one machine."""

    def __init__(self, home: Path) -> None:
        """Access nothing yet."""
        self._statuses, self._leases = home / "rollouts", home / "leases"

    def load(self, model: str) -> RolloutStatus | None:
        """Return the status of the model's latest rollout; raise PermanentError for a file that can't be read."""
        return _read_document(self._statuses / f"{model}.json", STATUS)

    def save(self, status: RolloutStatus, lease: Lease) -> None:
        """Write the status atomically; raise LeaseLost if a newer token was issued."""
        with self._hold_lock(status.model):
            self._require_lease(lease, status.model)
            write_atomic(self._statuses / f"{status.model}.json", _dump_document(STATUS, status))

    def list_models(self) -> list[str]:
        """Return the models that have a status."""
        return sorted(path.stem for path in self._statuses.glob("[!.]*.json"))

    def list_under_way(self) -> dict[str, RolloutStatus]:
        """Return the statuses of rollouts that have not ended, by model."""
        found = {model: self.load(model) for model in self.list_models()}
        return {model: status for model, status in found.items() if status and not status.phase.terminal}

    def forget(self, model: str, lease: Lease) -> None:
        """Delete the model's status and its lease; raise LeaseLost if a newer token was issued."""
        with self._hold_lock(model):
            self._require_lease(lease, model)
            for folder in (self._statuses, self._leases):
                (folder / f"{model}.json").unlink(missing_ok=True)

    def acquire(self, model: str, holder: str, seconds: float) -> Lease:
        """Take the lease if it is free, expired, or already this holder's; raise LeaseHeld with its holder."""
        with self._hold_lock(model):
            entry = self._read_entry(model)
            if entry and _is_in_force(entry) and entry.lease.holder != holder:
                raise make_held_error(entry.lease)
            return self._write_next(entry, model, holder, seconds)

    def take_over(self, model: str, holder: str, seconds: float) -> Lease:
        """Take the lease even if it is held: the former holder's next write is refused (LeaseLost)."""
        with self._hold_lock(model):
            return self._write_next(self._read_entry(model), model, holder, seconds)

    def renew(self, lease: Lease, seconds: float) -> Lease:
        """Extend the lease and return it; raise LeaseLost if another holder took it or it was released.

        A lease that expired and was not taken meanwhile is still this holder's.
        """
        with self._hold_lock(lease.model):
            entry = self._read_entry(lease.model)
            if entry is None or entry.released or entry.lease.token != lease.token:
                raise _make_lost_error(lease, entry)
            renewed = replace(entry.lease, expires_at=time.time() + seconds)
            self._write_entry(_Entry(lease=renewed))
            return renewed

    def release(self, lease: Lease) -> None:
        """Release it; a lease lost meanwhile is left unchanged."""
        with self._hold_lock(lease.model):
            entry = self._read_entry(lease.model)
            if entry and entry.lease.token == lease.token:
                self._write_entry(replace(entry, released=True))

    def find_lease(self, model: str) -> Lease | None:
        """Return the lease that is in force; None: free or expired."""
        entry = self._read_entry(model)
        return entry.lease if entry and _is_in_force(entry) else None

    def list_in_force(self) -> dict[str, Lease]:
        """Return the leases that are in force, by model."""
        found = {path.stem: self.find_lease(path.stem) for path in self._leases.glob("[!.]*.json")}
        return {model: lease for model, lease in found.items() if lease}

    def ask_to_yield(self, model: str, version: int) -> None:
        """Record for the holder that a newer version waits; without a holder nothing happens."""
        with self._hold_lock(model):
            entry = self._read_entry(model)
            if entry and _is_in_force(entry):
                # two newer versions may wait: the holder ends for the newest
                newest = max(version, entry.lease.superseded_by or 0)
                self._write_entry(replace(entry, lease=replace(entry.lease, superseded_by=newest)))

    def _require_lease(self, lease: Lease, model: str) -> None:
        """Refuse a lease of another model, and one that is not the newest."""
        entry = self._read_entry(model)
        mine = entry is not None and (entry.lease.token, entry.lease.holder) == (lease.token, lease.holder)
        if lease.model != model or not mine:  # tokens restart after a model was deleted, so the holder is compared too
            raise _make_lost_error(lease, entry)

    def _write_next(self, before: _Entry | None, model: str, holder: str, seconds: float) -> Lease:
        """Write the next lease; a request to its holder is kept while the previous lease is in force."""
        lease = Lease(
            model=model,
            holder=holder,
            token=before.lease.token + 1 if before else 1,
            expires_at=time.time() + seconds,
            superseded_by=before.lease.superseded_by if before and _is_in_force(before) else None,
        )
        self._write_entry(_Entry(lease=lease))
        return lease

    def _read_entry(self, model: str) -> _Entry | None:
        return _read_document(self._leases / f"{model}.json", _ENTRY)

    def _write_entry(self, entry: _Entry) -> None:
        write_atomic(self._leases / f"{entry.lease.model}.json", _dump_document(_ENTRY, entry))

    def _hold_lock(self, model: str) -> AbstractContextManager[None]:
        return hold_lock(self._leases / f"{model}.lock")


def _is_in_force(entry: _Entry) -> bool:
    return not entry.released and entry.lease.expires_at > time.time()


def _read_document(path: Path, kept: Format[T]) -> T | None:
    try:
        return kept.load(json.loads(path.read_bytes()), f"file {path}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        seen = str(error.strerror) if isinstance(error, OSError) else f"it is no {kept.name} that Slipway wrote"
        raise PermanentError(
            f"file {path}",
            seen=seen,
            expected="JSON, whole",
            do="look at it; moved away, its model counts as one that never had a rollout",
        ) from error


def _dump_document(kept: Format[T], value: T) -> bytes:
    return json.dumps(kept.dump(value), indent=1).encode()


def _make_lost_error(lease: Lease, entry: _Entry | None) -> LeaseLost:
    return make_lost_error(lease, None if entry is None or entry.released else entry.lease)
