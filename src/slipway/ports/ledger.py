"""The record of releases: the registry's own runs, no database of ours."""

from pathlib import Path
from typing import Protocol

from slipway.domain.release.record import HistoryEntry, ReleaseRecord


class ReleaseLedger(Protocol):
    """One run per release: parameters, metrics over time, evidence, report."""

    def write(self, record: ReleaseRecord, report: Path | None) -> str:
        """Write the record (again: the same release_id keeps its run) and return the run's id."""
        ...

    def read(self, release_id: str) -> ReleaseRecord:
        """Return one record; raise NotFound."""
        ...

    def read_history(self, model: str) -> list[HistoryEntry]:
        """Return what happened to a model's versions, oldest first, with when each served."""
        ...
