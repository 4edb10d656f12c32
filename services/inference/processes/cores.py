"""How many cores this container may use: its limit, not the host's cores."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def read_cpu_limit(root: Path = CGROUP) -> float | None:
    """Return the CPU limit of this control group in cores (v2, or v1); None: there is none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "cpu.max").write_text("150000 100000")
    ...     read_cpu_limit(Path(folder))
    1.5
    """
    try:
        if (root / "cpu.max").is_file():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
        return None if quota in {"max", "-1"} else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def count_usable_cores(root: Path = CGROUP) -> float:
    """Return how many cores may be used: the limit, or 1 without a limit, because others share the machine."""
    cores = read_cpu_limit(root)
    return 1.0 if cores is None else min(cores, float(len(os.sched_getaffinity(0))))
