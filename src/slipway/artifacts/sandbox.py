"""One clean child process for a model: a module of ours, in a folder, with a short environment and a time limit.

The child does not see our secrets, writes into a folder of its own, and is killed with all its processes at the end.
It keeps its user's rights: docs/limits.md says what that means. `python -m slipway.artifacts.sandbox` is the child's
side.
"""

import ctypes
import json
import math
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from slipway.artifacts.bounded import read_bounded
from slipway.artifacts.model_environment import select_inherited

FIXED = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONUNBUFFERED": "1",  # what was written before a crash is kept, in order
}
KEPT_BYTES = 64 * 1024
"""How much of the end of a child's output is kept."""
LARGEST_RESULT_BYTES = 64 << 20
"""Of a JSON document that a child leaves."""
DRAIN_SECONDS = 1.0
"""How long output may still arrive after the process group was killed: a process that left the group may hold it."""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a child ended, and the end of what it wrote."""

    code: int | None
    """Exit code; negative: the signal that ended it; None: killed for taking too long."""
    seconds: float
    """Its time limit."""
    lines: tuple[str, ...] = ()
    """Its last lines of output, without blank ones."""

    @property
    def words(self) -> str:
        """Return how it ended, as the end of a sentence.

        >>> Ending(code=-9, seconds=60).words, Ending(code=None, seconds=60).words
        ('was ended by SIGKILL', 'took longer than 60 s')
        """
        if self.code is None:
            return f"took longer than {self.seconds:g} s"
        if self.code < 0:
            names = {one.value: one.name for one in signal.Signals}  # real-time signals have none
            return f"was ended by {names.get(-self.code, f'signal {-self.code}')}"
        return f"ended with code {self.code} and no answer"


def run_module(
    module: str, arguments: Sequence[str], folder: Path, seconds: float, settings: Mapping[str, str]
) -> Ending:
    """Run `python -m module arguments` in a folder, for so many seconds at most, and return how it ended.

    `settings` are added to its environment; temporary files go into the folder. Afterwards no process of its group is
    left, and the folder holds plain files and folders only.
    """
    process = _start_process(module, arguments, folder.absolute(), seconds, settings)
    tail = _Tail(process.stdout)
    try:
        code: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with suppress(ProcessLookupError, PermissionError):  # the group is gone when its last process is
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _remove_links(folder)
    return Ending(code=code, seconds=seconds, lines=tail.read_lines())


def _start_process(
    module: str, arguments: Sequence[str], folder: Path, seconds: float, settings: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    # -P: nothing is imported from the working folder. -s: nor from what is installed for this user alone; images and
    # other machines don't have it, so a gate that passes with it would say nothing about them
    command = [sys.executable, "-P", "-s", "-m", __name__, str(seconds), module, *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=select_inherited(os.environ) | FIXED | {"TMPDIR": str(folder), **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a process group of its own, which is killed whole
    )


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON document that a child left; raise OSError or ValueError: missing, too large, no JSON, too deep."""
    try:
        return json.loads(read_bounded(path, LARGEST_RESULT_BYTES))
    except RecursionError as error:
        message = "nested too deep"
        raise ValueError(message) from error


class _Tail:
    """Reads a pipe to its end and keeps the last KEPT_BYTES, so that a child may write any amount."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._pipe, self._kept = pipe, b""
        self._thread = threading.Thread(target=self._read_pipe, daemon=True)
        self._thread.start()

    def _read_pipe(self) -> None:
        if self._pipe is None:
            return
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), KEPT_BYTES):
                self._kept = (self._kept + chunk)[-KEPT_BYTES:]

    def read_lines(self) -> tuple[str, ...]:
        self._thread.join(DRAIN_SECONDS)
        text = self._kept.decode(errors="replace")
        return tuple(line.strip() for line in text.splitlines() if line.strip())


def _remove_links(folder: Path) -> None:
    """Remove what is neither a file nor a folder, so that no result that is read next is a link to another file."""
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent) / name for name in (*folders, *files)):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                path.unlink(missing_ok=True)


def main(seconds: float, module: str, arguments: Sequence[str]) -> None:
    """Be the child: run a module as `python -m` would, and end with the process that started this one.

    The kernel ends it at once if its parent is killed (on Linux), else when its time is up.
    """
    signal.alarm(math.ceil(seconds) + 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], sys.argv[3:])
