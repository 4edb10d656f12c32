"""The demo's story with real everything: MLflow, Prefect, BentoML, Envoy; and nothing is left running."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PORTS = ("MLFLOW", "PREFECT", "WEBHOOK", "FRONT_DOOR", "ENVOY_ADMIN")
STORY_SECONDS = 560


def environment(home: Path) -> dict[str, str]:
    """Return an environment with a home and ports of its own."""
    held = [socket.socket() for _ in PORTS]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = {f"SLIPWAY_{name}_PORT": str(one.getsockname()[1]) for name, one in zip(PORTS, held, strict=True)}
    for one in held:
        one.close()
    return os.environ | ports | {"SLIPWAY_HOME": str(home), "KEEP": ""}


def left_running(home: Path) -> list[str]:
    """Return the processes that name this home in their command or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            known = [*process.cmdline(), process.environ().get("SLIPWAY_HOME", "")]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(home) in part for part in known):
            found.append(" ".join(process.cmdline()))
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home for a story; what a failed one left running is ended."""
    yield tmp_path / "home"
    command = [sys.executable, "-m", "slipway.cli.app", "down"]
    if (tmp_path / "home").exists():
        subprocess.run(command, cwd=ROOT, env=os.environ | {"SLIPWAY_HOME": str(tmp_path / "home")}, check=False)


@pytest.mark.timeout(600)
def test_the_story_goes_as_told_and_no_request_is_lost(home: Path) -> None:
    """One is promoted, a better one over it, a bad one taken back with numbers, a worse one stopped; then all ends."""
    story = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STORY_SECONDS,
        check=False,
    )

    assert story.returncode == 0, story.stdout[-8000:] + story.stderr[-2000:]
    assert "The run went as expected" in story.stdout
    summary: dict[str, Any] = json.loads((home / "demo-summary.json").read_text())
    requests, releases = summary["requests"], summary["releases"]
    assert summary["problems"] == []
    assert (requests["lost"], requests["wrong"]) == (0, 0)
    assert requests["failed"] == {}
    assert list(requests["rescued"]) == ["3"]
    assert set(requests["answered_by"]) >= {"1", "2"}
    assert [one["state"] for one in releases] == ["promoted", "promoted", "rolled-back", "stopped"]
    assert "webhook" in {one["trigger"] for one in releases} <= {"webhook", "schedule"}  # where the webhook is late
    assert all("<html" in Path(one["report"]).read_text() for one in releases)
    assert left_running(home) == []


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let what is started be interrupted: a shell's background job ignores SIGINT, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_story_leaves_nothing_running(home: Path) -> None:
    """Ctrl-C while servers come up: exit code 130, and every process has ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "demo"], cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, text=True
    ) as story:
        assert story.stdout is not None
        began = any("envoy: up" in line for line in story.stdout)  # reads until then, or until the story ends
        story.send_signal(signal.SIGINT)
        said = story.stdout.read()
        code = story.wait(120)

    assert began
    assert code == 130
    assert "interrupted; everything has ended" in said
    assert left_running(home) == []
