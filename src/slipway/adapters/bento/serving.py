"""The one command that starts a package as a process, wherever it runs."""

import sys
from pathlib import Path

DRAIN_SECONDS = 30
"""How long requests in flight may take after SIGTERM."""
KEEP_ALIVE_SECONDS = 3900
"""Longer than routers keep an idle connection (Envoy: an hour): whoever closes first loses no request that is on its
way. uvicorn's own 5 s would lose some at one request every few seconds."""


def serve_command(package_path: Path, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the argument list that serves a package, and what to add to the environment of its process.

    The process is a supervisor with one worker as its child; it restarts the worker when that dies. SIGTERM to it
    drains and ends all. The port is bound before the worker is ready: connections wait meanwhile.

    BENTOML_HOME is a folder for this process alone, made beside the package and free to be removed once it ended:
    a second server with the same one would wipe the first one's metrics when it starts.

    >>> command, environment = serve_command(Path("store/packages/3f2a"), "127.0.0.1", 3000)
    >>> command[1:6]
    ['-m', 'bentoml', 'serve', 'store/packages/3f2a', '--host']
    >>> environment["BENTOML_HOME"]
    'store/packages/.serving-3000'
    """
    command = [
        *(sys.executable, "-m", "bentoml", "serve", str(package_path)),
        *("--host", host, "--port", str(port), "--api-workers", "1"),
        *("--timeout-graceful-shutdown", str(DRAIN_SECONDS), "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)),
    ]
    return command, {**_ENVIRONMENT, "BENTOML_HOME": str(package_path.with_name(f".serving-{port}"))}


_ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Nothing is reported to anyone; one thread per revision, as several share the machine; logs come at once."""
