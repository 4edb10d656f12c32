"""Where model versions come from."""

from pathlib import Path
from typing import Protocol

from slipway.domain.release.version import Artifact, ModelVersion


class ModelRegistry(Protocol):
    """Versions, aliases, tags, artifacts by digest.

    Every method raises RegistryUnavailable when the registry does not answer, and NotFound for what does not exist.
    """

    def get_version(self, model: str, version: str) -> ModelVersion:
        """Return one version, by number (`"7"`) or alias (`"champion"`)."""
        ...

    def list_versions(self, model: str) -> list[ModelVersion]:
        """Return all versions of a model, oldest first, with tags and aliases."""
        ...

    def list_newest_versions(self) -> dict[str, ModelVersion]:
        """Return the newest version of every model that has one, with tags and aliases; few calls, however many."""
        ...

    def download(self, version: ModelVersion, store: Path) -> Artifact:
        """Fetch the artifact into `store/<digest>`, whole or not at all; raise ArtifactBroken when it can't be had."""
        ...

    def set_alias(self, model: str, alias: str, version: int | None) -> None:
        """Point an alias at a version; None takes the alias away. Doing it twice changes nothing."""
        ...

    def set_tags(self, model: str, version: int, tags: dict[str, str]) -> None:
        """Write tags on a version."""
        ...
