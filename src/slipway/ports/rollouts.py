"""The rollout's status and the lease of the process that may move it; both are stored with the target."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from slipway.domain.rollout.status import RolloutStatus
from slipway.errors import LeaseHeld, LeaseLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to move one model's rollout, until it expires or is renewed."""

    model: str
    holder: str
    """The release_id."""
    token: int
    """Grows with every acquisition: a save with an older token is refused."""
    expires_at: float
    """Unix seconds."""
    superseded_by: int | None = None
    """A newer version that asks the holder to make room."""


def make_held_error(lease: Lease) -> LeaseHeld:
    """Return the error for a lease that another process holds."""
    until = datetime.fromtimestamp(lease.expires_at, UTC).strftime("%H:%M:%S UTC")
    return LeaseHeld(
        f"lease of {lease.model}",
        seen=f"{lease.holder} holds it until {until}",
        expected="a free lease",
        do="wait for that release, or for its lease to expire",
    )


def make_lost_error(lease: Lease, to: Lease | None) -> LeaseLost:
    """Return the error for a write with a lease that is not the newest; `to` None: it was given back."""
    now = f"{to.holder} (token {to.token})" if to else "nobody"
    return LeaseLost(
        f"lease of {lease.model}",
        seen=f"{lease.holder} (token {lease.token}) lost it; it belongs to {now}",
        expected="the newest token",
        do="nothing: its holder continues",
    )


class RolloutStore(Protocol):
    """Status by model, written by the holder of the lease."""

    def load(self, model: str) -> RolloutStatus | None:
        """Return the status of the model's latest rollout; None: it never had one."""
        ...

    def save(self, status: RolloutStatus, lease: Lease) -> None:
        """Write the status, whole or not at all; raise LeaseLost when a newer token was given out."""
        ...

    def list_models(self) -> list[str]:
        """Return the models that have a status."""
        ...

    def list_under_way(self) -> dict[str, RolloutStatus]:
        """Return the statuses that are not at their end, by model."""
        ...

    def forget(self, model: str, lease: Lease) -> None:
        """Take away the model's status and its lease: it is not served any more. Raise LeaseLost as `save` does."""
        ...


class Leases(Protocol):
    """At most one rollout per model."""

    def acquire(self, model: str, holder: str, seconds: float) -> Lease:
        """Take the lease if it is free, expired, or already this holder's; raise LeaseHeld with who holds it."""
        ...

    def take_over(self, model: str, holder: str, seconds: float) -> Lease:
        """Take the lease from its holder, whose next write is refused (LeaseLost)."""
        ...

    def renew(self, lease: Lease, seconds: float) -> Lease:
        """Push the expiry out and return the lease as it is now (with `superseded_by`); raise LeaseLost."""
        ...

    def release(self, lease: Lease) -> None:
        """Give it back; a lease lost meanwhile is left alone."""
        ...


class HeldLeases(Protocol):
    """Leases as those see them who do not hold them."""

    def find_lease(self, model: str) -> Lease | None:
        """Return the lease that is in force; None: free or expired."""
        ...

    def list_in_force(self) -> dict[str, Lease]:
        """Return the leases that are in force, by model."""
        ...

    def ask_to_yield(self, model: str, version: int) -> None:
        """Notify the holder that a newer version waits; without a holder nothing happens."""
        ...
