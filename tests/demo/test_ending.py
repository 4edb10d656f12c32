"""The verdict on the story: exit code 0 only when everything went as told."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from demo.ending import TOLD, Ending, Released
from demo.lead_time import LeadTime
from demo.tally import Counts
from slipway.domain.judge.counters import Counters
from slipway.domain.release.record import HistoryEntry, ReleaseRecord, StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Moment, Phase
from slipway.domain.verdict import Outcome, Verdict

REASON = "canary fails where stable never does; chance of that for an equal model below 1 in 100; 9 of 266 against 0"


def released(version: int, **changes: Any) -> Released:  # noqa: ANN401 - any field of the record
    """Return a release as told, but for the changes."""
    quality = Verdict(check="quality", outcome=Outcome.FAIL if version == 4 else Outcome.PASS, reason="")
    record = ReleaseRecord(
        release_id=f"digits-v{version}-a1",
        model="digits",
        version=version,
        digest="",
        state=TOLD[version],
        reason=REASON,
        replaced=None,
        trigger="webhook",
        started_at=1.0,
        ended_at=2.0,
        stages=(StageRecord(name="validate model", started_at=1.0, ended_at=2.0, verdicts=(quality,)),),
        timeline=(
            Moment(
                at=1.5,
                phase=Phase.SHIFTING,
                weight_percent=10,
                reason="",
                canary=Counters(requests=266, errors=9 if version == 3 else 0),
            ),
        ),
    )
    lead = LeadTime(total=2.0, evidence=0.5, stages={"trigger": 1.0})
    return Released(record=replace(record, **changes), lead_time=lead, report="report.html")


def entry(version: int, *, until: float | None) -> HistoryEntry:
    """Return a version that served."""
    return HistoryEntry(
        model="digits",
        version=version,
        release_id=f"digits-v{version}-a1",
        state=ReleaseState.PROMOTED,
        reason="",
        started_at=1.0,
        ended_at=2.0,
        replaced=None,
        run_id="",
        served_from=2.0,
        served_until=until,
    )


@pytest.fixture
def as_told() -> Ending:
    """Return the story as it is told."""
    return Ending(
        releases=tuple(released(version) for version in TOLD),
        history=(entry(1, until=3.0), entry(2, until=None)),
        counts=Counts(sent=110, answered=110, rescued={3: 9}, answered_by={1: 50, 2: 60}, finished=True),
        began_at=0.0,
        stack_seconds=1.0,
        seconds=10.0,
    )


def test_a_story_that_went_as_told_has_no_problems_and_a_summary_in_json(as_told: Ending) -> None:
    """Scripts read the summary: it must be plain JSON."""
    summary = json.loads(json.dumps(as_told.summary()))

    assert as_told.problems == []
    assert summary["as_told"] is True
    assert summary["requests"]["lost"] == 0
    assert [one["overhead_seconds"] for one in summary["releases"]] == [1.5] * 4


def with_release(version: int, **changes: Any) -> Callable[[Ending], Ending]:  # noqa: ANN401 - any field
    """Return a change of one release."""
    return lambda story: replace(
        story,
        releases=tuple(
            released(version, **changes) if one.record.version == version else one for one in story.releases
        ),
    )


def with_counts(**changes: Any) -> Callable[[Ending], Ending]:  # noqa: ANN401 - any count
    """Return a change of what the client saw."""
    return lambda story: replace(story, counts=replace(story.counts, **changes))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (with_counts(lost=1, answered=109), "1 requests were lost"),
        (with_counts(wrong=2, answered=108), "2 answers were wrong"),
        (with_counts(failed={3: 1}, answered=109), "the client saw 1 failures of version 3"),
        (with_counts(rescued={3: 9, 2: 1}), "version 2 had to be answered for 1 times"),
        (
            with_counts(rescued={3: 8}),
            "version 3 failed 9 requests by the router's count, and another version answered 8",
        ),
        (with_counts(answered=109), "of 110 requests only 109"),
        (with_counts(finished=False), "of 110 requests only 110"),
        (with_counts(sent=0, answered=0, failed={}), "the client sent nothing"),
        (with_release(2, state=ReleaseState.ROLLED_BACK), "version 2 was to be promoted, and is rolled-back"),
        (with_release(2, trigger="command line"), "version 2 was released by 'command line'"),
        (
            lambda story: replace(story, releases=tuple(released(version, trigger="schedule") for version in TOLD)),
            "no version was released by the webhook",
        ),
        (with_release(3, timeline=()), "version 3 was to be taken back after it had live requests"),
        (with_release(3, reason="it looked bad"), "version 3 was to be taken back with numbers"),
        (with_release(4, stages=()), "version 4 was to be stopped by the quality gate"),
        (lambda story: replace(story, releases=story.releases[:3]), "version 4 was to be stopped, and is not decided"),
        (lambda story: replace(story, history=story.history[:1]), "version 2 was to serve in the end"),
    ],
)
def test_whatever_differs_from_the_story_is_said(
    as_told: Ending, change: Callable[[Ending], Ending], problem: str
) -> None:
    """One sentence each, with what was to be and what is."""
    problems = change(as_told).problems

    assert any(problem in said for said in problems), problems


def test_on_a_busy_machine_the_schedule_may_be_first(as_told: Ending) -> None:
    """It finds a version whose webhook is late; that is what it is for."""
    assert with_release(4, trigger="schedule")(as_told).problems == []
