"""The command that starts a package as a process, the same on every target."""

import sys
from pathlib import Path

DRAIN_SECONDS = 30
"""Seconds that requests in flight may take after SIGTERM."""


def serve_command(
    package_path: Path, host: str, port: int, grpc_port: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return the argument list that serves a package, and the variables to add to its environment.

    It serves gRPC if it is given a port for that.

    The process is a supervisor with one worker as its child; it replaces the worker when that ends. SIGTERM to it
    drains and ends all. The port is bound before the worker is ready: connections wait meanwhile. The service's source
    is the package's own, whatever is in the working directory.

    BENTOML_HOME is a folder for this process alone, created next to the package when one of BentoML's pages is
    requested; it may be removed once the process ended.

    >>> command, environment = serve_command(Path("/store/packages/3f2a"), "127.0.0.1", 3000)
    >>> command[1:]
    ['-m', 'services.inference', '--host', '127.0.0.1', '--port', '3000', '--workers', '1', '--drain-seconds', '30']
    >>> environment["PYTHONPATH"], environment["BENTOML_HOME"]
    ('/store/packages/3f2a/src', '/store/packages/.serving-3000')
    """
    command = [
        *(sys.executable, "-m", "services.inference", "--host", host, "--port", str(port)),
        *("--workers", "1", "--drain-seconds", str(DRAIN_SECONDS)),
        *([] if grpc_port is None else ["--grpc-port", str(grpc_port)]),
    ]
    own = {
        "PYTHONPATH": str(package_path.absolute() / "src"),
        "PYTHONSAFEPATH": "1",
        "BENTOML_HOME": str(package_path.with_name(f".serving-{port}")),
    }
    return command, _ENVIRONMENT | own


_ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""No usage is reported; one thread per revision, because several share the machine; logs are not buffered."""
