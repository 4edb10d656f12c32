"""The one command that starts a package as a process, wherever it runs."""

import sys
from pathlib import Path

DRAIN_SECONDS = 30
"""How long requests in flight may take after SIGTERM."""


def serve_command(
    package_path: Path, host: str, port: int, grpc_port: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return the argument list that serves a package, and what to add to the environment of its process.

    It serves gRPC where it is given a port for that.

    The process is a supervisor with one worker as its child; it replaces the worker when that dies. SIGTERM to it
    drains and ends all. The port is bound before the worker is ready: connections wait meanwhile. The service's source
    is the package's own, whatever lies in the working directory.

    BENTOML_HOME is a folder for this process alone, made beside the package when somebody asks for one of BentoML's
    pages, and free to be removed once it ended.

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
"""Nothing is reported to anyone; one thread per revision, as several share the machine; logs come at once."""
