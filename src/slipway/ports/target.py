"""Where models serve."""

from typing import Protocol

from slipway.domain.revision import Revision, RevisionState, Traffic


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

    def remove(self, model: str) -> None:
        """Take the model's route and all its revisions away."""
        ...
