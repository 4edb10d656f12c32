"""The receiver as a process: `python -m services.webhook.main`."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from services.webhook.signature import ID, SIGNATURE, TIMESTAMP, sign

ROOT = Path(__file__).resolve().parents[3]


def test_without_a_secret_it_says_so_and_ends(tmp_path: Path) -> None:
    """One line, exit code 1, nothing listening."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    command = [sys.executable, "-m", "services.webhook.main"]

    done = subprocess.run(
        command,
        env=clean | {"SLIPWAY_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "the webhook secret: neither SLIPWAY_WEBHOOK_SECRET nor a file" in done.stderr
    assert "Next: run `slipway up`" in done.stderr
    assert "Traceback" not in done.stderr
    assert str(tmp_path) not in done.stderr


def test_it_serves_and_says_when_the_registry_is_down(tmp_path: Path) -> None:
    """Started as the supervisor does; MLflow may come later than the receiver."""
    mlflow, port = free_port(), free_port()
    settings = {
        "SLIPWAY_HOME": str(tmp_path),
        "SLIPWAY_WEBHOOK_SECRET": "shared",
        "SLIPWAY_WEBHOOK_PORT": str(port),
        "SLIPWAY_MLFLOW_PORT": str(mlflow),
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    command = [sys.executable, "-m", "services.webhook.main"]
    with subprocess.Popen(command, env=clean | settings, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}/healthz", process)
            answer = deliver(f"http://127.0.0.1:{port}/webhooks/mlflow")
        finally:
            process.terminate()
            _, log = process.communicate(timeout=30)

    assert (answer.status_code, answer.json()["state"]) == (503, "unavailable")
    assert f"MLflow at http://127.0.0.1:{mlflow}" in answer.json()["reason"]
    assert [line for line in log.splitlines() if "delivery d-1: 503 unavailable" in line]
    assert "shared" not in log


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until_it_answers(url: str, process: subprocess.Popen[str]) -> None:
    """Return once it is healthy; fail when it ends or takes a minute."""
    ends = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ends:
        try:
            assert httpx.get(url, timeout=5).is_success
        except httpx.TransportError:
            threading.Event().wait(0.05)
        else:
            return
    raise AssertionError(process.poll())


def deliver(url: str) -> httpx.Response:
    """Send one signed event."""
    body = b'{"entity": "model_version", "action": "created", "data": {"name": "digits", "version": "1"}}'
    at = str(int(time.time()))
    return httpx.post(url, content=body, headers={ID: "d-1", TIMESTAMP: at, SIGNATURE: sign("shared", "d-1", at, body)})
