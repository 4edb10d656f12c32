"""Closed-loop load by `wrk`: so many connections, each of which asks again when it was answered."""

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.asking import Form
from benchmarks.serving.processes import Process, ServerFailed, pinned

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A form of request on disk, sent from one core."""

    form: Form
    folder: Path
    """Of its bodies."""
    core: int

    def run(self, process: Process, connections: int, seconds: int) -> dict[str, Any]:
        """Ask for some seconds; return the rate, latencies in ms, and what server and client computed meanwhile.

        `refused` counts answers that were not 200, which are in no rate. Raises ServerFailed where a connection broke.
        """
        headers = [word for pair in self.form.headers.items() for word in pair]
        command = [
            *(*pinned([self.core]), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"),
            *("-s", str(SCRIPT), process.url, "--", str(self.folder), self.form.path, *headers),
        ]
        before, children = process.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        after, now = process.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        line = next((line for line in done.stdout.splitlines() if line.startswith("WRK ")), None)
        if line is None:
            raise ServerFailed(f"wrk said nothing: {done.stdout[-300:]} {done.stderr[-300:]}")
        said = json.loads(line.removeprefix("WRK "))
        what = f"{self.form.path}, {self.form.name}, {connections} connections: {said}; expected only 200"
        accepted = said["requests"] - said["not_2xx"]
        if said["broken"] or not accepted:
            raise ServerFailed(what)
        wall = said["microseconds"] / 1e6
        by_process = [after[pid] - before.get(pid, 0.0) for pid in after]
        client = now.ru_utime + now.ru_stime - children.ru_utime - children.ru_stime
        return {
            "rps": accepted / wall,
            **{name: said[name] for name in ("p50", "p90", "p99")},
            "cpu_us": 1e6 * sum(by_process) / accepted,
            "refused": said["not_2xx"],
            "server_cores": sum(by_process) / wall,
            "client_cores": client / wall,
            "largest_share": max(by_process) / sum(by_process) if sum(by_process) else 1.0,
        }
