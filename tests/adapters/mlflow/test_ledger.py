"""The ledger: a release as an MLflow run, and back."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from slipway.adapters.mlflow import runs
from slipway.adapters.mlflow.ledger import MlflowLedger
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.release.record import ReleaseRecord, StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Moment, Phase
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import ArtifactBroken, NotFound, RegistryUnavailable

if TYPE_CHECKING:
    from tests.adapters.mlflow.conftest import Said, Server

BEGAN = 1_800_000_000.0
JUDGED = (
    Verdict(
        check=Check.ERRORS,
        outcome=Outcome.PASS,
        reason="canary is not worse than tolerated",
        numbers={"ratio": 0.9, "ratio_low": 0.3, "ratio_high": 1.8, "evidence_against": 0.02, "evidence_for": 31.0},
    ),
    Verdict(check=Check.QUANTILES, outcome=Outcome.NO_DATA, reason="none read", numbers={"alpha": 0.002}),
)


@pytest.fixture
def ledger(server: "Server") -> MlflowLedger:
    """Return the adapter under test."""
    return MlflowLedger(server.uri, 20)


def moment(at: float, phase: Phase, weight_percent: int, **more: Any) -> Moment:  # noqa: ANN401 - a Moment's fields
    """Return one line of a timeline, so many seconds after the release began."""
    return Moment(at=BEGAN + at, phase=phase, weight_percent=weight_percent, reason="a look", **more)


def record(model: str, version: int = 2, **more: Any) -> ReleaseRecord:  # noqa: ANN401 - a ReleaseRecord's fields
    """Return a release that went well."""
    verdict = Verdict(check="quality gate", outcome=Outcome.PASS, reason="better", numbers={"difference": 0.02})
    stages = (StageRecord(name="validate model", started_at=BEGAN, ended_at=BEGAN + 3.5, verdicts=(verdict,)),)
    counted = {"canary": Counters(requests=90, errors=1), "stable": Counters(requests=210, errors=2)}
    fields: dict[str, Any] = {
        "release_id": f"{model}-v{version}-a1",
        "model": model,
        "version": version,
        "digest": "sha256:" + "ab" * 32,
        "state": ReleaseState.PROMOTED,
        "reason": "version 2 serves: 90 requests, 1 error",
        "replaced": version - 1 or None,
        "trigger": "webhook",
        "started_at": BEGAN,
        "ended_at": BEGAN + 60,
        "stages": stages,
        "timeline": (
            moment(10, Phase.SHIFTING, 25, evidence_for=3.5, **counted),
            moment(20, Phase.SHIFTING, 50, evidence_against=0.1),
            moment(30, Phase.BAKING, 100),
            moment(60, Phase.SUCCEEDED, 100),
        ),
        "judged": JUDGED,
        "parameters": {"judge": {"alpha": 0.01}, "rollout": {"steps": [{"weight_percent": 25}]}},
    }
    return ReleaseRecord(**fields | more)


def run_of(server: "Server", run_id: str) -> dict[str, Any]:
    """Return a run as MLflow shows it."""
    run: dict[str, Any] = server.api("GET", "runs/get", params={"run_id": run_id})["run"]
    return run


def artifact(server: "Server", run_id: str, name: str) -> Path:
    """Return where the server keeps a run's file."""
    experiment = run_of(server, run_id)["info"]["experiment_id"]
    return Path(server.artifacts / experiment / run_id / "artifacts" / name)


def test_a_record_comes_back_as_it_was(ledger: MlflowLedger) -> None:
    """Nothing is lost between writing and reading."""
    written = record("same")
    ledger.write(written, None)

    assert ledger.read("same-v2-a1") == written


def test_a_release_is_a_run_that_people_can_read(ledger: MlflowLedger, server: "Server", tmp_path: Path) -> None:
    """Parameters, metrics over time, tags, the report: all where MLflow shows them."""
    report = tmp_path / "digits-v2.html"
    report.write_text("<h1>promoted</h1>")

    run = run_of(server, ledger.write(record("shown"), report))

    info, data = run["info"], run["data"]
    assert (info["run_name"], info["status"], info["end_time"]) == ("shown-v2-a1", "FINISHED", (BEGAN + 60) * 1000)
    params = {item["key"]: item["value"] for item in data["params"]}
    assert params == {"judge.alpha": "0.01", "rollout.steps.0.weight_percent": "25"}
    metrics = {item["key"]: item["value"] for item in data["metrics"]}
    assert metrics["seconds/validate_model"] == 3.5
    assert metrics["validate_model/quality_gate/difference"] == 0.02
    assert metrics["seconds/release"] == 60
    tags = {item["key"]: item["value"] for item in data["tags"]}
    assert tags["slipway.state"] == "promoted"
    assert tags["mlflow.note.content"] == "version 2 serves: 90 requests, 1 error"
    listed = server.api("GET", "artifacts/list", params={"run_id": info["run_id"]})["files"]
    assert [file["path"] for file in listed] == ["release.json", "report.html"]


def test_the_timeline_is_metrics_over_time(ledger: MlflowLedger, server: "Server") -> None:
    """Steps are seconds since the release began."""
    run_id = ledger.write(record("timed"), None)

    request = {"run_id": run_id, "metric_key": "weight_percent"}
    weights = server.api("GET", "metrics/get-history", params=request)["metrics"]

    assert [(one["step"], one["value"]) for one in weights] == [(10, 25.0), (20, 50.0), (30, 100.0), (60, 100.0)]
    assert weights[0]["timestamp"] == (BEGAN + 10) * 1000


def test_what_the_judge_said_last_is_metrics(ledger: MlflowLedger, server: "Server") -> None:
    """One value per metric and number, at the last look: runs can be compared and sorted by them."""
    run_id = ledger.write(record("judged"), None)

    metrics = {item["key"]: item for item in run_of(server, run_id)["data"]["metrics"]}
    found = {key: item["value"] for key, item in metrics.items() if key.startswith("judge/")}
    assert found == {
        "judge/error_rate/ratio": 0.9,
        "judge/error_rate/ratio_low": 0.3,
        "judge/error_rate/ratio_high": 1.8,
        "judge/error_rate/evidence_against": 0.02,
        "judge/error_rate/evidence_for": 31.0,
        "judge/latency_any_quantile/alpha": 0.002,
    }
    assert (metrics["judge/error_rate/ratio"]["step"], metrics["evidence_for"]["step"]) == (60, 60)


def test_a_record_of_the_version_before_is_read(ledger: MlflowLedger, server: "Server") -> None:
    """It knew no verdicts of the judge; everything else is as it was."""
    written = record("older")
    run_id = ledger.write(written, None)
    path = artifact(server, run_id, "release.json")
    kept = json.loads(path.read_text())
    del kept["judged"]
    path.write_text(json.dumps(kept))

    assert ledger.read("older-v2-a1") == replace(written, judged=())


def test_a_release_that_is_written_again_keeps_its_run(ledger: MlflowLedger, server: "Server") -> None:
    """Under way first, over later: tags and status follow, metrics are not doubled."""
    whole = record("again")
    under_way = replace(whole, state=ReleaseState.RELEASING, timeline=whole.timeline[:2], ended_at=BEGAN + 25)
    first = ledger.write(under_way, None)
    status = run_of(server, first)["info"]["status"]

    second, third = ledger.write(whole, None), ledger.write(whole, None)

    assert first == second == third
    assert (status, run_of(server, first)["info"]["status"]) == ("RUNNING", "FINISHED")
    request = {"run_id": first, "metric_key": "evidence_for"}
    assert len(server.api("GET", "metrics/get-history", params=request)["metrics"]) == 4
    assert [entry.state for entry in ledger.read_history("again")] == [ReleaseState.PROMOTED]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ReleaseState.RELEASING, "RUNNING"),
        (ReleaseState.PROMOTED, "FINISHED"),
        (ReleaseState.SUPERSEDED, "KILLED"),
        (ReleaseState.ROLLED_BACK, "FAILED"),
        (ReleaseState.STOPPED, "FAILED"),
    ],
)
def test_the_runs_status_follows_the_releases_state(
    ledger: MlflowLedger, server: "Server", state: ReleaseState, status: str
) -> None:
    """A rolled back release is a failed run, a superseded one a killed run."""
    run_id = ledger.write(record(f"state-{state.value}", state=state, timeline=(), stages=()), None)

    assert run_of(server, run_id)["info"]["status"] == status


def test_long_timelines_and_long_values_fit(ledger: MlflowLedger, server: "Server") -> None:
    """400 moments, 150 parameters, texts over MLflow's limits, numbers that JSON does not have."""
    looks = tuple(moment(i, Phase.SHIFTING, 5, evidence_against=math.inf, evidence_for=math.nan) for i in range(400))
    details = {"table": np.arange(3), "p50": np.float64(1.5), "path": Path("store/x"), "worst": math.inf}
    stage = StageRecord(name="optimize", started_at=BEGAN, ended_at=BEGAN + 1, details=details)
    long = record(
        "long",
        timeline=looks,
        stages=(stage,),
        reason="worse: " * 3000,
        parameters={f"key {i} #{i}": "v" * 7000 for i in range(150)},
        state=ReleaseState.ROLLED_BACK,
    )

    run = run_of(server, ledger.write(long, None))

    assert len(run["data"]["params"]) == 150
    assert max(len(item["value"]) for item in run["data"]["params"]) == 6000
    assert {item["key"]: item["value"] for item in run["data"]["metrics"]}["evidence_against"] > 1e308
    assert ledger.read("long-v2-a1").timeline[0].evidence_against == math.inf
    assert ledger.read("long-v2-a1").stages[0].details == {
        "table": [0, 1, 2],
        "p50": 1.5,
        "path": "store/x",
        "worst": "Infinity",
    }
    assert ledger.read_history("long")[0].reason.startswith("worse: worse: ")


def test_a_record_that_json_can_not_say_is_refused() -> None:
    """Better no record than one that can't be read again."""
    with pytest.raises(TypeError, match="holds object"):
        runs.convert_to_plain(object())


def test_the_history_says_who_served_when(ledger: MlflowLedger) -> None:
    """Three releases: promoted, rolled back, promoted over the first."""
    promoted = (moment(10, Phase.BAKING, 100),)
    ledger.write(record("story", 1, timeline=promoted), None)
    ledger.write(
        record("story", 2, state=ReleaseState.ROLLED_BACK, timeline=(), started_at=BEGAN + 100, ended_at=BEGAN + 110),
        None,
    )
    later = (moment(210, Phase.BAKING, 100),)
    ledger.write(record("story", 3, timeline=later, started_at=BEGAN + 200, ended_at=BEGAN + 220, replaced=1), None)

    lines = ledger.read_history("story")

    assert [(one.version, one.state.value, one.served_from, one.served_until) for one in lines] == [
        (1, "promoted", BEGAN + 10, BEGAN + 210),
        (2, "rolled-back", None, None),
        (3, "promoted", BEGAN + 210, None),
    ]
    assert lines[0].run_id
    assert lines[2].replaced == 1


def test_a_model_without_releases_has_an_empty_history(ledger: MlflowLedger) -> None:
    """It is no error: nothing happened yet."""
    assert ledger.read_history("never-released") == []


@pytest.mark.parametrize("release_id", ["digits-v9-a9", "it's"])
def test_an_unknown_release_is_not_found(ledger: MlflowLedger, release_id: str) -> None:
    """The message says how to list those that exist."""
    ledger.write(record("known"), None)

    with pytest.raises(NotFound, match=f"release {release_id}: no run with this tag.*slipway history"):
        ledger.read(release_id)


def test_a_deleted_experiment_is_restored(ledger: MlflowLedger, server: "Server") -> None:
    """Somebody tidied up in MLflow's UI; the next release brings the history back."""
    ledger.write(record("tidied", 1), None)
    experiment = server.api("GET", "experiments/get-by-name", params={"experiment_name": "slipway/tidied"})[
        "experiment"
    ]
    server.api("POST", "experiments/delete", json={"experiment_id": experiment["experiment_id"]})

    ledger.write(record("tidied", 2), None)

    assert [entry.version for entry in ledger.read_history("tidied")][-1] == 2


def _damage_record(server: "Server", run_id: str) -> None:
    artifact(server, run_id, "release.json").write_text('{"model": 3}')


def _lose_record(server: "Server", run_id: str) -> None:
    artifact(server, run_id, "release.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [(_damage_record, "release.json of MLflow run"), (_lose_record, "artifact release.json: status 404")],
)
def test_a_damaged_or_lost_record_is_said(
    ledger: MlflowLedger, server: "Server", damage: Callable[["Server", str], None], message: str
) -> None:
    """By the run that holds it."""
    damage(server, ledger.write(record("damaged"), None))

    with pytest.raises(ArtifactBroken, match=message):
        ledger.read("damaged-v2-a1")


def test_an_edited_tag_is_said(ledger: MlflowLedger, server: "Server") -> None:
    """Nothing unreadable becomes a line of history; a run of somebody else is passed over."""
    run_id = ledger.write(record("edited"), None)
    experiment = run_of(server, run_id)["info"]["experiment_id"]
    server.api("POST", "runs/create", json={"experiment_id": experiment})
    before = ledger.read_history("edited")
    server.api("POST", "runs/set-tag", json={"run_id": run_id, "key": "slipway.entry", "value": "{}"})

    with pytest.raises(ArtifactBroken, match=f"tag slipway.entry of MLflow run {run_id}: model: Field required"):
        ledger.read_history("edited")

    assert len(before) == 1


def test_a_report_that_is_gone_is_said(ledger: MlflowLedger, tmp_path: Path) -> None:
    """The name of the file, not where this machine keeps it."""
    with pytest.raises(ArtifactBroken, match=r"report gone.html: No such file") as caught:
        ledger.write(record("reported"), tmp_path / "gone.html")

    assert str(tmp_path) not in str(caught.value)


def test_records_lie_where_the_server_says(strict_server: "Server", tmp_path: Path) -> None:
    """A server that does not hand artifacts out: written and read as files."""
    report = tmp_path / "page.html"
    report.write_text("<h1>promoted</h1>")
    ledger = MlflowLedger(strict_server.uri, 20)

    ledger.write(record("filed"), report)

    assert ledger.read("filed-v2-a1") == record("filed")
    assert len(list(strict_server.artifacts.rglob("report.html"))) == 1


def test_a_ledger_that_is_down_is_said(nobody: str, other_service: "Said") -> None:
    """As for the registry."""
    other_service.status = 503

    with pytest.raises(RegistryUnavailable, match="refused"):
        MlflowLedger(nobody, 5).write(record("down"), None)
    with pytest.raises(RegistryUnavailable, match="status 503"):
        MlflowLedger(other_service.uri, 5).read("down-v2-a1")
