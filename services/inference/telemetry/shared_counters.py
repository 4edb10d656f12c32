"""Counters that all workers of a server write and any of them reads: one mapped file of float64 numbers per worker.

A write is an addition in memory. A worker that died leaves its counts; its replacement continues them, so counters
never decrease.
"""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = "SLIPWAY_RUN"
"""The folder that the workers of one server share; the supervisor makes it."""
SLOT = "SLIPWAY_SLOT"
"""This worker's name among them; its replacement has the same."""
SUFFIX = ".cells"
_OWNER = 0
"""Index of the writing process' id."""
_WIDTH = 8


class SharedCounters:
    """One worker's counters.

    >>> cells = SharedCounters(None, "0", 3)
    >>> cells.values[1] += 2
    >>> SharedCounters.sum_workers(None, cells).tolist()
    [0.0, 2.0, 0.0]
    """

    def __init__(self, folder: Path | None, slot: str, size: int) -> None:
        """Open the slot's file in `folder` with its counts; without a folder the counters are this process' own."""
        whole = (1 + size) * _WIDTH
        if folder is None:
            self._memory: bytearray | mmap.mmap = bytearray(whole)
        else:
            path = folder / f"{slot}{SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(descriptor).st_size != whole:  # new, or written by another version
                    os.ftruncate(descriptor, 0)
                    os.ftruncate(descriptor, whole)
                self._memory = mmap.mmap(descriptor, whole)
            finally:
                os.close(descriptor)
        everything = memoryview(self._memory).cast("d")
        everything[_OWNER] = float(os.getpid())
        self.values = everything[1:]

    @staticmethod
    def sum_workers(folder: Path | None, own: "SharedCounters", live: Sequence[int] = ()) -> NDArray[np.float64]:
        """Return the sums over all workers, shape (size,); the counters `live` only over running ones."""
        sums = np.array(own.values)
        for path in folder.glob(f"*{SUFFIX}") if folder is not None else ():
            numbers = np.fromfile(path, dtype=np.float64)
            pid = int(numbers[_OWNER]) if numbers.size == len(sums) + 1 else 0
            if not pid or pid == os.getpid():
                continue
            others = numbers[1:]
            if live and not _is_running(pid):
                others[list(live)] = 0
            sums += others
        return sums


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process, so not a worker
        return False
    return True
