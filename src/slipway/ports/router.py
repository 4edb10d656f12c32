"""How live requests are shared between revisions."""

from dataclasses import dataclass
from typing import Protocol

from slipway.domain.rollout.revision import Traffic
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


class Router(Protocol):
    """Traffic between revisions. Every call is idempotent; raises TargetUnavailable when out of reach."""

    def set_traffic(self, model: str, traffic: Traffic) -> None:
        """Share live requests so; returns once the router has taken it over. Revisions named must exist."""
        ...

    def read_traffic(self, model: str) -> Traffic | None:
        """Return how live requests are shared now; None: the model has no route."""
        ...

    def get_abilities(self, model: str, serving: ServingSpec) -> Abilities:
        """Return what the router can do for a model that runs so."""
        ...
