"""Fetch: the version's artifact from the registry, by digest."""

from dataclasses import dataclass
from pathlib import Path

from slipway import wiring
from slipway.artifacts.rows import list_input_columns
from slipway.artifacts.store import compute_file_digest
from slipway.domain.release.record import StageName
from slipway.domain.release.version import Artifact, ModelVersion, Signature, VersionTag
from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import ArtifactChanged, DataBroken
from slipway.settings import settings
from slipway.usecases.retrying import idempotent
from slipway.usecases.stages.stage import Stage, begin_stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What the gates work on."""

    challenger: Artifact
    champion: Artifact | None
    signature: Signature
    promised: Signature | None
    """The champion's: what its clients may send, and read."""
    rows: "Holdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """The labelled rows, by digest, and which columns go into the model."""

    path: Path
    digest: str
    label: str
    columns: tuple[str, ...]


@idempotent
def fetch_artifacts(version: ModelVersion, champion: ModelVersion | None, spec: ReleaseSpec) -> Stage[Fetched]:
    """Download challenger and champion, whole or not at all; stop when an artifact changed behind its version.

    Both lie in the content-addressed store: what is there already is verified, not downloaded again.
    """
    watch = begin_stage(StageName.FETCH)
    challenger = _check_unchanged(wiring.get_registry().download(version, settings().store))
    before = wiring.get_registry().download(champion, settings().store) if champion else None
    signature = wiring.get_runner().read_signature(challenger.path, allow_pickle=spec.allow_pickle)
    # read, not loaded
    promised = wiring.get_runner().read_signature(before.path, allow_pickle=True) if before else None
    rows = read_holdout(spec, signature)
    fetched = Fetched(challenger=challenger, champion=before, signature=signature, promised=promised, rows=rows)
    return watch.stage(fetched, digest=challenger.digest, champion_digest=before.digest if before else None)


def _check_unchanged(artifact: Artifact) -> Artifact:
    version = artifact.version
    before = version.tags.get(VersionTag.DIGEST)
    if before is not None and before != artifact.digest:
        raise ArtifactChanged(
            f"model {version.model}, version {version.version}",
            seen=f"an artifact with digest {artifact.digest}",
            expected=f"{before}, as at its first release",
            do="register the changed model as a new version; a version never changes",
        )
    wiring.get_registry().set_tags(version.model, version.version, {VersionTag.DIGEST: artifact.digest})
    return artifact


def read_holdout(spec: ReleaseSpec, signature: Signature) -> Holdout:
    """Return the rows that gates judge with. Raises DataBroken for a file that can't be read."""
    data = spec.data
    try:
        digest = compute_file_digest(data.path)
    except OSError as no:
        raise DataBroken(
            f"rows file {data.path.name} of model {spec.model}",
            seen=no.strerror or "it can't be read",
            expected="a CSV or Parquet file",
            do="correct data.path in the release spec (it is relative to the spec)",
        ) from no
    return Holdout(
        path=data.path, digest=digest, label=data.label, columns=list_input_columns(data.path, signature, data.label)
    )
