"""Releases in the process of whoever asks for them: no Prefect server answers, and no worker knows the model."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import ROOT, Stack

Register = Callable[[str, int], int]
Traffic = Callable[[str], Any]

pytestmark = pytest.mark.timeout(600)  # the first test also waits for the whole stack


@pytest.fixture(scope="module")
def terminal(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Return the stack as a terminal sees it that has specs of its own and reaches no Prefect server."""
    models = tmp_path_factory.mktemp("models-here")
    env = stack.env | {"SLIPWAY_MODELS": str(models), "SLIPWAY_PREFECT_API": "http://127.0.0.1:1/api"}
    return replace(stack, env=env, models=models)


def test_a_release_runs_in_the_terminal_waits_for_a_person_and_goes_on_there(
    terminal: Stack, register: Register, traffic: Traffic
) -> None:
    """Every step has a line; a held release exits with its own code, and the answer drives it to its end."""
    register("here", 2)
    terminal.spec("here", shadow=None, bake_seconds=0)
    first = terminal.slipway("release", "here", "--here")
    assert "here-v1-a1: rehearse has passed" in first
    assert "here-v1-a1: promoted: here-v1 is ready; nothing serves yet, so it gets all requests" in first

    terminal.spec("here", shadow=None, approval=True)
    register("here", 2)
    with traffic("here") as sent:
        held = terminal.slipway("release", "here", "--here", code=7)
        assert "answer with `slipway approve here --here`" in held
        assert terminal.status("here")["phase"] == "held"
        said = terminal.slipway("approve", "here", "--here", "--by", "ann")

    assert "here-v2-a1: promoted: approved by ann" in said
    assert terminal.state("here", 2) == "promoted"
    assert sent.lost == []


def test_python_releases_and_rolls_back_as_the_command_line_does(terminal: Stack, register: Register) -> None:
    """`import slipway` is all that a notebook needs."""
    register("noted", 2)
    terminal.spec("noted", shadow=None, bake_seconds=0)
    story = """
import slipway
print(slipway.release("noted").state)
print(slipway.load_status("noted").phase)
print([line.version for line in slipway.load_history("noted")])
try:
    slipway.roll_back("noted", "a person says no")
except Exception as no:
    print(no.seen)
"""

    done = subprocess.run(
        [sys.executable, "-c", story],
        env=terminal.env,
        cwd=Path(ROOT).parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["promoted", "succeeded", "[1]", "no version served before version 1"]
