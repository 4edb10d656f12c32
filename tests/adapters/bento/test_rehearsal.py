"""Rehearsals with real `bentoml serve` processes: what they give, how they fail, and that nothing stays."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from slipway.adapters.bento import process
from slipway.adapters.bento.leftovers import end_leftovers
from slipway.adapters.bento.process import PortTaken, run_package
from slipway.adapters.bento.rehearsal import ProcessRehearsal
from slipway.domain.rollout.revision import Package
from slipway.domain.spec.release import RehearsalSpec
from slipway.errors import RevisionFailed

PIXELS = tuple(f"pixel_{i}" for i in range(64))
Predictions = np.ndarray[tuple[int], np.dtype[np.int64]]


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[ProcessRehearsal]:
    """Return a rehearsal; afterwards no process of it may be left."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield ProcessRehearsal(tmp_path / "logs")
    assert not {child.pid for child in psutil.Process().children(recursive=True)} - before


def test_an_onnx_package_answers_as_the_original_does(
    rehearsal: ProcessRehearsal, onnx_package: Package, digits_rows: Path, expected: Predictions
) -> None:
    """One prediction per request, the rows again from the first when they end; time and memory are measured."""
    spec = RehearsalSpec(requests=330)
    began = time.monotonic()

    seen = rehearsal.rehearse(onnx_package, digits_rows, PIXELS, spec)

    took = time.monotonic() - began
    assert seen.predictions.tolist() == [*expected, *expected[:30]]
    assert seen.latencies_milliseconds.shape == (330,)
    assert seen.latencies_milliseconds.min() > 0.01  # seconds would be less
    assert seen.latencies_milliseconds.max() < 1000 * took
    assert 50 < seen.memory_mebibytes < 2000
    assert 0 < seen.ready_seconds < took
    assert not list(onnx_package.path.parent.glob(".serving-*"))


def test_a_pyfunc_package_answers_as_the_original_does(
    rehearsal: ProcessRehearsal, pyfunc_package: Package, digits_rows: Path, expected: Predictions
) -> None:
    """The same door, with MLflow behind it."""
    seen = rehearsal.rehearse(pyfunc_package, digits_rows, PIXELS, RehearsalSpec(requests=20))

    assert seen.predictions.tolist() == expected[:20].tolist()


def test_a_row_that_the_model_fails_on_is_named(
    rehearsal: ProcessRehearsal, fragile_package: Package, tmp_path: Path
) -> None:
    """The first such row stops the rehearsal, with the model's error."""
    rows = tmp_path / "rows.csv"
    rows.write_text("x\n0\n1\n9\n0\n")

    with pytest.raises(RevisionFailed, match=r"digits-v7, row 3: answered 500: .*indices element out of data bounds"):
        rehearsal.rehearse(fragile_package, rows, ("x",), RehearsalSpec(requests=4))


def test_a_row_that_does_not_fit_is_named(
    rehearsal: ProcessRehearsal, fragile_package: Package, tmp_path: Path
) -> None:
    """A missing value is no number."""
    rows = tmp_path / "rows.csv"
    rows.write_text("x,y\n0,1\n,1\n")

    with pytest.raises(RevisionFailed, match=r"row 2: answered 400: .*got null"):
        rehearsal.rehearse(fragile_package, rows, ("x",), RehearsalSpec(requests=2))


def test_a_package_that_is_not_ready_in_time_is_stopped(
    rehearsal: ProcessRehearsal, onnx_package: Package, digits_rows: Path
) -> None:
    """The bound is kept, and the log's last lines are shown."""
    with pytest.raises(RevisionFailed, match=r"not ready after 0.2 s"):
        rehearsal.rehearse(onnx_package, digits_rows, PIXELS, RehearsalSpec(ready_timeout_seconds=0.2))


def test_a_broken_model_fails_at_once(
    rehearsal: ProcessRehearsal, onnx_package: Package, digits_rows: Path, tmp_path: Path
) -> None:
    """Its worker ends; nobody waits for a minute."""
    shutil.copytree(onnx_package.path, tmp_path / "broken")
    model = tmp_path / "broken" / "src" / "model" / "model.onnx"
    model.write_bytes(model.read_bytes()[:200])
    broken = replace(onnx_package, path=tmp_path / "broken")

    with pytest.raises(RevisionFailed, match=r"ended with code 1 before it was ready; last lines: .*can't be loaded"):
        rehearsal.rehearse(broken, digits_rows, PIXELS, RehearsalSpec(ready_timeout_seconds=50))


def test_a_folder_that_is_no_bento_fails_at_once(
    rehearsal: ProcessRehearsal, onnx_package: Package, digits_rows: Path, tmp_path: Path
) -> None:
    """The server ends by itself, and its last lines say why."""
    (tmp_path / "empty").mkdir()
    empty = replace(onnx_package, path=tmp_path / "empty")

    with pytest.raises(RevisionFailed, match="ended with code 1 before it was ready"):
        rehearsal.rehearse(empty, digits_rows, PIXELS, RehearsalSpec())


class _Other(BaseHTTPRequestHandler):
    """Somebody else's server."""

    def do_GET(self) -> None:
        """Answer anything."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_a_port_of_somebody_else_is_not_taken_for_ours(onnx_package: Package, tmp_path: Path) -> None:
    """Another server that answers on the port is told apart by the revision's name."""
    with HTTPServer(("127.0.0.1", 0), _Other) as other, run_package(onnx_package, tmp_path / "log") as service:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        confused = replace(service, port=other.server_port)

        with pytest.raises(PortTaken):
            confused.wait_ready(10)
        other.shutdown()


def test_a_port_that_was_taken_meanwhile_is_noticed(onnx_package: Package, tmp_path: Path) -> None:
    """The server ends as it can't bind; the rehearsal then tries another port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with (
            run_package(onnx_package, tmp_path / "log", port=taken.getsockname()[1]) as service,
            pytest.raises(PortTaken),
        ):
            service.wait_ready(30)


def test_a_request_in_flight_is_answered_after_sigterm(onnx_package: Package, tmp_path: Path) -> None:
    """Half of it had arrived when the service was told to stop; it still gets its answer, then all processes end."""
    row = b'{"inputs":[{"name":"x","shape":[1,64],"datatype":"FP32","data":[' + b",".join([b"1"] * 64) + b"]}]}"
    with run_package(onnx_package, tmp_path / "log") as service:
        service.wait_ready(60)
        children = psutil.Process(service.process.pid).children(recursive=True)

        def halves() -> Iterator[bytes]:
            yield row[:100]
            os.kill(service.process.pid, signal.SIGTERM)
            wait_closed(service.url)
            yield row[100:]

        answer = httpx.post(f"{service.url}/v2/models/digits/infer", content=halves(), timeout=20)
        service.process.wait(20)

    assert answer.status_code == 200
    assert answer.headers["x-slipway-revision"] == "digits-v7"
    assert not [child for child in children if child.is_running()]


def wait_closed(url: str) -> None:
    """Wait until the service refuses new connections (bound: 10 s)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/v2/health/live", timeout=0.5)
        except httpx.ConnectError:
            return
        threading.Event().wait(0.05)
    pytest.fail("still taking connections 10 s after SIGTERM")


def test_what_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A stuck process and its own child are gone after the bound."""
    code = (
        "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    stuck = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    with stuck.stdout or (tmp_path / "none").open("rb") as output:
        child = psutil.Process(int(output.readline()))

    process.stop_group(stuck, 0.2)

    assert stuck.returncode == -signal.SIGKILL
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


ORPHAN = """
import subprocess, sys, time
from pathlib import Path
from slipway.adapters.bento.leftovers import keep_note

service = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with keep_note(service.pid, Path(sys.argv[1]) / "log"):
    print(service.pid, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_release_left_is_ended(tmp_path: Path) -> None:
    """While its owner lives it is left alone; once the owner was killed, the next rehearsal ends it."""
    owner = subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE)
    with owner.stdout or (tmp_path / "none").open("rb") as output:
        service = psutil.Process(int(output.readline()))

    while_alive = end_leftovers(tmp_path)
    owner.kill()
    owner.wait(10)
    afterwards = end_leftovers(tmp_path)
    psutil.wait_procs([service], timeout=5)

    assert (while_alive, afterwards) == (0, 1)
    assert not service.is_running() or service.status() == psutil.STATUS_ZOMBIE
    assert not list(tmp_path.iterdir())
