"""Processes that a killed release left running: found by a note next to its log, and ended by the next rehearsal."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

SUFFIX = ".running.json"


@contextlib.contextmanager
def keep_note(pid: int, log: Path) -> Iterator[None]:
    """Keep a note of a process group's leader, and of this process, its owner, while the block runs."""
    note = log.with_name(f"{log.stem}-{pid}{SUFFIX}")
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended already
        note.write_text(
            json.dumps({"service": _identify_process(pid), "owner": _identify_process(os.getpid())}), encoding="utf-8"
        )
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def end_leftovers(logs: Path) -> int:
    """Kill every noted process group whose owner is gone; return how many."""
    ended = 0
    for note in logs.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError, ValueError, KeyError):  # being written, or cleared by another rehearsal
            said = json.loads(note.read_text(encoding="utf-8"))
            if _is_alive(said["owner"]):
                continue
            if _is_alive(said["service"]):
                os.killpg(said["service"]["pid"], signal.SIGKILL)
                ended += 1
            note.unlink(missing_ok=True)
    return ended


def _identify_process(pid: int) -> dict[str, float]:
    """Return pid and start time: a pid alone may belong to another process by now."""
    return {"pid": pid, "created": psutil.Process(pid).create_time()}


def _is_alive(identity: dict[str, float]) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(identity["pid"]))
        return process.create_time() == identity["created"] and process.status() != psutil.STATUS_ZOMBIE
    return False
