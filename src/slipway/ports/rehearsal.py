"""Trying a package as a real process, before any traffic."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slipway.domain.revision import Package
from slipway.domain.spec import RehearsalSpec


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


class Rehearsal(Protocol):
    """Runs a package for a moment."""

    def rehearse(self, package: Package, rows: Path, columns: tuple[str, ...], spec: RehearsalSpec) -> Rehearsed:
        """Start it, send the rows one by one over HTTP, stop it. Raises RevisionFailed; leaves nothing running."""
        ...
