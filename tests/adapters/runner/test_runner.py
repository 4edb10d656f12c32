"""Models in processes of their own: what comes out, and what becomes of those that misbehave."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from slipway.adapters.runner import SubprocessModelRunner
from slipway.artifacts.rows import read_labels
from slipway.errors import ArtifactBroken, DataBroken

Coded = Callable[..., Path]
PIXELS = [f"pixel_{number}" for number in range(64)]


def test_predicts_with_a_real_model(digits_model: Path, digits_rows: Path) -> None:
    """One label per row, most of them right; its example was tried in the same process."""
    runner = SubprocessModelRunner()

    predictions = runner.predict(digits_model, digits_rows, PIXELS)
    runner.check_example(digits_model)

    assert predictions.shape == (300,)
    assert predictions.dtype == np.int64
    assert (predictions == read_labels(digits_rows, "digit")).mean() > 0.85


def test_checks_the_example_of_a_real_model_alone(digits_model: Path) -> None:
    """Without a prediction before it."""
    SubprocessModelRunner().check_example(digits_model)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "if (rows['x'] == 4).any(): raise ValueError('four')\nreturn rows['x']",
            "5 rows, the first in row 4: ValueError: four",
        ),
        ("return rows['x'].head(2)", "gives 2 predictions for 5 rows"),
        ("print('last words', file=sys.stderr); os._exit(7)", r"ended with code 7 and no answer: .*last words"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
    ],
)
def test_a_model_that_fails_on_rows_says_how(coded: Coded, rows: Path, body: str, message: str) -> None:
    """Errors, wrong counts, no predictions at all, sudden death."""
    model = coded(body)

    with pytest.raises(ArtifactBroken, match=message):
        SubprocessModelRunner().predict(model, rows, ["x"])


def test_a_model_that_cannot_be_loaded_says_why(coded: Coded, rows: Path) -> None:
    """With the error of its framework, and without folders of this machine."""
    model = coded("return rows['x']", prelude="raise RuntimeError('from ' + __file__)")

    with pytest.raises(ArtifactBroken, match=r"can't be loaded: RuntimeError: from MODEL/code/behaviour\.py"):
        SubprocessModelRunner().predict(model, rows, ["x"])


def test_a_truncated_model_file_is_refused(digits_model: Path, digits_rows: Path, tmp_path: Path) -> None:
    """Half a file does not load."""
    model = tmp_path / "digits"
    model.mkdir()
    for file in digits_model.iterdir():
        content = file.read_bytes()
        (model / file.name).write_bytes(content[: len(content) // 2] if file.name == "model.skops" else content)

    with pytest.raises(ArtifactBroken, match="can't be loaded"):
        SubprocessModelRunner().predict(model, digits_rows, PIXELS)


def test_a_failing_example_fails_its_own_check_only(coded: Coded, rows: Path) -> None:
    """The rows were predicted all the same."""
    runner, model = SubprocessModelRunner(), coded("assert len(rows) > 1, 'too few'\nreturn rows['x']")

    predictions = runner.predict(model, rows, ["x"])

    assert len(predictions) == 5
    with pytest.raises(ArtifactBroken, match="fails on its own input example: AssertionError: too few"):
        runner.check_example(model)


def test_a_model_that_hangs_is_ended_with_all_its_processes(coded: Coded, rows: Path, tmp_path: Path) -> None:
    """Also those that it started itself."""
    note = tmp_path / "child"
    model = coded(
        "child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "threading.Event().wait()"
    )

    with pytest.raises(ArtifactBroken, match="took longer than 15 s"):
        SubprocessModelRunner(timeout_seconds=15).predict(model, rows, ["x"])

    psutil.wait_procs(
        [psutil.Process(int(note.read_text()))] if psutil.pid_exists(int(note.read_text())) else [], timeout=60
    )
    assert not _runs(int(note.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the time limit ends it")
def test_a_model_ends_with_whoever_runs_it(coded: Coded, rows: Path, tmp_path: Path) -> None:
    """Killed hard, a release leaves no model behind."""
    note = tmp_path / "worker"
    os.mkfifo(note)
    model = coded(f"open({str(note)!r}, 'w').write(str(os.getpid()))\nthreading.Event().wait()")
    code = f"""
from pathlib import Path
from slipway.adapters.runner import SubprocessModelRunner
SubprocessModelRunner(timeout_seconds=60).predict(Path({str(model)!r}), Path({str(rows)!r}), ["x"])
"""
    release = subprocess.Popen([sys.executable, "-c", code])
    worker = psutil.Process(int(note.read_text()))

    release.kill()
    release.wait()

    psutil.wait_procs([worker], timeout=60)
    assert not _runs(worker.pid)


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_model_sees_nothing_of_our_environment(coded: Coded, rows: Path) -> None:
    """No token, no address: only what a process needs to start."""
    os.environ["SLIPWAY_WEBHOOK_SECRET"] = "tell nobody"  # noqa: S105 - made up
    model = coded("raise ValueError(sorted(name for name in os.environ if 'SLIPWAY' in name or 'SECRET' in name))")

    try:
        with pytest.raises(ArtifactBroken, match=r"ValueError: \[\]"):
            SubprocessModelRunner().predict(model, rows, ["x"])
    finally:
        del os.environ["SLIPWAY_WEBHOOK_SECRET"]


def test_broken_rows_are_not_the_models_fault(digits_model: Path, rows: Path) -> None:
    """A missing column is DataBroken, with the columns that are there."""
    with pytest.raises(DataBroken, match="it has columns 'x', 'y'"):
        SubprocessModelRunner().predict(digits_model, rows, PIXELS)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (99999999999999,)}"]
)
def test_predictions_that_the_model_spoils_are_its_fault(coded: Coded, rows: Path, content: bytes) -> None:
    """Its code may write to every file of its folder, the results too."""
    model = coded(
        f"import atexit\natexit.register(lambda: open('predictions.npy', 'wb').write({content!r}))\nreturn rows['x']"
    )

    with pytest.raises(ArtifactBroken, match="left no readable ones"):
        SubprocessModelRunner().predict(model, rows, ["x"])
