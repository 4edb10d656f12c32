"""The result of a stage: its value for the stages after it, and its line in the release's record."""

import time
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from slipway.domain.release.record import StageName, StageRecord
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import GateFailed

T = TypeVar("T")
BLOCKS = {Outcome.FAIL, Outcome.NO_DATA}
"""A gate without data has not been passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[T]):
    """A stage's value and its record."""

    value: T
    record: StageRecord


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Measures how long a stage takes."""

    name: StageName
    started_at: float
    """Unix seconds."""

    def stage(self, value: T, verdicts: tuple[Verdict, ...] = (), **details: Any) -> Stage[T]:  # noqa: ANN401 - JSON values
        """Return the finished stage."""
        record = StageRecord(
            name=self.name, started_at=self.started_at, ended_at=time.time(), verdicts=verdicts, details=details
        )
        return Stage(value=value, record=record)


def begin_stage(name: StageName) -> Stopwatch:
    """Start the clock of a stage."""
    return Stopwatch(name, time.time())


def require_passed(stage: Stage[T]) -> T:
    """Return the stage's value; raise GateFailed if one of its blocking verdicts fails."""
    for verdict in stage.record.verdicts:
        if verdict.blocking and verdict.outcome in BLOCKS:
            raise GateFailed(
                f"{stage.record.name}: {verdict.title}",
                seen=verdict.reason,
                expected="a gate that passes",
                do=verdict.do or "train a better version, or relax the spec if its limit is too strict",
            )
    return stage.value
