"""Processes of this machine: a program's whole group, its memory, and its end."""

import os
from collections.abc import Callable, Iterable

import psutil

MEBIBYTE = 2**20
PROMPT_SECONDS = 5.0
"""Seconds from SIGTERM to SIGKILL for a leftover process."""
MARK = "SLIPWAY_SUPERVISOR"
"""Environment variable of everything that runs under a supervisor: its folder."""


def find_marked(value: str) -> list[psutil.Process]:
    """Return every process that has `MARK=value` in its environment: what a supervisor started, at any depth.

    Processes that left their parent's process group, or lost their parent, are found too. This one and its ancestors
    are left out.
    """
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in ours and _read_mark(process) == value]


def measure_memory_mebibytes(pid: int) -> float | None:
    """Return the resident memory of a process and its descendants; None when it is gone."""
    try:
        leader = psutil.Process(pid)
        tree = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return None
    return sum(map(_read_resident_bytes, tree)) / MEBIBYTE


def find_listener(port: int) -> psutil.Process | None:
    """Return the process that listens on a TCP port of this machine, if the system allows to see it."""
    try:
        listening = [each for each in psutil.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
        pid = next((each.pid for each in listening if each.laddr and each.laddr.port == port), None)
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def end_processes(processes: Iterable[psutil.Process]) -> None:
    """Send SIGTERM, wait, and kill those that did not end."""
    alive = [process for process in processes if process.pid != os.getpid() and process.is_running()]
    for process in alive:
        _call_if_alive(process.terminate)
    _, stubborn = psutil.wait_procs(alive, timeout=PROMPT_SECONDS)
    for process in stubborn:
        _call_if_alive(process.kill)
    psutil.wait_procs(stubborn, timeout=PROMPT_SECONDS)


def _call_if_alive(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.NoSuchProcess:
        return


def _read_mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None  # gone, or another user's


def _read_resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
