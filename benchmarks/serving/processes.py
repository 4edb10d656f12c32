"""Servers as processes: started on a core, waited for, counted, and ended with all that they started."""

import contextlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import psutil

HOST = "127.0.0.1"
READY_SECONDS = 120
"""The slowest takes some seconds; so long means that something hangs."""
POLL_SECONDS = 0.01
STOP_SECONDS = 15
ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "true",
    "CUDA_VISIBLE_DEVICES": "-1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""The same for every server: one thread of computing, no GPU, nothing told to anyone."""


class ServerFailed(Exception):
    """A server did not start, or did not answer as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a server is started."""

    words: Sequence[str]
    folder: Path
    """Its working directory; its log lies there, too."""
    port: int
    ready: str
    """A path that answers 200 once requests are."""
    environment: Mapping[str, str]
    grpc_port: int = 0
    """Where it answers over gRPC; 0: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running server."""

    pid: int
    url: str
    start_seconds: float
    """From its start to its first 200."""

    def tree(self) -> list[psutil.Process]:
        """Return its processes, itself first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self.pid)
            return [leader, *leader.children(recursive=True)]
        return []

    def cpu_seconds(self) -> dict[int, float]:
        """Return what each of its processes has computed so far."""
        used = {}
        for one in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                used[one.pid] = times.user + times.system
        return used

    def memory(self) -> dict[str, float]:
        """Return megabytes of the largest process (resident; its own, USS; its share, PSS), and all shares."""
        found = []
        for one in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                found.append(one.memory_full_info())
        largest = max(found, key=lambda one: one.uss)
        return {
            "worker_rss": largest.rss / 1e6,
            "worker_uss": largest.uss / 1e6,
            "worker_pss": largest.pss / 1e6,
            "all_pss": sum(one.pss for one in found) / 1e6,
            "processes": len(found),
        }


@contextlib.contextmanager
def running(command: Command, cores: Sequence[int]) -> Iterator[Process]:
    """Start a server on some cores and wait until it is ready; at the end nothing that it started is left."""
    log = command.folder / "log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned(cores), *command.words],
            cwd=command.folder,
            env=os.environ | ENVIRONMENT | command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_ready(process, command, log)
        start_seconds = time.monotonic() - began
        yield Process(pid=process.pid, url=f"http://{HOST}:{command.port}", start_seconds=start_seconds)
    finally:
        stop(process)


def pinned(cores: Sequence[int]) -> list[str]:
    """Return the words before a command that keep it on some cores."""
    return ["taskset", "-c", ",".join(map(str, cores))]


def _wait_ready(process: "subprocess.Popen[bytes]", command: Command, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(command.port, command.ready):
        if process.poll() is not None or time.monotonic() > deadline:
            end = " | ".join(log.read_text(errors="replace").strip().splitlines()[-8:])
            seen = "not ready" if process.returncode is None else f"ended with code {process.returncode}"
            raise ServerFailed(f"{process.args}: {seen}; expected 200 from {command.ready}; its log ends: {end}")
        time.sleep(POLL_SECONDS)


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)  # a client of httpx takes longer than a start
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server and whatever it started, each by its id."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(process.pid)
        family = leader.children(recursive=True)
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    if process.poll() is None:
        process.kill()
    process.wait()
    psutil.wait_procs(family, timeout=STOP_SECONDS)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
