"""Keeps the workers of one server running: starts them, replaces one that dies, and ends them on SIGTERM.

It imports very little, because it stays in memory beside its workers. The port is bound before the first worker is
ready, and connections wait meanwhile. If a worker ends before it was ever ready, the server ends with its reason; one
that was ready is replaced, while the others continue.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from services.inference.telemetry.shared_counters import FOLDER, SLOT

READY_SUFFIX = ".ready"
"""Suffix of the file that a worker makes in the server's folder when it is ready."""
LISTENING_FD = "SLIPWAY_FD"
"""The descriptor of the listening socket."""
RESTARTS, WITHIN_SECONDS = 5, 60.0
"""If workers of one slot die so often in this time, the server ends, so that whatever started it notices."""
BACKLOG = 2048
GRACE_SECONDS = 5.0
"""After the drain time, before a worker that does not end is killed."""


@dataclass(slots=True, kw_only=True)
class ServerPlan:
    """What the server runs."""

    host: str
    port: int
    workers: int
    drain_seconds: float
    arguments: tuple[str, ...]
    """Arguments of each worker's command line."""


@dataclass(slots=True)
class _Slot:
    """One worker's slot, which its replacements take over."""

    name: str
    process: "subprocess.Popen[bytes] | None" = None
    ends: list[float] = field(default_factory=list)
    """When workers of this slot ended lately."""


class Supervisor:
    """One server: a listening socket, a folder that its workers share, and the workers."""

    def __init__(self, plan: ServerPlan) -> None:
        """Start with nothing running."""
        self._plan = plan
        self._slots = [_Slot(f"worker-{number}") for number in range(plan.workers)]
        self._ending = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until a worker can't be kept running; return the exit code."""
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder, self._bind() as self._listening_socket:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._end)
            for slot in self._slots:
                self._start(slot, Path(folder))
            return self._watch(Path(folder))

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._plan.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._plan.host, self._plan.port))
        except OSError as error:
            message = (
                f"{self._plan.host}:{self._plan.port} can't be listened on: {error.strerror}; choose another --port"
            )
            raise SystemExit(message) from error
        listening.listen(BACKLOG)
        listening.set_inheritable(True)
        return listening

    def _start(self, slot: _Slot, folder: Path) -> None:
        (folder / f"{slot.name}{READY_SUFFIX}").unlink(missing_ok=True)
        additions = {LISTENING_FD: str(self._listening_socket.fileno()), FOLDER: str(folder), SLOT: slot.name}
        slot.process = subprocess.Popen(
            [sys.executable, "-m", "services.inference.processes.worker", *self._plan.arguments],
            env=os.environ | additions,
            pass_fds=[self._listening_socket.fileno()],
        )

    def _watch(self, folder: Path) -> int:
        """Wait for workers to end; replace them, or end the server."""
        code = 0
        while any(slot.process is not None for slot in self._slots):
            pid, status = os.wait()
            slot = next((one for one in self._slots if one.process is not None and one.process.pid == pid), None)
            if slot is None or slot.process is None:  # an adopted orphan: this is a container's first process
                continue
            ended = os.waitstatus_to_exitcode(status)
            slot.process.returncode, slot.process = ended, None
            if self._ending:
                code = code or max(0, ended)
            elif self._is_worth_replacing(slot, folder):
                _log_line(f"{slot.name} ended with code {ended}; another one takes its place")
                self._start(slot, folder)
            else:
                _log_line(f"{slot.name} ended with code {ended}; giving up")
                code = ended if ended > 0 else 1
                self._end()
        return code

    def _is_worth_replacing(self, slot: _Slot, folder: Path) -> bool:
        """Return whether a worker that ended was ready before, and workers of its slot don't end too often."""
        now = time.monotonic()
        slot.ends = [one for one in slot.ends if now - one < WITHIN_SECONDS] + [now]
        return (folder / f"{slot.name}{READY_SUFFIX}").exists() and len(slot.ends) < RESTARTS

    def _end(self, *_: object) -> None:
        """Ask all workers to end; those that don't in time are killed."""
        if not self._ending:
            self._ending = True
            self._listening_socket.close()  # or connections would be accepted that no worker takes
            signal.signal(signal.SIGALRM, self._kill)
            signal.setitimer(signal.ITIMER_REAL, self._plan.drain_seconds + GRACE_SECONDS)
        self._signal(signal.SIGTERM)

    def _kill(self, *_: object) -> None:
        _log_line("not all workers ended in time; killing them")
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        for slot in self._slots:
            if slot.process is not None:
                slot.process.send_signal(number)


def _log_line(text: str) -> None:
    print(f"slipway supervisor: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the server's log is what it prints
