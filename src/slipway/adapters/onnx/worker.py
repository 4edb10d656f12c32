"""Workers: one module run as a clean process, one request in, one response out, both JSON in a folder of its own.

An error that the worker raises on purpose comes back as itself, by its four parts; anything else is WorkerDied.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slipway import errors
from slipway.artifacts import sandbox

REQUEST, RESPONSE = "request.json", "response.json"
SETTINGS = {
    "PYTHONHASHSEED": "0",  # converters walk over sets of names: the same model must give the same bytes
    "PYTHONWARNINGS": "ignore",
    "OMP_NUM_THREADS": "1",
}
CARRIED = {kind.__name__: kind for kind in (errors.ArtifactBroken, errors.ConversionRefused, errors.DataBroken)}


class WorkerDied(Exception):
    """The worker ended without a response; the message describes how, in one line."""


def call_worker(module: str, request: Mapping[str, Any], folder: Path, timeout_seconds: float) -> dict[str, Any]:
    """Run a worker module on a request and return its response; `folder` is its working directory.

    Raises what the worker raised on purpose, WorkerDied otherwise (a crash, or no end within the timeout).
    """
    (folder / REQUEST).write_text(json.dumps(request))
    (folder / RESPONSE).unlink(missing_ok=True)
    ending = sandbox.run_module(module, [], folder, timeout_seconds, SETTINGS)
    if ending.code is None:
        message = f"no answer within {timeout_seconds:g} s"
        raise WorkerDied(message)
    try:
        response = _read_response(folder / RESPONSE)
    except (OSError, ValueError) as error:
        how = f"signal {-ending.code}" if ending.code < 0 else f"exit code {ending.code}"
        message = f"its process ended with {how}; last line: {[*ending.lines, 'nothing'][-1][:200]}"
        raise WorkerDied(message) from error
    return response


def _read_response(path: Path) -> dict[str, Any]:
    """Return a worker's response, or raise the error that it is; raise OSError or ValueError for anything else."""
    response = sandbox.read_json(path)
    if not isinstance(response, dict):
        message = "no mapping"
        raise ValueError(message)  # noqa: TRY004 - what is in a file is a value
    if "error" not in response:
        return response
    try:
        parts = response["error"]
        kind, parts = CARRIED[parts["kind"]], {name: str(parts[name]) for name in ("what", "seen", "expected", "do")}
    except (KeyError, TypeError) as error:
        message = "an error without its parts"
        raise ValueError(message) from error
    raise kind(**parts)


def serve_request(handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Be a worker: answer the request that lies in the working directory."""
    try:
        response = handler(json.loads(Path(REQUEST).read_text()))
    except tuple(CARRIED.values()) as error:
        parts = {"what": error.what, "seen": error.seen, "expected": error.expected, "do": error.do}
        response = {"error": {"kind": type(error).__name__, **parts}}
    Path(RESPONSE).write_text(json.dumps(response))


def describe_in_one_line(error: BaseException, limit: int = 200) -> str:
    """Say an error in one line: its first words and, where another error caused it, that one's.

    >>> describe_in_one_line(ValueError("not   like this"))
    'not like this'
    """
    words, cause = _describe_error(error), error
    while following := cause.__cause__ or cause.__context__:
        cause = following
    root = _describe_error(cause)
    if cause is error or root in words[:limit]:
        return words[:limit]
    return f"{words[: limit // 2]}... ({root[:limit]})"


def _describe_error(error: BaseException) -> str:
    """Describe an error; one of the operating system's without its path, which only matters on this machine."""
    words = error.strerror or "" if isinstance(error, OSError) else str(error)
    return " ".join(words.split()) or type(error).__name__
