"""A program under supervision: what is started, and its observed state."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from slipway.adapters.local import launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how to keep it running."""

    name: str
    argv: tuple[str, ...]
    """The first one is a path, or found on PATH."""
    cwd: Path
    log: Path
    """Gets standard output and error; rotated at 10 MB."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the variables from the supervisor's own environment."""
    inherited: tuple[str, ...] | None = None
    """Names of the variables that it gets from the supervisor's environment; None: all of them."""
    start_seconds: int = 1
    """Ending before this is a failed start: tried again after 1, 2, 3 ... s, `start_retries` times."""
    start_retries: int = 3
    grace_seconds: int = 10
    """From SIGTERM to SIGKILL, both to the whole process group."""


class ProgramPhase(StrEnum):
    """supervisord's own states."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    """Runs, for less than `start_seconds`."""
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    """Ended too soon; waits for its next start."""
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    """Ended; about to be started again."""
    FATAL = "FATAL"
    """Ended too soon too often: not started again."""
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """A program's observed state."""

    name: str
    phase: ProgramPhase
    pid: int | None
    starts: int
    """How often it was started since it was added."""
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it has a process."""
        return self.phase in {ProgramPhase.STARTING, ProgramPhase.RUNNING, ProgramPhase.STOPPING}

    def read_last_line(self) -> str:
        """Return the last line it wrote, at most 300 characters; empty when there is none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - 4096))
                lines = file.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def format_description(program: Program, mark: Mapping[str, str]) -> str:
    """Return the program's file for the launcher; `mark` is added to its environment."""
    limited = {} if program.inherited is None else {"inherited": program.inherited}
    described = {"argv": program.argv, "env": {**program.env, **mark}, "cwd": str(program.cwd), **limited}
    return json.dumps(described, indent=1)


def format_section(program: Program, home: Path) -> str:
    """Return the program's part of the configuration of a supervisord that runs in `home`."""
    # the launcher runs in a Python of its own: see there for the reason
    command = [sys.executable, "-S", "-E", launch.__file__, f"programs/{program.name}.json"]
    lines = {
        "command": shlex.join(command),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": program.start_seconds,
        "startretries": program.start_retries,
        "stopwaitsecs": program.grace_seconds,
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": os.path.relpath(program.log, home),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 1,
    }
    text = "".join(f"{key}={str(value).replace('%', '%%')}\n" for key, value in lines.items())
    return f"[program:{program.name}]\n{text}"
