"""Workers: one module run as a clean process, one request in, one response out, both JSON in a folder of its own.

An error that the worker raises on purpose comes back as itself, by its four parts; anything else is WorkerDied.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slipway import errors

REQUEST, RESPONSE = "request.json", "response.json"
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")
"""What a worker sees of our environment: it may run code from a model file, and has no use for our secrets."""
FIXED = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONHASHSEED": "0",  # converters walk over sets of names: the same model must give the same bytes
    "PYTHONWARNINGS": "ignore",
    "OMP_NUM_THREADS": "1",
}
CARRIED = {kind.__name__: kind for kind in (errors.ArtifactBroken, errors.ConversionRefused, errors.DataBroken)}


class WorkerDied(Exception):
    """The worker ended without a response; the message says how, in one line."""


def call(module: str, request: Mapping[str, Any], folder: Path, timeout_seconds: float) -> dict[str, Any]:
    """Run a worker module on a request and return its response; `folder` is its working directory.

    Raises what the worker raised on purpose, WorkerDied otherwise (a crash, or no end within the timeout).
    """
    (folder / REQUEST).write_text(json.dumps(request))
    (folder / RESPONSE).unlink(missing_ok=True)
    code, last_line = _run(module, folder, timeout_seconds)
    try:
        response = json.loads((folder / RESPONSE).read_text())
    except (OSError, ValueError) as error:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        message = f"its process ended with {how}; last line: {last_line}"
        raise WorkerDied(message) from error
    if "error" in response:
        parts = response["error"]
        raise CARRIED[parts.pop("kind")](**parts)
    return dict(response)


def _run(module: str, folder: Path, timeout_seconds: float) -> tuple[int, str]:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | FIXED
    with subprocess.Popen(
        # -P: nothing is imported from the working directory, -s: nor from the user's own packages
        [sys.executable, "-P", "-s", "-m", module],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            _, shown = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired as error:
            message = f"no answer within {timeout_seconds:g} s"
            raise WorkerDied(message) from error
        finally:
            _end(process)
    lines = shown.decode(errors="replace").strip().splitlines()
    return process.returncode, lines[-1][:200] if lines else "nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the worker's process group: its own children included."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended, and so did its children
        return


def serve(handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Be a worker: answer the request that lies in the working directory."""
    try:
        response = handler(json.loads(Path(REQUEST).read_text()))
    except tuple(CARRIED.values()) as error:
        parts = {"what": error.what, "seen": error.seen, "expected": error.expected, "do": error.do}
        response = {"error": {"kind": type(error).__name__, **parts}}
    Path(RESPONSE).write_text(json.dumps(response))


def one_line(error: BaseException, limit: int = 200) -> str:
    """Say an error in one line: its first words and, where another error caused it, that one's.

    >>> one_line(ValueError("not   like this"))
    'not like this'
    """
    words, cause = _words(error), error
    while following := cause.__cause__ or cause.__context__:
        cause = following
    root = _words(cause)
    if cause is error or root in words[:limit]:
        return words[:limit]
    return f"{words[: limit // 2]}... ({root[:limit]})"


def _words(error: BaseException) -> str:
    """Say an error; one of the operating system's without its path, which tells of this machine only."""
    words = error.strerror or "" if isinstance(error, OSError) else str(error)
    return " ".join(words.split()) or type(error).__name__
