"""Results of the client's requests: counted while they run, stored as one JSON file."""

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

FINDINGS = 20
"""Requests stored with their details: enough to see what went wrong."""


class Ending(StrEnum):
    """How one request ended."""

    ANSWERED = "answered"
    """The right answer of the version that gave it."""
    WRONG = "wrong"
    """An answer that the version's original model does not give."""
    FAILED = "failed"
    """A server error that a model wrote: a bad answer."""
    LOST = "lost"
    """No model answered: no connection, a timeout, or an error of the router's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One request that failed."""

    request: int
    ending: Ending
    version: int | None
    """The version that answered; None: none did."""
    detail: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts since the client began."""

    sent: int = 0
    answered: int = 0
    wrong: int = 0
    lost: int = 0
    failed: Counter[int] = field(default_factory=Counter)
    """By the version that failed, and whose answer the client got."""
    rescued: Counter[int] = field(default_factory=Counter)
    """By the version that was tried and could not answer, so that another one did."""
    answered_by: Counter[int] = field(default_factory=Counter)
    """Right answers, by version."""
    findings: list[Finding] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    """From sending to the whole answer, of every request that a model answered."""

    def note(self, request: int, ending: Ending, version: int | None, detail: str = "") -> None:
        """Count how a request ended."""
        match ending:
            case Ending.ANSWERED:
                self.answered += 1
                self.answered_by[version or 0] += 1
            case Ending.WRONG:
                self.wrong += 1
            case Ending.FAILED:
                self.failed[version or 0] += 1
            case Ending.LOST:
                self.lost += 1
        if ending is not Ending.ANSWERED and self._worth_keeping(ending):
            self.findings.append(Finding(request=request, ending=ending, version=version, detail=detail))

    def _worth_keeping(self, ending: Ending) -> bool:
        return sum(finding.ending is ending for finding in self.findings) < FINDINGS

    def counts(self) -> "Counts":
        """Return the counts as they are now."""
        ordered = sorted(self.milliseconds)
        return Counts(
            sent=self.sent,
            answered=self.answered,
            wrong=self.wrong,
            lost=self.lost,
            failed=dict(sorted(self.failed.items())),
            rescued=dict(sorted(self.rescued.items())),
            answered_by=dict(sorted(self.answered_by.items())),
            p50_milliseconds=percentile(ordered, 0.5),
            p99_milliseconds=percentile(ordered, 0.99),
            findings=tuple(self.findings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A tally at one moment."""

    sent: int = 0
    answered: int = 0
    """Right answers."""
    wrong: int = 0
    lost: int = 0
    failed: dict[int, int] = field(default_factory=dict)
    """By the version that failed, and whose answer the client got."""
    rescued: dict[int, int] = field(default_factory=dict)
    """By the version that was tried and could not answer, so that another one did; these are counted in the others
    too."""
    answered_by: dict[int, int] = field(default_factory=dict)
    """Right answers, by version."""
    p50_milliseconds: float | None = None
    p99_milliseconds: float | None = None
    findings: tuple[Finding, ...] = ()
    finished: bool = False
    """Every request that was sent has ended, and no more will be sent."""
    cpu_seconds: float = 0.0
    """What the client itself has cost."""


def percentile(ordered: list[float], share: float) -> float | None:
    """Return the value that `share` of the sorted values do not exceed (nearest rank); None if there are none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def write(counts: Counts, path: Path) -> None:
    """Write counts atomically: a reader sees the old ones or the new ones."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(asdict(counts)), encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> Counts:
    """Return the counts that were written last; zeros if none were written yet."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Counts()
    findings = tuple(Finding(**(one | {"ending": Ending(one["ending"])})) for one in raw.pop("findings"))
    by_version = {name: _by_version(raw.pop(name)) for name in ("failed", "rescued", "answered_by")}
    return Counts(**raw, findings=findings, **by_version)


def _by_version(raw: dict[str, int]) -> dict[int, int]:
    return {int(version): count for version, count in raw.items()}
