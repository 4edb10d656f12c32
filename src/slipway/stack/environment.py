"""The environment of every process of the stack: the same home, the same servers, no telemetry."""

import os
from itertools import chain
from pathlib import Path

from pydantic import SecretStr

from slipway.platforms import find_platform
from slipway.project import find_project
from slipway.settings import Settings

QUIET = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
"""No usage is reported."""


def make_environment(settings: Settings, root: Path | None = None) -> dict[str, str]:
    """Return the variables that child processes need; `root` is the project's folder (default: as for `up`)."""
    group = find_platform(settings.target).settings
    values = chain(settings, group() if group else ())
    ours = {f"SLIPWAY_{name.upper()}": _format_setting(value) for name, value in values if value not in (None, "")}
    direct = {settings.host, "localhost", "127.0.0.1", *filter(None, os.environ.get("NO_PROXY", "").split(","))}
    return {
        **QUIET,
        **ours,
        "SLIPWAY_ROOT": str(root or find_project(Path.cwd())),
        "MLFLOW_TRACKING_URI": settings.mlflow,
        "PREFECT_API_URL": settings.prefect,
        "PREFECT_HOME": str(settings.stack_home / "prefect"),
        "NO_PROXY": ",".join(sorted(direct)),
        "no_proxy": ",".join(sorted(direct)),
        "PYTHONUNBUFFERED": "1",
    }


def _format_setting(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.absolute() if isinstance(value, Path) else value)  # the process runs in another folder
