"""The process supervisor of a home: supervisord, which runs Envoy, the revisions and the embedded stack.

It is a daemon of its own, so that serving continues if a flow run or a command line ends. Its socket is in its folder
(see `find_socket`), accessible to its owner only. It starts no program by itself: its caller decides what runs.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from slipway.adapters.local import supervisord_rpc as rpc
from slipway.adapters.local.locks import hold_lock
from slipway.adapters.local.processes import MARK, end_processes, find_marked
from slipway.adapters.local.program import Program, ProgramPhase, ProgramState, format_description, format_section
from slipway.adapters.local.waiting import wait_until
from slipway.artifacts.store import write_atomic
from slipway.errors import TargetUnavailable

START_SECONDS = 20.0
"""Seconds that supervisord may take to answer: it takes 0.5 s on an idle core."""
CALL_SECONDS = 10.0
CONFIGURATION = "supervisord.conf"
LOG_TAIL_BYTES = 65536


class ProcessSupervisor:
    """supervisord of the folder `home`, which holds its configuration, programs, socket and log."""

    def __init__(self, home: Path) -> None:
        """Access nothing yet."""
        self._home = home
        self._programs = home / "programs"
        self._lock = home / "lock"

    @property
    def logs(self) -> Path:
        """The folder of programs' logs."""
        return self._home / "logs"

    def is_running(self) -> bool:
        """Whether supervisord answers."""
        try:
            return self._find_daemon() is not None and bool(
                self._call_supervisord("getState")["statename"] == "RUNNING"
            )
        except TargetUnavailable:
            return False

    def start(self) -> None:
        """Start supervisord, with no program running, unless it runs; raise TargetUnavailable."""
        with hold_lock(self._lock):
            # a slow or ending one is not treated as killed: its programs may serve
            if not wait_until(lambda: self._find_daemon() is None or self.is_running(), START_SECONDS):
                raise rpc.make_unreachable_error("it runs and does not answer")
            if self._find_daemon():
                return
            end_processes(find_marked(str(self._home)))  # of a supervisord that was killed
            self._write_configuration()
            # by its full name, by which `_find_daemon` recognizes it
            command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._home / CONFIGURATION)]
            done = subprocess.run(
                command, cwd=self._home, capture_output=True, text=True, timeout=START_SECONDS, check=False
            )
            if done.returncode or not wait_until(self.is_running, START_SECONDS):
                seen = (done.stderr or done.stdout).strip()[-300:] or "it did not answer"
                raise rpc.make_unreachable_error(seen)

    def end_leftovers(self) -> None:
        """End the processes that a killed supervisord left running; with a running one nothing happens."""
        with hold_lock(self._lock):
            if self._find_daemon() is None:
                end_processes(find_marked(str(self._home)))

    def stop(self, timeout_seconds: float = 60.0) -> None:
        """End every program, then supervisord; kill what is left. Without supervisord: the processes that it left."""
        with hold_lock(self._lock):
            daemon = self._find_daemon()
            if self.is_running():
                self._call_supervisord("shutdown")
            elif daemon:
                daemon.kill()
            if daemon:
                wait_until(lambda: self._find_daemon() is None, timeout_seconds)
                end_processes([daemon])
            # what left its process group, and what a killed supervisord left
            end_processes(find_marked(str(self._home)))
            rpc.remove_socket(self.socket)

    def add(self, program: Program) -> None:
        """Run a program; if it runs with the same description nothing happens, with another one it is replaced."""
        with hold_lock(self._lock):
            described = self._programs / f"{program.name}.json"
            wanted = {
                described: format_description(program, {MARK: str(self._home)}),
                described.with_suffix(".conf"): format_section(program, self._home),
            }
            same = all(path.is_file() and path.read_text() == text for path, text in wanted.items())
            if not same:
                self._remove_program(program.name)
                program.log.parent.mkdir(parents=True, exist_ok=True)
                for path, text in wanted.items():
                    write_atomic(path, text.encode(), mode=0o600)
            self._start_program(program.name)

    def restart(self, name: str) -> None:
        """End a program that was added, and start it again."""
        with hold_lock(self._lock):
            with rpc.ignore_faults(rpc.BAD_NAME, rpc.NOT_RUNNING):
                self._call_supervisord("stopProcess", name, timeout=90.0)
            self._start_program(name)

    def remove(self, name: str) -> None:
        """End a program and remove it; a missing one is no error."""
        with hold_lock(self._lock):
            self._remove_program(name)

    def read_states(self) -> dict[str, ProgramState]:
        """Return the observed state of every program, by name; raise TargetUnavailable."""
        return {info["name"]: self._read_state(info) for info in self._call_supervisord("getAllProcessInfo")}

    def _read_state(self, info: dict[str, Any]) -> ProgramState:
        phase = ProgramPhase(info["statename"])
        return ProgramState(
            name=info["name"],
            phase=phase,
            pid=info["pid"] or None,
            starts=self._count_starts(info["name"]),
            log=self._home / info["stdout_logfile"],
        )

    def find_last_end(self, name: str) -> str:
        """Return how a program last ended by itself, in supervisord's format: `exit status 3`; empty: never."""
        # XML-RPC reports the exit status only of a program that is no longer restarted
        with (self.logs / "supervisord.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - LOG_TAIL_BYTES))
            ends = re.findall(rf"exited: {re.escape(name)} \(([^;)]*)", file.read().decode(errors="replace"))
        return ends[-1] if ends else ""

    def _start_program(self, name: str) -> None:
        added, _, _ = self._call_supervisord("reloadConfig")[0]
        if name in added:
            (self._programs / f"{name}.json.starts").unlink(missing_ok=True)  # of an earlier supervisord
            self._call_supervisord("addProcessGroup", name)
        with rpc.ignore_faults(rpc.ALREADY_STARTED):
            self._call_supervisord("startProcess", name, False)  # noqa: FBT003 - XML-RPC has no names: do not wait

    def _remove_program(self, name: str) -> None:
        with rpc.ignore_faults(rpc.BAD_NAME, rpc.NOT_RUNNING):
            self._call_supervisord("stopProcess", name, timeout=90.0)
        with rpc.ignore_faults(rpc.BAD_NAME):
            self._call_supervisord("removeProcessGroup", name)
        for ending in (".conf", ".json", ".json.starts"):
            (self._programs / f"{name}{ending}").unlink(missing_ok=True)

    def _call_supervisord(self, method: str, *arguments: object, timeout: float = CALL_SECONDS) -> Any:  # noqa: ANN401 - XML-RPC
        with rpc.open_connection(self.socket, timeout) as supervisord:
            return getattr(supervisord, method)(*arguments)

    @property
    def socket(self) -> Path:
        """The path of supervisord's socket."""
        # stored, because the short folder depends on the environment of the process that started it
        noted = self._home / "socket"
        return Path(noted.read_text()) if noted.is_file() else rpc.find_socket(self._home)

    def _write_configuration(self) -> None:
        for folder in (self._programs, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        socket = rpc.find_socket(self._home)
        rpc.make_folder(socket)
        write_atomic(self._home / "socket", str(socket).encode(), mode=0o600)
        # names relative to this folder, where supervisord runs: its format can't hold a blank or `;` in a path
        file = socket.name if socket.parent == self._home else socket
        factory = "supervisor.rpcinterface:make_main_rpcinterface"
        text = (
            f"[unix_http_server]\nfile={file}\nchmod=0600\n"
            "[supervisord]\ndirectory=.\nlogfile=logs/supervisord.log\nloglevel=info\n"
            "pidfile=supervisord.pid\nchildlogdir=logs\numask=077\nnocleanup=true\n"
            f"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory={factory}\n"
            "[include]\nfiles=programs/*.conf\n"
        )
        write_atomic(self._home / CONFIGURATION, text.encode(), mode=0o600)

    def _find_daemon(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int((self._home / "supervisord.pid").read_text()))
            return process if str(self._home / CONFIGURATION) in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _count_starts(self, name: str) -> int:
        try:
            return len((self._programs / f"{name}.json.starts").read_text().splitlines())
        except FileNotFoundError:
            return 0
