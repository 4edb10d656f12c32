"""MLflow's model registry: versions, aliases, tags, and artifacts by digest."""

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Any

from slipway.adapters.mlflow import artifacts, modelfile
from slipway.adapters.mlflow.refusals import MlflowRefused
from slipway.adapters.mlflow.rest import MlflowRest
from slipway.artifacts import store as files
from slipway.domain.release.version import Artifact, ModelVersion
from slipway.errors import ArtifactBroken, NotFound

LARGEST_VERSION = 2**31 - 1
"""MLflow keeps versions in 32 bits and fails on larger ones."""
PAGE = 200
"""Versions, or models, per call."""
SHOWN = 10
"""How many names a message lists."""


class MlflowRegistry:
    """Implements `ports.registry.ModelRegistry` for an MLflow server."""

    def __init__(self, uri: str, timeout_seconds: float) -> None:
        """Store the address of MLflow and the time limit of one call; nothing is sent. Raises SettingsError."""
        self._rest = MlflowRest(uri, timeout_seconds)

    def get_version(self, model: str, version: str) -> ModelVersion:
        """Return one version, by number (`"7"`) or alias (`"champion"`); raises NotFound, RegistryUnavailable."""
        number = version.isascii() and version.isdigit()
        if number and not 0 < int(version) <= LARGEST_VERSION:
            raise self._make_not_found_error(model, f"version {version}")
        try:
            if number:
                query = {"name": model, "version": str(int(version))}
                found = self._rest.call("GET", "model-versions/get", query=query)
            else:
                found = self._rest.call("GET", "registered-models/alias", query={"name": model, "alias": version})
            aliases = self._get_aliases(model)
        except MlflowRefused as error:
            if error.missing:
                raise self._make_not_found_error(model, f"{'version' if number else 'alias'} {version}") from error
            raise
        return _read_version(found["model_version"], aliases)

    def list_versions(self, model: str) -> list[ModelVersion]:
        """Return all versions of a model, oldest first; raises NotFound, RegistryUnavailable."""
        try:
            aliases = self._get_aliases(model)
        except MlflowRefused as error:
            if error.missing:
                raise self._make_not_found_error(model, "such model") from error
            raise
        quote = '"' if "'" in model else "'"
        request = {"filter": f"name={quote}{model}{quote}", "max_results": PAGE}
        found = self._rest.list_items("GET", "model-versions/search", "model_versions", request)
        return sorted((_read_version(item, aliases) for item in found), key=lambda one: one.version)

    def list_newest_versions(self) -> dict[str, ModelVersion]:
        """Return the newest version of every model that has one; raises RegistryUnavailable."""
        found = self._rest.list_items("GET", "registered-models/search", "registered_models", {"max_results": PAGE})
        aliased = ((item, _read_aliases(item)) for item in found)
        # one per stage: the newest of all is among them
        latest = [[_read_version(one, aliases) for one in item.get("latest_versions", [])] for item, aliases in aliased]
        newest = (max(versions, key=lambda version: version.version) for versions in latest if versions)
        return {version.model: version for version in newest}

    def list_models(self) -> list[str]:
        """Return the names of all registered models, sorted; raises RegistryUnavailable."""
        found = self._rest.list_items("GET", "registered-models/search", "registered_models", {"max_results": PAGE})
        return sorted(str(item["name"]) for item in found)

    def download(self, version: ModelVersion, store: Path) -> Artifact:
        """Fetch the artifact into `store/models/<hex digest>`, atomically.

        The digest is over the tree in the registry, without the `registered_model_meta` that some MLflow
        clients add. Raises ArtifactBroken if it is missing, incomplete, has links in it, or the disk is full.
        """
        models = store / "models"
        try:
            with files.make_part_folder(models) as part:
                tree = artifacts.download_tree(self._rest, self._find_location(version), part)
                (tree / modelfile.GENERATED).unlink(missing_ok=True)
                modelfile.check_complete(tree, version.name)
                digest = files.compute_tree_digest(tree)
                path = models / digest.removeprefix("sha256:")
                _keep_tree(tree, path, digest)
        except OSError as error:
            raise ArtifactBroken(
                f"artifact of {version.name}",
                seen=f"can't be written to the store: {error.strerror or type(error).__name__}",
                expected="room for it under SLIPWAY_HOME, and the right to write there",
                do="free disk space or point SLIPWAY_HOME elsewhere, then start the release again",
            ) from error
        return Artifact(version=version, path=path, digest=digest)

    def set_alias(self, model: str, alias: str, version: int | None) -> None:
        """Point an alias at a version; None removes it. Raises NotFound, RegistryUnavailable."""
        request = {"name": model, "alias": alias} | ({} if version is None else {"version": str(version)})
        try:
            self._rest.call("DELETE" if version is None else "POST", "registered-models/alias", body=request)
        except MlflowRefused as error:
            if error.missing:
                raise self._make_not_found_error(model, f"version {version} for alias {alias!r}") from error
            raise

    def set_tags(self, model: str, version: int, tags: dict[str, str]) -> None:
        """Write tags on a version; raises NotFound, RegistryUnavailable."""
        for key, value in tags.items():
            request = {"name": model, "version": str(version), "key": key, "value": value}
            try:
                self._rest.call("POST", "model-versions/set-tag", body=request)
            except MlflowRefused as error:
                if error.code == "RESOURCE_DOES_NOT_EXIST":
                    raise self._make_not_found_error(model, f"version {version}") from error
                raise

    def _find_location(self, version: ModelVersion) -> str:
        """Return the address of the artifact: `source` may only name it (`models:/m-...`, `runs:/...`)."""
        query = {"name": version.model, "version": str(version.version)}
        try:
            return str(self._rest.call("GET", "model-versions/get-download-uri", query=query)["artifact_uri"])
        except MlflowRefused as error:
            if error.missing:
                raise self._make_not_found_error(version.model, f"version {version.version}") from error
            raise

    def _get_aliases(self, model: str) -> dict[int, tuple[str, ...]]:
        """Return the aliases by version; version records from a search do not carry them."""
        return _read_aliases(self._rest.call("GET", "registered-models/get", query={"name": model})["registered_model"])

    def _make_not_found_error(self, model: str, missing: str) -> NotFound:
        """Return the error that lists the existing ones."""
        models = self.list_models()
        if model not in models:
            return NotFound(
                f"model {model}",
                seen="no such model in the registry",
                expected=_format_names(models) or "a registered model (there is none yet)",
                do="correct the name, or register it with `mlflow.register_model`",
            )
        have = self.list_versions(model)
        names = [f"{one.version}" + "".join(f" ({alias})" for alias in one.aliases) for one in reversed(have)]
        return NotFound(
            f"model {model}",
            seen=f"no {missing}",
            expected=_format_names(names) or "a version (it has none yet)",
            do="choose a version or an alias that exists",
        )


def _read_aliases(model: dict[str, Any]) -> dict[int, tuple[str, ...]]:
    names = defaultdict(list)
    for item in model.get("aliases", []):
        names[int(item["version"])].append(str(item["alias"]))
    return {version: tuple(sorted(aliases)) for version, aliases in names.items()}


def _read_version(item: dict[str, Any], aliases: dict[int, tuple[str, ...]]) -> ModelVersion:
    number, source, run = int(item["version"]), str(item.get("source", "")), str(item.get("run_id", ""))
    pointed_at = "\n".join((source, str(item.get("model_id", "")), run))
    return ModelVersion(
        model=str(item["name"]),
        version=number,
        source=source,
        run_id=run or None,
        aliases=aliases.get(number, ()),
        tags={str(tag["key"]): str(tag.get("value", "")) for tag in item.get("tags", [])},
        created_at=int(item.get("creation_timestamp", 0)) / 1000,
        identity=hashlib.sha256(pointed_at.encode()).hexdigest(),
    )


def _keep_tree(tree: Path, path: Path, digest: str) -> None:
    """Move a downloaded tree to its place; an existing one is kept if it still matches the digest in its name."""
    if path.is_dir() and not _is_intact(path, digest):
        with files.make_part_folder(path.parent) as aside:
            path.rename(aside / "damaged")
    files.settle_folder(tree, path)


def _is_intact(path: Path, digest: str) -> bool:
    try:
        return files.compute_tree_digest(path) == digest
    except ArtifactBroken:
        return False


def _format_names(names: list[str]) -> str:
    """List the existing ones, the first few of many.

    >>> _format_names(["3", "2 (champion)", "1"])
    'one of 3, 2 (champion), 1'
    """
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"one of {', '.join(names[:SHOWN])}{rest}" if names else ""
