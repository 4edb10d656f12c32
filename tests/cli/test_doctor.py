"""The doctor: every part is looked at, each finding says what to do."""

import json
import re
from pathlib import Path

from slipway.cli.exit_codes import ExitCode
from slipway.platforms.kubernetes import KubernetesSettings
from slipway.settings import Settings
from tests.cli.conftest import Run

SECRET = "hush"  # noqa: S105 - no secret: it must not be shown


def findings(text: str) -> dict[str, dict[str, str]]:
    """Return the doctor's findings by part."""
    return {one["part"]: one for one in json.loads(text)["findings"]}


def test_nothing_running_is_no_problem(slipway: Run) -> None:
    """It says how to start it; exit code 0. No finding leaves its reader alone."""
    answer = slipway("doctor", "--json")

    found = findings(answer.stdout)
    assert answer.returncode == ExitCode.OK
    assert {found[part]["health"] for part in ("Python", "Envoy", "uv", "supervisord", "home", "disk")} == {"ok"}
    for part in ("MLflow", "Prefect", "front door", "webhook receiver"):
        assert found[part]["health"] == "warning"
        assert "slipway up" in found[part]["do"]
    assert [part for part, one in found.items() if one["health"] != "ok" and not one["do"]] == []


def test_a_server_of_yours_that_does_not_answer_is_a_problem(slipway: Run) -> None:
    """The setting is named, its password masked; exit code 1."""
    answer = slipway("doctor", "--json", mlflow_uri=f"http://me:{SECRET}@127.0.0.1:1")

    assert answer.returncode == ExitCode.PROBLEM
    assert "SLIPWAY_MLFLOW_URI" in findings(answer.stdout)["MLflow"]["do"]
    assert SECRET not in answer.stdout


def test_something_else_on_a_port_of_ours_is_a_problem(slipway: Run, receiver: str) -> None:
    """Another program answers where MLflow should."""
    answer = slipway("doctor", "--json", mlflow_port=receiver.rpartition(":")[2])

    mlflow = findings(answer.stdout)["MLflow"]
    assert mlflow["health"] == "problem"
    assert "something else answers" in mlflow["seen"]
    assert "SLIPWAY_MLFLOW_PORT" in mlflow["do"]


def test_a_misspelt_setting_is_told_with_what_was_meant(slipway: Run) -> None:
    """Unknown variables would be ignored without a word."""
    found = findings(slipway("doctor", "--json", mlflow_prot="5501").stdout)

    assert found["environment"]["health"] == "warning"
    assert found["environment"]["do"] == "did you mean SLIPWAY_MLFLOW_PORT?"


def test_a_broken_spec_is_a_problem_with_its_line(slipway: Run, tmp_path: Path) -> None:
    """And with the command that shows the rest."""
    (tmp_path / "digits.yaml").write_text("model: digits\ndatta: {}\n")

    answer = slipway("doctor", "--json", models=".")

    found = findings(answer.stdout)["spec digits.yaml"]
    assert answer.returncode == ExitCode.PROBLEM
    assert "line" in found["seen"]
    assert found["do"] == "`slipway spec check digits.yaml`"


def test_a_home_that_can_not_be_written_is_a_problem(slipway: Run, tmp_path: Path) -> None:
    """A file stands in its way."""
    (tmp_path / "taken").write_text("")

    found = findings(slipway("doctor", "--json", home="taken").stdout)

    assert found["home"]["health"] == "problem"
    assert "SLIPWAY_HOME" in found["home"]["do"]


def test_every_setting_is_listed_with_its_source_and_meaning(slipway: Run) -> None:
    """The one list of settings; secrets are masked."""
    answer = slipway("doctor", "--json", registry_timeout_seconds="7", webhook_secret=SECRET)

    listed = {one["name"]: one for one in json.loads(answer.stdout)["settings"]}
    groups = (Settings, KubernetesSettings)
    assert set(listed) == {f"SLIPWAY_{name.upper()}" for group in groups for name in group.model_fields}
    assert all(one["description"] for one in listed.values())
    assert listed["SLIPWAY_REGISTRY_TIMEOUT_SECONDS"]["value"] == "7.0"
    assert listed["SLIPWAY_REGISTRY_TIMEOUT_SECONDS"]["source"] == "environment"
    assert listed["SLIPWAY_HOST"]["source"] == "default"
    assert listed["SLIPWAY_WEBHOOK_SECRET"]["value"] == "***"
    assert SECRET not in answer.stdout


def test_for_people_it_is_two_tables(slipway: Run) -> None:
    """Aligned columns where there is no terminal."""
    text = slipway("doctor").stdout

    assert re.search(r"^part +health +seen +what to do$", text, flags=re.MULTILINE)
    assert re.search(r"^setting +value +from +what it is$", text, flags=re.MULTILINE)


def test_running_parts_are_well(slipway: Run, mlflow: str) -> None:
    """A real MLflow answers; the webhook is not registered yet."""
    found = findings(slipway("doctor", "--json", mlflow_uri=mlflow).stdout)

    assert found["MLflow"]["health"] == "ok"
    assert found["webhook"]["seen"] == "not registered in MLflow"
