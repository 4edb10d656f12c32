"""What is typed and what comes back: help, errors, exit codes, JSON, completion. No server runs."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from slipway import errors
from slipway.cli.app import app
from slipway.cli.exit_codes import MEANINGS, ExitCode, find_exit_code
from tests.cli.conftest import Run

HEAVY = {
    "mlflow",
    "prefect",
    "pandas",
    "numpy",
    "scipy",
    "sklearn",
    "bentoml",
    "rich",
    "pydantic",
    "httpx",
    "yaml",
    "jinja2",
}
SECRET = "hush"  # noqa: S105 - no secret: it must not be shown
SPEC = "model: digits\ndata: {path: rows.csv, label: digit}\n"


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    """Every command imports what it needs itself."""
    code = "import sys, slipway.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY.isdisjoint(loaded)


def test_help_comes_at_once(slipway: Run) -> None:
    """Under 0.4 s of processor time; the best of three: the machine has other work."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert slipway("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(spent) < 0.4


def test_help_lists_every_command_and_every_exit_code(slipway: Run) -> None:
    """The one page people look at."""
    text = slipway("--help").stdout

    commands = {
        "up",
        "down",
        "status",
        "release",
        "rollback",
        "approve",
        "history",
        "report",
        "spec",
        "webhook",
        "doctor",
    }
    assert commands <= set(re.findall(r"^  (\w+) ", text, flags=re.MULTILINE))
    for code, meaning in MEANINGS.items():
        assert f"{code.value}  {meaning}" in text


def test_every_command_with_an_answer_has_json() -> None:
    """Scripts need no parsing of tables; the schema is JSON anyway."""
    without = [
        name for name, command in commands(get_command(app)) if "as_json" not in {one.name for one in command.params}
    ]

    assert without == ["schema"]


def commands(command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer keeps its own kinds private
    """Yield every command below a group, by name."""
    for name, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one)
        else:
            yield name, one


def test_the_version_is_told(slipway: Run) -> None:
    """For bug reports."""
    assert re.fullmatch(r"slipway \d+\.\d+\.\d+\n", slipway("--version").stdout)


@pytest.mark.parametrize(
    "arguments",
    [["releese"], ["release"], ["release", "digits", "--version", "0"], ["release", "digits", "--nope"],
     ["release", "digits", "--version", "1", "--alias", "best"], ["rollback", "digits", "--reason", " "]],
)  # fmt: skip
def test_a_mistyped_command_is_a_usage_error(slipway: Run, arguments: list[str]) -> None:
    """Exit code 2, and no traceback."""
    answer = slipway(*arguments)

    assert answer.returncode == ExitCode.USAGE
    assert "Usage" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_every_error_has_one_exit_code() -> None:
    """No error of ours is unexpected."""
    kinds = [errors.SlipwayError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())

    codes = {kind.__name__: find_exit_code(kind("a", seen="b", expected="c", do="d")) for kind in kinds}

    assert codes["LeaseHeld"] is ExitCode.TRY_AGAIN
    assert codes["NotFound"] is ExitCode.NOT_FOUND
    assert codes["SpecError"] is ExitCode.MISCONFIGURED
    assert codes["GateFailed"] is ExitCode.REFUSED
    assert codes["ArtifactChanged"] is ExitCode.BROKEN


@pytest.mark.parametrize(
    "arguments", [["history", "digits"], ["release", "digits"], ["report", "digits"], ["webhook", "test"]]
)
def test_a_registry_that_is_down_is_one_block_with_four_parts(slipway: Run, arguments: list[str]) -> None:
    """What, seen, expected, next; exit code 4 says that trying again may help."""
    answer = slipway(*arguments)

    assert answer.returncode == ExitCode.TRY_AGAIN
    assert answer.stdout == ""
    assert re.fullmatch(r"error: MLflow at .*\n  seen: .*\n  expected: .*\n  next: .*\n", answer.stderr)


def test_an_error_is_json_where_json_was_asked_for(slipway: Run) -> None:
    """On standard error; standard output stays empty."""
    answer = slipway("approve", "digits", "--json")

    told = json.loads(answer.stderr)
    assert answer.stdout == ""
    assert told["error"] == "OrchestratorUnavailable"
    assert told["exit_code"] == answer.returncode == ExitCode.TRY_AGAIN
    assert {"what", "seen", "expected", "next"} <= told.keys()


def test_a_trace_is_shown_only_when_asked_for(slipway: Run) -> None:
    """SLIPWAY_TRACE=1."""
    assert "Traceback" in slipway("history", "digits", trace="1").stderr


def test_a_wrong_setting_is_named_and_no_secret_shown(slipway: Run) -> None:
    """Exit code 6."""
    answer = slipway("status", webhook_port="80", webhook_max_age_seconds="soon", webhook_secret=SECRET)

    assert answer.returncode == ExitCode.MISCONFIGURED
    assert "SLIPWAY_WEBHOOK_PORT" in answer.stderr
    assert "SLIPWAY_WEBHOOK_MAX_AGE_SECONDS" in answer.stderr
    assert SECRET not in answer.stderr


def test_checking_a_broken_spec_shows_each_line(slipway: Run, tmp_path: Path) -> None:
    """Exit code 6; the file as it was typed."""
    (tmp_path / "bad.yaml").write_text(SPEC + "judge: {alpha: 2}\nquallity: {}\n")

    answer = slipway("spec", "check", "bad.yaml")

    assert answer.returncode == ExitCode.MISCONFIGURED
    assert answer.stdout.splitlines()[0] == "bad.yaml: 2 problems"
    assert "line 3, column 9: judge.alpha: seen 2" in answer.stdout
    assert "did you mean `quality`?" in answer.stdout


def test_a_check_without_names_checks_all_specs(slipway: Run, tmp_path: Path) -> None:
    """As JSON, each file with its problems."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "rows.csv").write_text("a,digit\n1,2\n")
    (tmp_path / "specs" / "good.yaml").write_text(SPEC)
    (tmp_path / "specs" / "bad.yaml").write_text("")

    answer = slipway("spec", "check", "--json", models="specs")

    told = {Path(one["path"]).name: one["valid"] for one in json.loads(answer.stdout)}
    assert told == {"good.yaml": True, "bad.yaml": False}
    assert answer.returncode == ExitCode.MISCONFIGURED


def test_a_spec_is_checked_by_its_models_name(slipway: Run, tmp_path: Path) -> None:
    """`slipway spec check digits`, whatever the file is called."""
    (tmp_path / "rows.csv").write_text("a,digit\n1,2\n")
    (tmp_path / "any.yaml").write_text(SPEC)

    answer = slipway("spec", "check", "digits", models=".")

    assert (answer.returncode, answer.stdout) == (0, "any.yaml: valid\n")


def test_the_schema_is_printed_for_editors(slipway: Run) -> None:
    """As JSON."""
    assert json.loads(slipway("spec", "schema").stdout)["title"] == "Slipway release spec"


def test_the_status_of_an_unknown_model_is_not_found(slipway: Run, tmp_path: Path) -> None:
    """The known ones are listed."""
    (tmp_path / "any.yaml").write_text(SPEC)

    answer = slipway("status", "fraud", models=".")

    assert answer.returncode == ExitCode.NOT_FOUND
    assert "one of digits" in answer.stderr


def test_status_works_while_nothing_runs(slipway: Run, tmp_path: Path) -> None:
    """Every part is down, and the model has no release yet."""
    (tmp_path / "any.yaml").write_text(SPEC)

    told = json.loads(slipway("status", "--json", models=".").stdout)

    assert {part["state"] for part in told["parts"]} == {"down"}
    assert [(one["model"], one["phase"], one["reason"]) for one in told["models"]] == [
        ("digits", None, "no release yet")
    ]


def test_shells_complete_models_from_specs(tmp_path: Path) -> None:
    """Names come from the specs, without reading them whole."""
    (tmp_path / "any.yaml").write_text(SPEC)
    (tmp_path / "fraud.yaml").write_text("model: fraud\n")
    variables = {"_SLIPWAY_COMPLETE": "complete_bash", "COMP_WORDS": "slipway release d", "COMP_CWORD": "2"}

    answer = subprocess.run(
        [str(Path(sys.executable).parent / "slipway")],
        env=os.environ | variables | {"SLIPWAY_MODELS": "."},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.stdout.split() == ["digits"]
