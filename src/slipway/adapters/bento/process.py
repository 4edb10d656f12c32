"""A packaged service as a child process: started, watched, and stopped with its own children."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from slipway.adapters.bento.leftovers import keep_note
from slipway.adapters.bento.serving import serve_command
from slipway.artifacts.model_environment import SERVICE_NAMES, select_inherited
from slipway.domain.release.version import revision_name
from slipway.domain.rollout.revision import Package
from slipway.errors import RevisionFailed
from slipway_interface.headers import REVISION
from slipway_interface.pages import MODEL_READY

HOST = "127.0.0.1"
STOP_SECONDS = 15.0
"""After SIGTERM; nothing is in flight then, so a process that takes longer hangs."""
KILL_SECONDS = 2.0
"""After SIGKILL: the kernel needs a moment, a longer wait would not help."""
POLL_SECONDS = 0.05
PROBE_SECONDS = 1.0
"""A probe waits in the listening socket until the worker is ready; between probes we check that it still runs."""
MEBIBYTE = 1024 * 1024
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*: ")
"""The start of the last line of a traceback."""


class PortTaken(Exception):
    """Another process took the port; try another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProcess:
    """A running package."""

    package: Package
    process: "subprocess.Popen[bytes]"
    port: int
    grpc_port: int
    log: Path

    @property
    def grpc(self) -> str:
        """Its gRPC port."""
        return f"{HOST}:{self.grpc_port}"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    @property
    def name(self) -> str:
        """The revision that it is."""
        return revision_name(self.package.model, self.package.version)

    def measure_memory_mebibytes(self) -> float:
        """Return the resident memory of all its processes; shared pages count in each."""
        total = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            whole = psutil.Process(self.process.pid)
            for one in (whole, *whole.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += one.memory_info().rss
        return total / MEBIBYTE

    def log_lines(self) -> list[str]:
        """Return its log so far, without empty lines."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return [line.rstrip() for line in lines if line.strip()]
        return []

    def read_last_lines(self) -> str:
        """Return the end of its log as one line: the last exception, if there is one, and the last line."""
        lines = self.log_lines() or ["no log"]
        raised = [line for line in lines if _EXCEPTION.match(line)][-1:]
        return " | ".join([*(line[:300] for line in raised if line != lines[-1]), lines[-1][:300]])

    def wait_ready(self, seconds: float) -> None:
        """Wait until it answers its readiness probe; raise RevisionFailed, or PortTaken."""
        deadline = time.monotonic() + seconds
        with httpx.Client(base_url=self.url) as client:
            while not self._probe_readiness(client, min(PROBE_SECONDS, max(POLL_SECONDS, deadline - time.monotonic()))):
                self._check_alive()
                if time.monotonic() > deadline:
                    raise self._make_failed_error(f"not ready after {seconds:g} s")
                time.sleep(POLL_SECONDS)

    def _probe_readiness(self, client: httpx.Client, seconds: float) -> bool:
        try:
            answer = client.get(MODEL_READY, timeout=seconds)
        except httpx.TransportError:
            return False
        if answer.headers.get(REVISION) != self.name:
            raise PortTaken
        return answer.is_success

    def _check_alive(self) -> None:
        """Raise when the server ended: it does when its worker ends before that was ready."""
        if self.process.poll() is None:
            return
        if any("Address already in use" in line for line in self.log_lines()):
            raise PortTaken
        raise self._make_failed_error(f"ended with code {self.process.returncode} before it was ready")

    def _make_failed_error(self, seen: str) -> RevisionFailed:
        return RevisionFailed(
            f"revision {self.name}",
            seen=f"{seen}; last lines: {self.read_last_lines()}",
            expected="a service that answers its readiness probe",
            do=f"read {self.log.name} in the rehearsals folder",
        )


@contextlib.contextmanager
def run_package(package: Package, log: Path, port: int | None = None) -> Iterator[ServiceProcess]:
    """Start a package on a port (None: a free one); at the end all of its processes are stopped."""
    port, grpc_port = port or _find_free_port(), _find_free_port()
    command, additions = serve_command(package.path, HOST, port, grpc_port)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=select_inherited(os.environ, SERVICE_NAMES) | additions,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a process group of its own: stopped whole
        )
    try:
        with keep_note(process.pid, log):
            yield ServiceProcess(package=package, process=process, port=port, grpc_port=grpc_port, log=log)
    finally:
        stop_group(process, STOP_SECONDS)
        shutil.rmtree(additions["BENTOML_HOME"], ignore_errors=True)


def stop_group(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Send SIGTERM to a process group's leader, wait, kill the rest of the group, and wait until it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        _wait_until(lambda: not _is_running(process.pid), seconds)
        # the leader is not reaped yet, so its number can't belong to another group by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _wait_until(lambda: not _is_any_left(process.pid), KILL_SECONDS)


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _is_any_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _is_running(pid: int) -> bool:
    """Return whether a child process still runs, without reaping it."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
