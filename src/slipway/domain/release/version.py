"""A model version as the registry has it, its artifact, and its inputs and outputs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class ReleaseState(StrEnum):
    """What Slipway did with a version; kept as the version's tag `slipway.state`."""

    RELEASING = "releasing"
    """A release is under way, or was interrupted."""
    PROMOTED = "promoted"
    """It got all traffic (it may have been replaced since)."""
    ROLLED_BACK = "rolled-back"
    """It had a share of the traffic and lost it."""
    STOPPED = "stopped"
    """A gate stopped it before it got any traffic."""
    SUPERSEDED = "superseded"
    """A newer version took its place before it was promoted."""


class VersionTag(StrEnum):
    """The tags that Slipway writes on a version in the registry, and reads back."""

    STATE = "slipway.state"
    """A `ReleaseState`."""
    ATTEMPT = "slipway.attempt"
    """Number of the latest attempt to release it."""
    DIGEST = "slipway.digest"
    """Digest of its artifact, as first downloaded."""
    RELEASE = "slipway.release"
    """The release that was recorded last."""
    REASON = "slipway.reason"
    """Why it was rolled back."""


CHAMPION = "champion"
"""Alias of the version that serves."""
CHALLENGER = "challenger"
"""Alias of the version that is being released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One registered version. `identity` changes when the registry points at another artifact."""

    model: str
    version: int
    source: str
    """Location of the artifact, according to the registry."""
    run_id: str | None = None
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    """Unix seconds."""
    identity: str = ""
    """Hex digest over the registry's record of the artifact: computed without a download."""

    @property
    def name(self) -> str:
        """`digits-v7`: also the name of its revision."""
        return revision_name(self.model, self.version)

    @property
    def state(self) -> ReleaseState | None:
        """The result of its release, if any. Raises ValueError on a tag value that Slipway never writes."""
        tag = self.tags.get(VersionTag.STATE)
        return ReleaseState(tag) if tag else None

    @property
    def attempt(self) -> int:
        """Number of the latest attempt to release it; 0: none yet."""
        return int(self.tags.get(VersionTag.ATTEMPT, "0"))


def find_champion(versions: Iterable[ModelVersion]) -> ModelVersion | None:
    """Return the version that serves, by the registry's alias; None: none."""
    return next((version for version in versions if CHAMPION in version.aliases), None)


def revision_name(model: str, version: int) -> str:
    """Return the name of a version's revision, the same on every target.

    >>> revision_name("digits", 7)
    'digits-v7'
    """
    return f"{model}-v{version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A downloaded model: an MLflow model folder under the content-addressed store."""

    version: ModelVersion
    path: Path
    digest: str
    """`sha256:...` over the tree (relative names and contents)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One input column, or the whole input matrix of a tensor signature."""

    name: str
    kind: str
    """numpy dtype name: `float32`, `int64`, `str`, `bool`, ..."""
    shape: tuple[int, ...] = (-1,)
    """Per request; -1 is the row axis."""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter that a request may set in addition to its rows."""

    name: str
    kind: str
    """The registry's name of its type: `integer`, `double`, `string`, ..."""
    default: str
    """As JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A model's inputs and outputs, in the registry's own order."""

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    params: tuple[Param, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the input columns."""
        return tuple(column.name for column in self.inputs)
