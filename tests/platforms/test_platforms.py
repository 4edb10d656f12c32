"""Targets are found by the names of their files; a third one is one new file in a copy of the source."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.adapters.local.ports import find_free_ports
from slipway.errors import SettingsError
from slipway.platforms import find_platform, list_platforms, list_settings

ROOT = Path(__file__).parents[2]
ADDED = Path(__file__).parent / "added"
"""`shelf.py`, the third target, and `release.py`, that releases through it."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a process that finds a copy of Slipway with one more target, which they name."""
    copy = tmp_path / "src" / "slipway"
    shutil.copytree(ROOT / "src" / "slipway", copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ADDED / "shelf.py", copy / "platforms")
    (tmp_path / "models").mkdir()
    front_door, admin = find_free_ports("127.0.0.1", 2)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    return clean | {
        "PYTHONPATH": f"{tmp_path / 'src'}{os.pathsep}{ROOT}",
        "SLIPWAY_TARGET": "shelf",
        "SLIPWAY_SHELF_LABEL": "oak",
        "SLIPWAY_HOME": str(tmp_path / "home"),
        "SLIPWAY_MODELS": str(tmp_path / "models"),
        "SLIPWAY_FRONT_DOOR_PORT": str(front_door),
        "SLIPWAY_ENVOY_ADMIN_PORT": str(admin),
    }


def run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copy of Slipway."""
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_target_is_one_file(environment: dict[str, str], tmp_path: Path) -> None:
    """A good version gets all requests and a broken one none; child processes get the target's own settings."""
    done = run(environment, tmp_path, str(ADDED / "release.py"))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "phases": ["succeeded", "rolled-back"],
        "answers": "two-v1",
        "there": ["two-v1"],
        "label": "oak",
        "images": None,
        "scaler": None,
    }


def test_the_command_line_knows_a_target_that_was_added(environment: dict[str, str], tmp_path: Path) -> None:
    """`slipway doctor` shows its check and its settings, and `slipway up` would start no Envoy for it."""
    command = ("-c", "from slipway.cli.app import main; main()")

    doctor = json.loads(run(environment, tmp_path, *command, "doctor", "--json").stdout)
    status = json.loads(run(environment, tmp_path, *command, "status", "--json").stdout)

    assert {"part": "shelf", "health": "ok", "seen": "oak", "do": ""} in doctor["findings"]
    assert "front door" not in {one["part"] for one in doctor["findings"]}
    settings = {one["name"]: one for one in doctor["settings"]}
    assert settings["SLIPWAY_SHELF_LABEL"]["description"] == "What the shelf is called."
    assert settings["SLIPWAY_SHELF_LABEL"]["source"] == "environment"
    assert {one["part"]: one["health"] for one in doctor["findings"]}["environment"] == "ok"
    assert [part["name"] for part in status["parts"]] == ["prefect", "mlflow", "webhook", "worker"]


def test_every_target_that_is_listed_can_be_built() -> None:
    """Each file defines `PLATFORM`; no two of them read the same variable."""
    assert [find_platform(name).revisions for name in list_platforms()]
    names = [name for group in list_settings().values() for name in group.model_fields]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "do"),
    [("kubernetess", "did you mean kubernetes?"), ("../local", "did you mean local?"), ("x", "set it to")],
)
def test_a_target_that_is_not_there_is_refused_with_those_that_are(name: str, do: str) -> None:
    """The setting is named; nothing is imported by a name of no list."""
    refused = f"there is no target '{name}'; expected one of kubernetes, local. Next: {do}"

    with pytest.raises(SettingsError, match=re.escape(refused)):
        find_platform(name)
