"""A deployed version: what is started, what was seen of it, and how traffic is shared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.rollout.scaling import Scale
from slipway.domain.spec.rescue import RescueSpec
from slipway.domain.spec.serving import KubernetesServingSpec, Serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A servable artifact: a Bento folder with its digest."""

    model: str
    version: int
    path: Path
    digest: str
    """`sha256:...` over the package's contents: same inputs, same digest."""
    tag: str
    """The packager's own name for it, `digits:v7-3f2a...`."""
    runtime: str
    """`onnx` or `pyfunc`."""
    image: str = ""
    """Where its image was pushed, by digest: `registry/digits@sha256:...`; empty: the target needs none."""
    labels: dict[str, str] = field(default_factory=dict)
    profile: tuple[ColumnProfile, ...] = ()
    """How the validation rows' columns are distributed: live inputs are compared with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One deployed version behind a route."""

    name: str
    model: str
    version: int
    package: Package
    memory_limit_mebibytes: int | None = None
    """Over it the revision is unhealthy at once; None: no limit."""
    serving: Serving = field(default_factory=KubernetesServingSpec)
    """How it runs."""
    rescue: RescueSpec | None = None
    """When the version before it answers in its place; None: never."""


class Health(StrEnum):
    """What a target sees of a revision."""

    ABSENT = "absent"
    """Not there."""
    STARTING = "starting"
    """There, not ready yet."""
    READY = "ready"
    """Answers its readiness probe."""
    UNREADY = "unready"
    """Was ready, and is not any more."""
    FAILED = "failed"
    """Crash loop, could not start, or over its memory limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionState:
    """A revision, as seen."""

    name: str
    health: Health
    detail: str = ""
    """In words, when not ready: `exited with code 3 twice; last line: ...`."""
    restarts: int = 0
    memory_mebibytes: float | None = None
    scale: Scale | None = None
    """Its replicas; None: the target has one of each, whatever the load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """A revision whose requests another one answers where it can't: never the other way round."""

    of: str
    """Name of the revision that gets a request first."""
    by: str
    """Name of the one that answers in its place."""
    at_once: int
    """Most requests at a time."""
    after_seconds: float
    """How long the first may hold a request before the second gets it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How live requests of one model are shared. `canary_percent` 0 with a canary set is a warm canary."""

    stable: str
    """Name of the revision that gets the rest."""
    canary: str | None = None
    canary_percent: int = 0
    shadow: str | None = None
    """Gets a copy of every live request; its answers are discarded."""
    rescue: Rescue | None = None
    """Which revision answers in place of which; None: no rescue."""
    edited_by: str | None = field(default=None, compare=False)
    """Who changed the shares since Slipway set them; None: unchanged."""

    def __post_init__(self) -> None:
        """Reject values that no router can have."""
        if not 0 <= self.canary_percent <= 100:  # noqa: PLR2004 - percent
            message = f"canary_percent is {self.canary_percent}; allowed 0 to 100"
            raise ValueError(message)
        if self.canary_percent and self.canary is None:
            message = f"{self.canary_percent} % for a canary that is not named"
            raise ValueError(message)
        if self.canary == self.stable:
            message = f"{self.stable} is named as stable and as canary"
            raise ValueError(message)
        if self.rescue and {self.rescue.of, self.rescue.by} != {self.stable, self.canary}:
            message = (
                f"{self.rescue.by} is to answer for {self.rescue.of}; it can be the stable revision and the canary"
            )
            raise ValueError(message)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` wrote; raise TypeError or ValueError for anything else.

        >>> Traffic.from_document({"stable": "digits-v1"}).stable
        'digits-v1'
        """
        given = dict(document)
        rescue = given.pop("rescue", None)
        return cls(**given, rescue=Rescue(**rescue) if rescue else None)

    @property
    def weights(self) -> dict[str, int]:
        """Percent by revision; they add up to 100.

        >>> Traffic(stable="digits-v1", canary="digits-v2", canary_percent=20).weights
        {'digits-v1': 80, 'digits-v2': 20}
        """
        if self.canary is None:
            return {self.stable: 100}
        return {self.stable: 100 - self.canary_percent, self.canary: self.canary_percent}

    def share_of(self, name: str) -> str:
        """Describe what a revision gets; empty: nothing.

        >>> Traffic(stable="digits-v1", shadow="digits-v2").share_of("digits-v2")
        'a copy of the requests'
        """
        percent = self.weights.get(name, 0)
        said = [f"{percent} % of the requests"] * bool(percent) + ["a copy of the requests"] * (self.shadow == name)
        return " and ".join(said)
