"""Prefect's embedded server does not wait a minute for a lock of its own database."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slipway.adapters.local.ports import find_free_port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Return the address of a real server whose database lies in the test's folder."""
    port = find_free_port("127.0.0.1")
    command = [sys.executable, "-m", "slipway.stack.prefect_server", "--host", "127.0.0.1", "--port", str(port)]
    env = os.environ | {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}/api"
    try:
        ends = time.monotonic() + 120
        while not _healthy(address):
            assert time.monotonic() < ends, (tmp_path / "server.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=1).is_success
    except httpx.HTTPError:
        return False


def test_a_locked_database_is_told_soon_and_tried_again(server: str, tmp_path: Path) -> None:
    """While somebody holds the lock a write is answered 503, which Prefect's clients retry; afterwards it works."""
    lock = sqlite3.connect(tmp_path / "prefect.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    refused = httpx.post(f"{server}/flows/", json={"name": "locked"}, timeout=40)
    lock.execute("ROLLBACK")
    lock.close()
    accepted = httpx.post(f"{server}/flows/", json={"name": "locked"}, timeout=40)

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert accepted.status_code == httpx.codes.CREATED
