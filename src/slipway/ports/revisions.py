"""Model versions that run."""

from typing import Protocol

from slipway.domain.rollout.revision import Revision, RevisionState


class Revisions(Protocol):
    """Revisions of models. Every call is idempotent; raises TargetUnavailable when out of reach."""

    def start(self, revision: Revision) -> None:
        """Begin to start a revision; return without waiting for it to be ready. It gets no traffic."""
        ...

    def stop(self, model: str, name: str) -> None:
        """Drain a revision and stop it; refuse (PermanentError) while the route sends it traffic."""
        ...

    def observe(self, model: str) -> dict[str, RevisionState]:
        """Return what is there of a model, by revision name."""
        ...

    def remove(self, model: str) -> None:
        """Take the model's route and all its revisions away."""
        ...


class Scaler(Protocol):
    """Replicas of revisions; for targets whose revisions show a `scale`."""

    def set_floors(self, model: str, floors: dict[str, int]) -> None:
        """Let revisions have at least so many replicas, by name; more come as their load needs them.

        Idempotent; raises TargetUnavailable when out of reach.
        """
        ...
