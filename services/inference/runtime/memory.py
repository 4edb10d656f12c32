"""How much memory is free for another process: within the container's limit, and on the machine."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
KIBIBYTE = 1024


def read_available_bytes(root: Path = CGROUP, meminfo: Path = MEMINFO) -> int:
    r"""Return the bytes that are free within the control group's limit (v2 or v1) and on the machine; 0: unknown.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "memory.max").write_text("1000000")
    ...     _ = Path(folder, "memory.current").write_text("600000")
    ...     _ = Path(folder, "memory.stat").write_text("anon 400000\ninactive_file 100000\n")
    ...     _ = Path(folder, "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    ...     read_available_bytes(Path(folder), Path(folder, "meminfo"))
    500000
    """
    machine = _read_entry(meminfo, "MemAvailable:") * KIBIBYTE
    for limit, used, stat in (
        (root / "memory.max", root / "memory.current", root / "memory.stat"),
        (
            root / "memory" / "memory.limit_in_bytes",
            root / "memory" / "memory.usage_in_bytes",
            root / "memory" / "memory.stat",
        ),
    ):
        try:
            left = int(limit.read_text()) - int(used.read_text()) + _read_entry(stat, "inactive_file")
        except (OSError, ValueError):  # not there, or "max"
            continue
        return max(0, min(machine, left))
    return machine


def read_resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, shared pages included; 0: there is no such process.

    >>> read_resident_bytes(os.getpid()) > 1_000_000
    True
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _read_entry(path: Path, name: str) -> int:
    """Return the number after a name; 0: the name is missing."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)
