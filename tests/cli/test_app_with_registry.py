"""Commands that talk to a real MLflow server: history, report, webhooks, first specs."""

import json
import time
from pathlib import Path

import httpx
import pytest
import typer

from slipway.adapters.mlflow.ledger import MlflowLedger
from slipway.cli import following
from slipway.cli.exit_codes import ExitCode
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.release.version import ReleaseState
from tests.cli.conftest import Run

SECRET = "hush"  # noqa: S105 - no secret: it must not be shown


def record(version: int, state: ReleaseState, reason: str) -> ReleaseRecord:
    """Return a release that took ten seconds."""
    began = time.time() - 100 + 20 * version
    return ReleaseRecord(
        release_id=f"kept-v{version}-a1",
        model="kept",
        version=version,
        digest="sha256:00",
        state=state,
        reason=reason,
        replaced=version - 1 or None,
        trigger="command line",
        started_at=began,
        ended_at=began + 10,
    )


@pytest.fixture(scope="module")
def kept(mlflow: str) -> str:
    """Keep the records of two releases in MLflow; return its address."""
    ledger = MlflowLedger(mlflow, 30)
    ledger.write(record(1, ReleaseState.PROMOTED, "the first release"), None)
    ledger.write(record(2, ReleaseState.ROLLED_BACK, "canary fails 14x as often"), None)
    return mlflow


def test_history_tells_what_served_and_why(slipway: Run, kept: str) -> None:
    """One line per release, for people."""
    answer = slipway("history", "kept", mlflow_uri=kept)

    header, first, second = answer.stdout.splitlines()
    assert header.split("  ")[0] == "version"
    assert first.startswith("1        promoted")
    assert " now " in first
    assert "never" in second
    assert second.endswith("canary fails 14x as often")


def test_history_is_json_for_scripts(slipway: Run, kept: str) -> None:
    """The entries as they are kept."""
    entries = json.loads(slipway("history", "kept", "--json", mlflow_uri=kept).stdout)

    assert [(entry["version"], entry["state"]) for entry in entries] == [(1, "promoted"), (2, "rolled-back")]


def test_a_missing_report_is_written_from_the_record(slipway: Run, kept: str, tmp_path: Path) -> None:
    """The page lies below HOME/reports/MODEL."""
    answer = slipway("report", "kept", "1", mlflow_uri=kept)

    path = tmp_path / ".slipway" / "reports" / "kept" / "kept-v1-a1.html"
    assert answer.stdout == f"{path}\n"
    assert "the first release" in path.read_text(encoding="utf-8")


def test_the_report_of_an_unreleased_version_is_not_found(slipway: Run, kept: str) -> None:
    """Those that were released are listed."""
    answer = slipway("report", "kept", "9", mlflow_uri=kept)

    assert answer.returncode == ExitCode.NOT_FOUND
    assert "one of versions 1, 2" in answer.stderr


def test_releasing_an_unknown_model_is_not_found(slipway: Run, mlflow: str) -> None:
    """Nothing is started."""
    answer = slipway("release", "nobody", mlflow_uri=mlflow)

    assert answer.returncode == ExitCode.NOT_FOUND


def test_a_webhook_is_registered_tested_and_removed(slipway: Run, mlflow: str, receiver: str) -> None:
    """MLflow itself delivers the test."""
    settings = {"mlflow_uri": mlflow, "webhook_secret": SECRET}

    registered = json.loads(slipway("webhook", "register", "--url", f"{receiver}/204", "--json", **settings).stdout)
    tested = slipway("webhook", "test", **settings)
    removed = slipway("webhook", "remove", **settings)
    gone = slipway("webhook", "test", **settings)

    assert (registered["delivered"], registered["status"]) == (True, 204)
    assert tested.returncode == removed.returncode == ExitCode.OK
    assert gone.returncode == ExitCode.NOT_FOUND


def test_a_receiver_that_refuses_is_told(slipway: Run, mlflow: str, receiver: str) -> None:
    """Its status is shown, with what it means."""
    answer = slipway("webhook", "register", "--url", f"{receiver}/401", mlflow_uri=mlflow, webhook_secret=SECRET)
    slipway("webhook", "remove", mlflow_uri=mlflow)

    assert answer.returncode == ExitCode.TRY_AGAIN
    assert "status 401" in answer.stderr
    assert SECRET not in answer.stderr


def test_a_webhook_without_a_secret_is_refused(slipway: Run, mlflow: str) -> None:
    """Both sides need the same one."""
    answer = slipway("webhook", "register", mlflow_uri=mlflow)

    assert answer.returncode == ExitCode.MISCONFIGURED
    assert "SLIPWAY_WEBHOOK_SECRET" in answer.stderr


def test_a_first_spec_is_written_from_the_registry(
    slipway: Run, mlflow: str, digits_model: Path, digits_rows: Path, tmp_path: Path
) -> None:
    """It is valid, and what is there is not written over."""
    register(mlflow, "begun", digits_model)
    arguments = ("spec", "init", "--from-registry", "begun", "--label", "digit", "--data", str(digits_rows))

    written = slipway(*arguments, mlflow_uri=mlflow)
    checked = slipway("spec", "check", "begun")
    again = slipway(*arguments, mlflow_uri=mlflow)

    assert written.returncode == ExitCode.OK, written.stderr
    assert checked.stdout == "deployments/models/begun.yaml: valid\n"
    assert "column: pixel_0" in (tmp_path / "deployments" / "models" / "begun.yaml").read_text()
    assert again.returncode == ExitCode.MISCONFIGURED


def register(mlflow: str, model: str, folder: Path) -> None:
    """Register a model folder as version 1, over MLflow's own API."""
    api = f"{mlflow}/api/2.0/mlflow"
    logged = httpx.post(f"{api}/logged-models", json={"experiment_id": "0", "name": model}, timeout=30).json()
    info = logged["model"]["info"]
    root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for path in folder.rglob("*"):
        if path.is_file():
            address = f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/{root}/{path.relative_to(folder).as_posix()}"
            httpx.put(address, content=path.read_bytes()).raise_for_status()
    httpx.post(f"{api}/registered-models/create", json={"name": model}).raise_for_status()
    source = {"name": model, "source": f"models:/{info['model_id']}", "model_id": info["model_id"]}
    httpx.post(f"{api}/model-versions/create", json=source).raise_for_status()


@pytest.mark.parametrize(
    ("state", "code"), [(ReleaseState.ROLLED_BACK, ExitCode.REFUSED), (ReleaseState.STOPPED, ExitCode.REFUSED)]
)
def test_a_release_that_ended_badly_has_its_exit_code(
    capsys: pytest.CaptureFixture[str], state: ReleaseState, code: ExitCode
) -> None:
    """With the sentence that says why."""
    with pytest.raises(typer.Exit) as ended:
        following.conclude_release(record(3, state, "too many errors"), as_json=False)

    assert ended.value.exit_code == code
    assert f"kept-v3-a1: {state.value}: too many errors" in capsys.readouterr().out


def test_a_promoted_release_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, with the facts."""
    following.conclude_release(record(3, ReleaseState.PROMOTED, "no worse"), as_json=True)

    assert json.loads(capsys.readouterr().out)["state"] == "promoted"


@pytest.mark.parametrize(("state", "code"), [("Suspended", ExitCode.WAITING), ("Crashed", ExitCode.PROBLEM)])
def test_a_run_that_decided_nothing_waits_or_died(
    capsys: pytest.CaptureFixture[str], state: str, code: ExitCode
) -> None:
    """A person is asked, or told who takes it up."""
    release = following.Release(model="kept", version=3, release_id="kept-v3-a1", run_id="r1")

    with pytest.raises(typer.Exit) as ended:
        following.conclude_nothing(release, state, "approval before promotion", as_json=False)

    assert ended.value.exit_code == code
    assert ("slipway approve kept" if state == "Suspended" else "`reconcile`") in capsys.readouterr().out
