"""The result of the story: the outcome of every version, the client's counts, and whether they are as expected."""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from demo.lead_time import LeadTime
from demo.tally import Counts
from slipway.domain.judge.checks import Check
from slipway.domain.release.record import HistoryEntry, ReleaseRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Phase
from slipway.domain.verdict import Outcome

TOLD = {
    1: ReleaseState.PROMOTED,
    2: ReleaseState.PROMOTED,
    3: ReleaseState.ROLLED_BACK,
    4: ReleaseState.STOPPED,
}
"""The expected outcome of each version."""
FAILS_LIVE = 3
"""The only version that may fail, because live requests contain rows that no gate has seen; then its predecessor
answers."""
SERVES_LAST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One release of the story."""

    record: ReleaseRecord
    lead_time: LeadTime
    report: str
    """Path of its page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The whole story."""

    releases: tuple[Released, ...]
    history: tuple[HistoryEntry, ...]
    counts: Counts
    began_at: float
    """Unix seconds."""
    stack_seconds: float
    """Until everything answered."""
    seconds: float
    """From the beginning to the last decision, without teardown."""

    @property
    def problems(self) -> list[str]:
        """Return what was not as expected, one sentence each; empty: everything was."""
        return [*_releases(self.releases), *_client(self.counts), *_rescues(self), *_history(self.history)]

    def summary(self) -> dict[str, Any]:
        """Return it as JSON values, for scripts."""
        return {
            "as_told": not self.problems,
            "problems": self.problems,
            "began_at": self.began_at,
            "stack_seconds": self.stack_seconds,
            "seconds": self.seconds,
            "requests": asdict(self.counts),
            "releases": [_release(one) for one in self.releases],
        }


def _release(one: Released) -> dict[str, Any]:
    record, lead = one.record, one.lead_time
    return {
        "version": record.version,
        "release_id": record.release_id,
        "state": record.state.value,
        "reason": record.reason,
        "counted_errors": _counted_errors(record),
        "trigger": record.trigger,
        "lead_time_seconds": lead.total,
        "evidence_seconds": lead.evidence,
        "overhead_seconds": lead.overhead,
        "stages": lead.stages,
        "report": one.report,
    }


def _releases(releases: tuple[Released, ...]) -> list[str]:
    records = {one.record.version: one.record for one in releases}
    problems = [
        f"version {version} was to be {told}, and is {records[version].state if version in records else 'not decided'}"
        for version, told in TOLD.items()
        if version not in records or records[version].state is not told
    ]
    problems += _check_triggers(records.values())
    if (third := records.get(FAILS_LIVE)) is not None:
        problems += _third(third)
    if (fourth := records.get(4)) is not None and not _failed_quality(fourth):
        problems.append(f"version 4 was to be stopped by the quality gate; the reason was: {fourth.reason}")
    return problems


def _check_triggers(records: Collection[ReleaseRecord]) -> list[str]:
    """Check what started the releases: the webhook, or the schedule where the webhook is late on a busy machine."""
    problems = [
        f"version {record.version} was released by {record.trigger!r}, not by the webhook"
        for record in records
        if record.trigger not in {"webhook", "schedule"}
    ]
    if records and all(record.trigger != "webhook" for record in records):
        problems.append("no version was released by the webhook")
    return problems


def _third(record: ReleaseRecord) -> list[str]:
    problems = []
    if not any(at.phase is Phase.SHIFTING and at.weight_percent > 0 for at in record.timeline):
        problems.append("version 3 was to be taken back after it had live requests, and had none")
    if not re.search(r"\d+ of \d+", record.reason):
        problems.append(f"version 3 was to be taken back with numbers; the reason was: {record.reason}")
    return problems


def _counted_errors(record: ReleaseRecord) -> int:
    """Return how many requests the version failed by the router's own count, up to the judge's last look."""
    return max((at.canary.errors for at in record.timeline), default=0)


def _rescues(story: Ending) -> list[str]:
    """Compare the rescues that the client saw with the judge's counts: every failure must be in both."""
    problems = [
        f"version {version} had to be answered for {number:,} times; only version {FAILS_LIVE} was to fail"
        for version, number in story.counts.rescued.items()
        if version != FAILS_LIVE
    ]
    third = next((one.record for one in story.releases if one.record.version == FAILS_LIVE), None)
    answered_for = story.counts.rescued.get(FAILS_LIVE, 0)
    if third is not None and answered_for < max(1, _counted_errors(third)):
        problems.append(
            f"version {FAILS_LIVE} failed {_counted_errors(third):,} requests by the router's count, "
            f"and another version answered {answered_for:,} of them"
        )
    return problems


def _failed_quality(record: ReleaseRecord) -> bool:
    return any(
        verdict.check == Check.QUALITY and verdict.outcome is Outcome.FAIL
        for stage in record.stages
        for verdict in stage.verdicts
    )


def _client(counts: Counts) -> list[str]:
    problems = []
    if counts.sent == 0:
        problems.append("the client sent nothing")
    if counts.lost:
        problems.append(f"{counts.lost:,} requests were lost")
    if counts.wrong:
        problems.append(f"{counts.wrong:,} answers were wrong")
    problems += [
        f"the client saw {number:,} failures of version {version}; it was to see none"
        for version, number in counts.failed.items()
    ]
    told = counts.answered + counts.wrong + counts.lost + sum(counts.failed.values())
    if not counts.finished or told != counts.sent:
        problems.append(f"of {counts.sent:,} requests only {told:,} were counted to their end")
    return problems


def _history(history: tuple[HistoryEntry, ...]) -> list[str]:
    serving = [entry.version for entry in history if entry.served_from is not None and entry.served_until is None]
    if serving != [SERVES_LAST]:
        return [f"version {SERVES_LAST} was to serve in the end; by the history: {serving or 'none'}"]
    return []
