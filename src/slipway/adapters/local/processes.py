"""Processes of this machine: a program's whole group, its memory, and its end."""

import os
from collections.abc import Callable, Iterable

import psutil

MEBIBYTE = 2**20
PROMPT_SECONDS = 5.0
"""From asking a leftover to end to ending it by force."""
SAME_START_SECONDS = 5.0
"""A pid was given to another process when it began this far from the noted start."""


def group_of(pid: float) -> list[psutil.Process]:
    """Return the process, its descendants, and all others of its process group."""
    try:
        leader = psutil.Process(int(pid))
        found = {leader, *leader.children(recursive=True)}
    except psutil.Error:
        found = set()
    found |= {process for process in psutil.process_iter() if _group(process) == int(pid)}
    return list(found)


def memory_mebibytes(pid: int) -> float | None:
    """Return the resident memory of a process and its descendants; None when it is gone."""
    try:
        leader = psutil.Process(pid)
        tree = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return None
    return sum(map(_resident, tree)) / MEBIBYTE


def is_same(pid: int, started_at: float) -> bool:
    """Whether `pid` is still the process that was started at this moment (Unix seconds)."""
    try:
        return abs(psutil.Process(pid).create_time() - started_at) < SAME_START_SECONDS
    except psutil.Error:
        return False


def listener(port: int) -> psutil.Process | None:
    """Return who listens on a TCP port of this machine, where the system lets us know."""
    try:
        listening = [each for each in psutil.net_connections(kind="tcp") if each.status == psutil.CONN_LISTEN]
        pid = next((each.pid for each in listening if each.laddr and each.laddr.port == port), None)
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def end(processes: Iterable[psutil.Process]) -> None:
    """Ask them to end, wait, and end by force those that did not."""
    alive = [process for process in processes if process.pid != os.getpid() and process.is_running()]
    for process in alive:
        _quietly(process.terminate)
    _, stubborn = psutil.wait_procs(alive, timeout=PROMPT_SECONDS)
    for process in stubborn:
        _quietly(process.kill)
    psutil.wait_procs(stubborn, timeout=PROMPT_SECONDS)


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.NoSuchProcess:
        return


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except OSError:
        return None


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
