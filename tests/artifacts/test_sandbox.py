"""The child process for models: how it ends, what is kept of its output, and what is left of it."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from slipway.artifacts import sandbox
from slipway.artifacts.sandbox import Ending, read_json, run_module

Run = Callable[..., Ending]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs code as a module in a folder of its own."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))

    def run_code(code: str, seconds: float = 60, arguments: tuple[str, ...] = ()) -> Ending:
        (tmp_path / "modules" / "behaviour.py").write_text(code)
        return run_module("behaviour", arguments, tmp_path / "work", seconds, {"SETTING": "1"})

    return run_code


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("pass", "ended with code 0 and no answer"),
        ("raise SystemExit(3)", "ended with code 3 and no answer"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 40)", "was ended by signal 40"),
        ("import threading; threading.Event().wait()", "took longer than 2 s"),
    ],
)
def test_how_it_ended_is_said_in_words(run: Run, code: str, words: str) -> None:
    """By itself, by a signal, or by its time limit."""
    assert run(code, seconds=2 if "wait" in code else 60).words == words


def test_it_is_run_as_a_module_in_its_folder(run: Run, tmp_path: Path) -> None:
    """With its arguments, its settings, and the folder for temporary files; nothing is imported from there."""
    (tmp_path / "work" / "json.py").write_text("raise RuntimeError('not ours')")
    code = (
        "import json, os, sys, tempfile\n"
        "folders = os.getcwd(), tempfile.gettempdir()\n"
        "print(__name__, sys.argv[1:], *folders, os.environ['SETTING'], sys.flags.no_user_site)"
    )

    ending = run(code, arguments=("a", "b c"))

    work = tmp_path / "work"
    assert ending.lines == (f"__main__ ['a', 'b c'] {work} {work} 1 1",)


def test_the_end_of_a_flood_is_kept(run: Run) -> None:
    """Output is read to its end, errors among it in order, and the last 64 KiB are kept."""
    code = "import sys\nfor n in range(100_000): print(n)\nprint('last', file=sys.stderr)"

    lines = run(code).lines

    assert lines[-2:] == ("99999", "last")
    assert sum(map(len, lines)) <= sandbox.KEPT_BYTES


def test_children_of_the_child_end_with_it(run: Run) -> None:
    """Also those that hold its output open."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()'])\n"
        "print(child.pid)"
    )

    pid = int(run(code).lines[0])

    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_links_and_pipes_are_removed(run: Run, tmp_path: Path) -> None:
    """A result that is a link would have its reader open another file."""
    code = (
        "import os, pathlib\n"
        "pathlib.Path('kept').write_text('1')\n"
        "os.symlink('/etc/hostname', 'result.json'); os.mkfifo('pipe'); os.symlink('..', 'folder')"
    )

    run(code)

    assert [path.name for path in (tmp_path / "work").iterdir()] == ["kept"]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_a_result_that_is_no_json_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    """Whatever a model's code wrote there."""
    (tmp_path / "result.json").write_bytes(content)

    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "result.json")


def test_a_result_that_is_too_large_is_a_value_error(tmp_path: Path) -> None:
    """It is not read."""
    with (tmp_path / "result.json").open("wb") as file:
        file.truncate(sandbox.LARGEST_RESULT_BYTES + 1)

    with pytest.raises(ValueError, match="allowed"):
        read_json(tmp_path / "result.json")


def test_a_result_that_is_a_pipe_is_a_value_error(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "result.json")

    with pytest.raises(ValueError, match="no regular file"):
        read_json(tmp_path / "result.json")
