"""`slipway plan` as people type it: tables, sentences, JSON, figures, what it counts, and what it refuses."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from slipway.adapters.local.waiting import wait_until
from slipway.cli.exit_codes import ExitCode
from slipway.domain.rollout.revision import Traffic
from tests.adapters.local.place import Place
from tests.cli.conftest import Run

SPEC = "model: digits\ndata: {path: rows.csv, label: digit}\n"
GIVEN = ("--requests-per-second", "12", "--error-rate", "0.02")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Return the file of a spec with the default steps, in the folder where `slipway` runs."""
    (tmp_path / "rows.csv").write_text("a,digit\n1,2\n")
    path = tmp_path / "digits.yaml"
    path.write_text(SPEC)
    return path


def test_steps_sentences_and_a_proposal_are_told(slipway: Run, spec: Path) -> None:
    """By the model's name; the last lines can be pasted into the spec."""
    answer = slipway("plan", "digits", *GIVEN, models=".")

    assert (answer.returncode, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0] == "digits at 12 requests/s, 2 % of them failing now"
    assert lines[2].split("  ")[0] == "step"
    assert any(line.startswith("At 12 requests/s and 50 % step 4 can see a doubling") for line in lines)
    pasted = "rollout:" + answer.stdout.partition("\nrollout:")[2]
    spec.write_text(SPEC + pasted)
    assert slipway("spec", "check", spec.name).stdout == f"{spec.name}: valid\n"
    assert yaml.safe_load(pasted)["rollout"]["steps"]


def test_replicas_are_told_where_the_load_is_known(slipway: Run, spec: Path) -> None:
    """By Little's law: 400 requests/s of 50 ms each are 20 at work, and 4 of them are one replica's."""
    given = ("--requests-per-second", "400", "--error-rate", "0.01", "--answer-milliseconds", "50")

    told = slipway("plan", spec.name, *given).stdout
    as_json = json.loads(slipway("plan", spec.name, *given, "--json").stdout)

    assert "With 20 requests at work at once the canary needs 5 replicas for shadow, 1 for step 1" in told
    assert as_json["replicas"][-1] == {"name": "promotion", "canary": 5, "stable": 1}
    assert slipway("plan", spec.name, *given[:-1], "0").returncode == ExitCode.USAGE


def test_json_has_all_of_it(slipway: Run, spec: Path) -> None:
    """For scripts: numbers, not words."""
    told = json.loads(slipway("plan", spec.name, *GIVEN, "--ratio", "2", "--within", "30m", "--json").stdout)

    assert told["service"] == {"requests_per_second": 12.0, "error_rate": 0.02}
    assert [step["weight_percent"] for step in told["steps"]] == [0, 1, 5, 25, 50]
    assert told["bad"]["2x"]["chance"] > 0.5
    assert told["good"]["median_seconds"] > 0
    assert told["proposal"]["wanted_seconds"] <= 1900
    assert told["proposal"]["steps"][-1]["at_least_seconds"] > 0


def test_what_no_schedule_finds_is_said(slipway: Run, spec: Path) -> None:
    """Instead of a proposal."""
    answer = slipway("plan", spec.name, *GIVEN, "--ratio", "1.1", "--within", "90s")

    assert answer.returncode == 0
    assert "No schedule of one to three steps" in answer.stdout
    assert "rollout:" not in answer.stdout


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_figure_is_drawn(slipway: Run, spec: Path, suffix: str, begins: bytes) -> None:
    """In the format that its suffix says."""
    answer = slipway("plan", spec.name, *GIVEN, "--plot", f"plan.{suffix}")

    assert answer.returncode == 0
    drawn = (spec.parent / f"plan.{suffix}").read_bytes()
    assert drawn.startswith(begins)
    if suffix == "svg":
        assert b"2 times the errors: found" in drawn


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--requests-per-second", "0", "--error-rate", "0.1"], "--requests-per-second"),
        (["--requests-per-second", "nan", "--error-rate", "0.1"], "--requests-per-second"),
        (["--requests-per-second", "-3", "--error-rate", "0.1"], "--requests-per-second"),
        (["--requests-per-second", "many", "--error-rate", "0.1"], "--requests-per-second"),
        (["--requests-per-second", "1", "--error-rate", "0"], "--error-rate"),
        (["--requests-per-second", "1", "--error-rate", "1.5"], "--error-rate"),
        (["--requests-per-second", "1", "--error-rate", "nan"], "--error-rate"),
        ([*GIVEN, "--ratio", "1"], "--ratio"),
        ([*GIVEN, "--ratio", "nan"], "--ratio"),
        ([*GIVEN, "--within", "soon"], "--within"),
        ([*GIVEN, "--within", "0s"], "--within"),
        ([*GIVEN, "--bad-share", "1"], "--bad-share"),
        ([*GIVEN, "--bad-request-cost", "-1"], "--bad-request-cost"),
        ([*GIVEN, "--plot", "plan.gif"], "--plot"),
    ],
)
def test_a_number_out_of_range_is_a_usage_error(slipway: Run, spec: Path, arguments: list[str], named: str) -> None:
    """It names the option; no traceback."""
    answer = slipway("plan", spec.name, *arguments)

    assert answer.returncode == ExitCode.USAGE
    assert f"Invalid value for {named}" in answer.stderr.replace("'", "")
    assert "Traceback" not in answer.stderr


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a real Envoy with a model that serves, where `slipway` looks for it."""
    place = Place(tmp_path / ".slipway" / "target")
    place.target.start_all()
    try:
        assert wait_until(place.target.envoy.is_ready, 20)
        place.target.set_traffic("digits", Traffic(stable=place.running("digits", 1).name))
        yield place
    finally:
        place.target.supervisor.stop()


def test_traffic_is_counted_where_the_model_serves(slipway: Run, spec: Path, place: Place) -> None:
    """Envoy's counters, twice within seconds: one request in ten failed."""
    done, sent = threading.Event(), []

    def ask() -> None:
        with httpx.Client() as client:
            while not done.is_set():
                body = b"fail" if len(sent) % 10 == 0 else b"row"
                sent.append(client.post(f"{place.url}/digits/x", content=body).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    ports = {"front_door_port": str(place.front_door_port), "envoy_admin_port": str(place.admin_port)}
    answer = slipway("plan", spec.name, "--json", home=".slipway", **ports)
    done.set()
    asking.join()

    assert answer.returncode == 0, answer.stderr
    service = json.loads(answer.stdout)["service"]
    assert 0 < service["requests_per_second"] <= len(sent) / 3
    assert service["error_rate"] == pytest.approx(0.1, abs=0.03)


def test_traffic_that_nobody_counts_must_be_given(slipway: Run, spec: Path) -> None:
    """Both options are named."""
    answer = slipway("plan", spec.name)

    assert answer.returncode == ExitCode.USAGE
    assert "--requests-per-second and --error-rate" in answer.stderr


def test_a_model_without_a_spec_is_not_found(slipway: Run, spec: Path) -> None:
    """The known ones are listed."""
    answer = slipway("plan", "fraud", *GIVEN, models=".")

    assert spec.is_file()
    assert answer.returncode == ExitCode.NOT_FOUND
    assert "one of digits" in answer.stderr


def test_a_broken_spec_is_misconfigured(slipway: Run, spec: Path) -> None:
    """With its line."""
    spec.write_text(SPEC + "judge: {alpha: 2}\n")

    answer = slipway("plan", spec.name, *GIVEN)

    assert answer.returncode == ExitCode.MISCONFIGURED
    assert "judge.alpha" in answer.stderr


def test_a_figure_that_cannot_be_written_is_told(slipway: Run, spec: Path) -> None:
    """One block with four parts."""
    answer = slipway("plan", spec.name, *GIVEN, "--plot", "nowhere/plan.svg")

    assert answer.returncode == ExitCode.NOT_FOUND
    assert "plot nowhere/plan.svg" in answer.stderr
