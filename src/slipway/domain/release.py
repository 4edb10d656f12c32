"""What a release leaves behind: the record that history and reports are made of."""

from dataclasses import dataclass, field
from typing import Any

from slipway.domain.model import ReleaseState
from slipway.domain.status import Moment
from slipway.domain.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """One stage of a release as it went: for the report and the lead time."""

    name: str
    """`fetch`, `check contract`, `validate data`, `validate model`, `convert`, `optimize`, `package`, `rehearse`,
    `roll out`."""
    started_at: float
    """Unix seconds."""
    ended_at: float
    """Unix seconds."""
    verdicts: tuple[Verdict, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    """JSON values for the report: the optimizer's table, latencies, digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """One release, whole: what was decided, why, and from which numbers."""

    release_id: str
    model: str
    version: int
    digest: str
    """Of the artifact; empty where it could not be fetched."""
    state: ReleaseState
    reason: str
    """The decision in one sentence."""
    replaced: int | None
    """The champion when the release began."""
    trigger: str
    """`webhook`, `schedule`, `command line`, `prefect ui`."""
    started_at: float
    ended_at: float
    stages: tuple[StageRecord, ...] = ()
    timeline: tuple[Moment, ...] = ()
    judged: tuple[Verdict, ...] = ()
    """What the judge's last look said, metric by metric; empty: it looked at nothing."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The spec, flattened to JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One line of `slipway history`: what happened to a version, when, and why."""

    model: str
    version: int
    release_id: str
    state: ReleaseState
    reason: str
    started_at: float
    ended_at: float
    replaced: int | None
    run_id: str
    """The registry's run that holds the record."""
    served_from: float | None = None
    """When it got all traffic; None: never."""
    served_until: float | None = None
    """When another version got all traffic; None: it still serves, or never did."""
