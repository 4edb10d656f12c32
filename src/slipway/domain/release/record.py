"""The record of a release: the source of history and reports."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from slipway.domain.release.version import ModelVersion, ReleaseState
from slipway.domain.rollout.status import Moment
from slipway.domain.verdict import Verdict


class StageName(StrEnum):
    """The stages of a release, in order; also their keys in records."""

    FETCH = "fetch"
    CHECK_CONTRACT = "check contract"
    VALIDATE_DATA = "validate data"
    VALIDATE_MODEL = "validate model"
    CONVERT = "convert"
    OPTIMIZE = "optimize"
    PACKAGE = "package"
    REHEARSE = "rehearse"
    ROLL_OUT = "roll out"


def make_release_id(model: str, version: int, attempt: int) -> str:
    """Return the id of a release.

    >>> make_release_id("digits", 7, 1)
    'digits-v7-a1'
    """
    return f"{model}-v{version}-a{attempt}"


def make_idempotency_key(version: ModelVersion, attempt: int) -> str:
    """Return the key under which the orchestrator starts a release at most once: model, version, digest, attempt."""
    return f"{make_release_id(version.model, version.version, attempt)}-{version.identity[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """The result of one stage of a release: for the report and the lead time."""

    name: str
    """A `StageName`; records of other versions of Slipway may have others."""
    started_at: float
    """Unix seconds."""
    ended_at: float
    """Unix seconds."""
    verdicts: tuple[Verdict, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    """JSON values for the report: the optimizer's table, latencies, digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """One complete release: the decision, its reason, and the numbers behind it."""

    release_id: str
    model: str
    version: int
    digest: str
    """Of the artifact; empty if it could not be fetched."""
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
    """The verdicts of the judge's last look, metric by metric; empty: there was no look."""
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
