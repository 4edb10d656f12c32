"""Trying a package as a real process, before any traffic."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slipway.domain.gates.contract.recorded import RecordedSample
from slipway.domain.gates.contract.replay import ReplayResult
from slipway.domain.release.version import Signature
from slipway.domain.rollout.revision import Package
from slipway.domain.spec.release import RehearsalSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the champion's clients rely on: its package, and the signature that their requests are made from."""

    package: Package
    signature: Signature
    columns: tuple[str, ...]
    """Of the rows file, those that go into the champion."""
    recorded: RecordedSample = field(default_factory=RecordedSample)
    """What its clients sent lately, as far as it was recorded; no part of what is promised."""

    @property
    def digest(self) -> str:
        """Its content, for caches."""
        return f"{self.package.digest} {self.signature!r} {self.columns!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What the packaged service answered, and at what price."""

    predictions: NDArray[np.generic]
    """One per request, in the order of the rows; shape (requests,) or (requests, outputs)."""
    latencies_milliseconds: NDArray[np.float64]
    """Per request, shape (requests,)."""
    memory_mebibytes: float
    """Peak resident memory of all its processes."""
    ready_seconds: float
    """From start to ready."""
    replayed: ReplayResult | None = None
    """What the champion and it made of the same requests; None: there is no champion."""


class Rehearsal(Protocol):
    """Runs a package for a moment."""

    def rehearse(
        self,
        package: Package,
        rows: Path,
        columns: tuple[str, ...],
        spec: RehearsalSpec,
        promise: Promise | None = None,
    ) -> Rehearsed:
        """Start it, send the rows one by one over HTTP, stop it. Raises RevisionFailed; leaves nothing running.

        With a promise the champion is started beside it afterwards, and both are sent requests of the champion's
        clients, over every protocol, and those that were recorded.
        """
        ...
