"""The one command that starts a package as a process, wherever it runs."""

import sys
from pathlib import Path


def serve_command(package_path: Path, host: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the argument list that serves a package, and what to add to the environment of its process.

    The process starts one supervisor and one worker as children; SIGTERM to it drains and ends all of them.

    >>> serve_command(Path("store/packages/3f2a"), "127.0.0.1", 3000)[0][1:6]
    ['-m', 'bentoml', 'serve', 'store/packages/3f2a', '--host']
    """
    command = [
        *(sys.executable, "-m", "bentoml", "serve", str(package_path)),
        *("--host", host, "--port", str(port), "--api-workers", "1"),
    ]
    return command, dict(ENVIRONMENT)


ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Nothing is reported to anyone; one thread per revision, as several share the machine; logs come at once."""
