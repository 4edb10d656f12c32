"""The view: what people see at each turn of the story, as text."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from demo import view
from demo.screen import LineScreen, LiveScreen, news, screen_for
from demo.stages import RunSeen, StageSeen, seen
from demo.tally import Counts
from demo.watch import Line, Note, Seen
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.statistics.counts import CountEvidence
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.status import Moment, Phase, RolloutStatus

WIDTH = 110


def revision(version: int) -> Revision:
    """Return a revision of digits."""
    package = Package(
        model="digits",
        version=version,
        path=Path("package"),
        digest="sha256:0",
        tag=f"digits:v{version}",
        runtime="onnx",
    )
    return Revision(name=f"digits-v{version}", model="digits", version=version, package=package)


def rollout(phase: Phase, *, step: int = 0, weight: int = 0) -> RolloutStatus:
    """Return version 2 on its way to replace version 1."""
    errors = CountEvidence(canary=Counters(requests=200, errors=3), stable=Counters(requests=1800, errors=0))
    return RolloutStatus(
        model="digits",
        version=2,
        release_id="digits-v2-a1",
        phase=phase,
        stable=revision(1),
        canary=revision(2),
        step=step,
        weight_percent=weight,
        started_at=0.0,
        entered_at=0.0,
        heartbeat_at=0.0,
        reason="not enough evidence yet either way; errors: 3 of 200 against 0 of 1,800",
        evidence=Evidence(rates={Check.ERRORS: errors}),
        evidence_against=7.4,
        timeline=(Moment(at=0.0, phase=Phase.SHIFTING, weight_percent=10, reason=""),),
    )


@pytest.fixture
def under_way() -> Seen:
    """Return the second step of version 2's canary."""
    return Seen(
        addresses={"MLflow": "http://127.0.0.1:5500"},
        lines=(
            Line(version=1, title="a first try", accuracy=0.93, state=ReleaseState.PROMOTED),
            Line(version=2, title="a better one", accuracy=0.98),
            Line(version=3, title="another", accuracy=0.98),
        ),
        releasing=2,
        status=rollout(Phase.SHIFTING, step=1, weight=25),
        run=RunSeen(
            run_id="1",
            state="RUNNING",
            stages=(
                StageSeen(name="fetch", state="COMPLETED", seconds=0.42),
                StageSeen(name="convert", state="RUNNING", seconds=1.0),
            ),
        ),
        weights={"digits-v1": 75, "digits-v2": 25},
        counts=Counts(
            sent=1234, answered=1230, failed={2: 4}, rescued={3: 5}, p50_milliseconds=4.2, p99_milliseconds=19.0
        ),
        notes=(Note(seconds=61.0, text="version 1 promoted: it is ready"),),
        steps=(10, 25, 50),
    )


def text(shown: object) -> str:
    """Return what a terminal of 110 columns shows."""
    console = Console(file=io.StringIO(), width=WIDTH, record=True, force_terminal=True)
    console.print(shown)
    return console.export_text()


def test_a_canary_under_way_shows_its_share_its_evidence_and_the_clients_counts(under_way: Seen) -> None:
    """Everything that a person wants to know at that moment is on one screen."""
    shown = text(view.screen(under_way))

    for said in (
        "http://127.0.0.1:5500",
        "75 %",
        "25 %",
        "93.0%",
        "shifting",
        "waits",
        "✓ fetch 0.4",
        "▸ convert",
        "· package",
        "✓ 10 % → ▸ 25 % → · 50 %",
        "7.4 of 100",
        "canary 3 of 200",
        "stable 0 of 1,800",
        "not enough evidence yet either way; errors: 3 of 200 against 0 of 1,800",
        "sent 1,234",
        "failed by 2 4",
        "answered for 3 5",
        "lost 0",
        "4 / 19 ms",
        "1:01 version 1 promoted",
    ):
        assert said in shown
    assert max(len(line) for line in shown.splitlines()) <= WIDTH


@pytest.mark.parametrize(
    ("phase", "step", "way"),
    [
        (Phase.STARTING, 0, "▸ start → · shadow"),
        (Phase.SHADOW, 0, "✓ start → ▸ shadow → · 10 %"),
        (Phase.SHIFTING, 2, "✓ 25 % → ▸ 50 % → · 100 %"),
        (Phase.PROMOTING, 2, "✓ 50 % → ▸ 100 %"),
        (Phase.BAKING, 2, "✓ 50 % → ✓ 100 %"),
        (Phase.ROLLED_BACK, 1, "✓ 10 % → ✗ 25 % → · 50 % → · 100 %   ↩ taken back"),
    ],
)
def test_the_way_through_the_traffic_marks_the_present_place(phase: Phase, step: int, way: str) -> None:
    """What is behind is ticked, what failed is crossed, what lies ahead is dotted."""
    shown = view.path(rollout(phase, step=step), (10, 25, 50), shadow=True)

    assert way in shown.plain


def test_a_first_release_has_no_canary_steps() -> None:
    """There is nothing to compare with: start, then everything."""
    shown = view.path(replace(rollout(Phase.STARTING), stable=None), (10, 25, 50), shadow=True)

    assert shown.plain.endswith("▸ start → · 100 %")


def test_lines_tell_only_what_is_new(under_way: Seen) -> None:
    """Without a terminal every change is one line, and nothing is said twice."""
    first = news(Seen(), under_way)
    later = replace(under_way, notes=(*under_way.notes, Note(seconds=70.0, text="version 2 promoted")))

    assert first == [
        "MLflow: http://127.0.0.1:5500",
        "version 2: fetch completed after 0.4 s",
        "version 1 promoted: it is ready",
    ]
    assert news(under_way, later) == ["version 2 promoted"]
    assert news(later, later) == []


def test_a_terminal_gets_the_live_picture_and_a_file_gets_lines(under_way: Seen) -> None:
    """Which one follows from where the output goes."""
    terminal = Console(file=io.StringIO(), width=WIDTH, height=50, force_terminal=True)
    file = io.StringIO()
    live, lines = screen_for(terminal), screen_for(Console(file=file, width=WIDTH))

    with live, lines:
        live.show(under_way)
        lines.show(under_way)

    assert isinstance(live, LiveScreen)
    assert isinstance(lines, LineScreen)
    assert "version 1 promoted: it is ready" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_prefects_task_runs_become_stages_in_the_order_of_their_start() -> None:
    """Prefect's suffix is left out; a task that has not begun is not there yet."""
    run = {"id": "1", "state_type": "FAILED", "state": {"message": "no"}}
    tasks = [
        {"name": "validate data-1f3", "state_type": "RUNNING", "start_time": "2026-01-01T00:00:02+00:00"},
        {
            "name": "fetch-0ab",
            "state_type": "COMPLETED",
            "start_time": "2026-01-01T00:00:01+00:00",
            "end_time": "2026-01-01T00:00:02.500000+00:00",
        },
        {"name": "convert-0ab", "state_type": "PENDING", "start_time": None},
    ]

    found = seen(run, tasks)

    assert [stage.name for stage in found.stages] == ["fetch", "validate data"]
    assert found.stages[0].seconds == pytest.approx(1.5)
    assert found.broken
    assert found.message == "no"
