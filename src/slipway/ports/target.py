"""Where models serve."""

from dataclasses import dataclass
from typing import Protocol

from slipway.domain.rollout.revision import Revision, RevisionState, Traffic
from slipway.domain.spec.serving import ServingSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the router in front of a model can do."""

    copies: bool = True
    """Whether it can copy live requests to a revision (shadow)."""
    weights: tuple[int, ...] | None = None
    """The canary's shares, in percent, that it can make, ascending; None: any."""
    rescues: bool = False
    """Whether it can let one revision answer what another one can't."""
    why: str = ""
    """Which router it is and what limits it, in words."""


class Target(Protocol):
    """Revisions and the traffic between them. Every call is idempotent; raises TargetUnavailable when out of reach."""

    def start(self, revision: Revision) -> None:
        """Begin to start a revision; return without waiting for it to be ready. It gets no traffic."""
        ...

    def stop(self, model: str, name: str) -> None:
        """Drain a revision and stop it; refuse (PermanentError) while the route sends it traffic."""
        ...

    def observe(self, model: str) -> dict[str, RevisionState]:
        """Return what is there of a model, by revision name."""
        ...

    def route(self, model: str, traffic: Traffic) -> None:
        """Share live requests so; returns once the router has taken it over. Revisions named must exist."""
        ...

    def traffic(self, model: str) -> Traffic | None:
        """Return how live requests are shared now; None: the model has no route."""
        ...

    def scale(self, model: str, floors: dict[str, int]) -> None:
        """Let revisions have at least so many replicas, by name; more come as their load needs them.

        Only asked of a target whose revisions show a `scale`.
        """
        ...

    def abilities(self, model: str, serving: ServingSpec) -> Abilities:
        """Return what the router can do for a model that runs so."""
        ...

    def remove(self, model: str) -> None:
        """Take the model's route and all its revisions away."""
        ...
