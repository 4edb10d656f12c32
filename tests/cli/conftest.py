"""The command line as people run it: a process of its own, in a folder of its own, with free ports."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
START_SECONDS = 90.0
PORTS = ("MLFLOW_PORT", "PREFECT_PORT", "WEBHOOK_PORT", "FRONT_DOOR_PORT", "ENVOY_ADMIN_PORT")


@pytest.fixture
def slipway(tmp_path: Path) -> Run:
    """Return what runs `slipway` with arguments and SLIPWAY_ variables (by their lower-case names)."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        ours = {f"SLIPWAY_{name}": str(port) for name, port in ports.items()}
        given = {f"SLIPWAY_{name.upper()}": value for name, value in settings.items()}
        command = [str(Path(sys.executable).parent / "slipway"), *arguments]
        return subprocess.run(
            command, env=clean | ours | given, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )

    return run


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real MLflow server that may deliver webhooks to this machine; return its address."""
    folder = tmp_path_factory.mktemp("mlflow")
    [port] = free_ports(1)
    command = [sys.executable, "-m", "slipway.stack.mlflow_server", f"sqlite:///{folder}/mlflow.db"]
    command += [str(folder / "artifacts"), "127.0.0.1", str(port)]
    allowed = {
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | allowed, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the group that we started; nothing here is kept
            process.wait()


def wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            if httpx.get(f"{address}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            threading.Event().wait(0.1)
    pytest.fail(f"MLflow did not start: exit code {process.poll()}")


class _Receiver(BaseHTTPRequestHandler):
    """Answers as its address says: /204 with 204, /401 with 401."""

    def do_POST(self) -> None:
        """Answer a delivery."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""


@pytest.fixture(scope="session")
def receiver() -> Iterator[str]:
    """Start an HTTP receiver of webhooks; return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
