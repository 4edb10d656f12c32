"""The parts of the stack, as programs with their ports, environment and probes."""

import sys
from functools import partial
from pathlib import Path

from slipway.adapters.local.plan import PartPlan, Port, Probe
from slipway.adapters.local.program import Program
from slipway.platforms import find_platform
from slipway.settings import Settings
from slipway.stack import prefect_when_ready, secrets
from slipway.stack.environment import make_environment

WORKER_POLL_SECONDS = "1"
"""Seconds between the worker's polls for runs: the release lead time contains half of it."""


def make_plans(settings: Settings, root: Path) -> list[PartPlan]:
    """Return the parts to run, slowest first; servers of the user's own are left out."""
    programs = find_platform(settings.target).programs
    wanted = [*(programs(settings) if programs else ()), _plan_webhook(settings, root), _plan_worker(settings, root)]
    if not settings.mlflow_uri:
        wanted.insert(0, _plan_mlflow(settings, root))
    if not settings.prefect_api:
        wanted.insert(0, _plan_prefect(settings, root))
    return wanted


def deploy_command(settings: Settings, root: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that deploys everything in prefect.yaml, and its environment."""
    command = _make_python_command("slipway.stack.prefect_when_ready", "--no-prompt", "deploy", "--all")
    return command, make_environment(settings, root)


def _plan_prefect(settings: Settings, root: Path) -> PartPlan:
    argv = _make_python_command(
        "slipway.stack.prefect_server", "--host", settings.host, "--port", str(settings.prefect_port)
    )
    return PartPlan(
        name="prefect",
        program=partial(_make_program, settings, root, "prefect", argv),
        ports=(Port(number=settings.prefect_port, setting="SLIPWAY_PREFECT_PORT"),),
        probe=Probe(port=settings.prefect_port, path="/api/health"),
        address=f"http://{settings.host}:{settings.prefect_port}",
    )


def _plan_mlflow(settings: Settings, root: Path) -> PartPlan:
    return PartPlan(
        name="mlflow",
        program=partial(_make_mlflow_program, settings, root),
        ports=(Port(number=settings.mlflow_port, setting="SLIPWAY_MLFLOW_PORT"),),
        probe=Probe(port=settings.mlflow_port, path="/health"),
        address=settings.mlflow,
    )


def _make_mlflow_program(settings: Settings, root: Path) -> Program:
    home = settings.stack_home / "mlflow"
    home.mkdir(parents=True, exist_ok=True)
    argv = _make_python_command(
        "slipway.stack.mlflow_server",
        *(f"sqlite:///{home / 'mlflow.db'}", str(home / "artifacts"), settings.host, str(settings.mlflow_port)),
    )
    # the receiver listens on this machine without TLS, which MLflow refuses by default
    webhooks = {
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": secrets.load_encryption_key(settings),
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return _make_program(settings, root, "mlflow", argv, webhooks)


def _plan_webhook(settings: Settings, root: Path) -> PartPlan:
    return PartPlan(
        name="webhook",
        program=partial(_make_webhook_program, settings, root),
        ports=(Port(number=settings.webhook_port, setting="SLIPWAY_WEBHOOK_PORT"),),
        probe=Probe(port=settings.webhook_port, path="/"),
        address=settings.webhook,
    )


def _make_webhook_program(settings: Settings, root: Path) -> Program:
    secrets.load_webhook_secret(settings)  # before the receiver reads it
    return _make_program(settings, root, "webhook", _make_python_command("services.webhook.main"))


def _plan_worker(settings: Settings, root: Path) -> PartPlan:
    pool = ("--pool", prefect_when_ready.POOL, "--type", prefect_when_ready.POOL_TYPE, "--name", "slipway")
    argv = _make_python_command("slipway.stack.prefect_when_ready", "worker", "start", *pool)
    poll = {"PREFECT_WORKER_QUERY_SECONDS": WORKER_POLL_SECONDS}
    # a pool is READY once one of its workers has reported; a server of the user's own is not queried
    probe = Probe(
        port=settings.prefect_port, path=f"/api/work_pools/{prefect_when_ready.POOL}", contains='"status":"READY"'
    )
    program = partial(_make_program, settings, root, "worker", argv, poll)
    return PartPlan(name="worker", program=program, probe=None if settings.prefect_api else probe)


def _make_python_command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _make_program(
    settings: Settings, root: Path, name: str, argv: list[str], env: dict[str, str] | None = None
) -> Program:
    return Program(
        name=name,
        argv=tuple(argv),
        env={**make_environment(settings, root), **(env or {})},
        cwd=root,
        log=settings.target_home / "supervisor" / "logs" / f"{name}.log",
        start_seconds=5,
    )
