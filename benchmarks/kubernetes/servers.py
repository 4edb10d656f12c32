"""MLflow and Prefect for a while: the embedded stack's own servers, without its worker, so that nothing is released."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import httpx

from slipway.adapters.local.plan import PartPlan
from slipway.settings import Settings
from slipway.stack.environment import make_environment
from slipway.stack.plans import deploy_command, make_plans

ROOT = Path(__file__).resolve().parents[2]
SERVERS = frozenset({"mlflow", "prefect"})
START_SECONDS, END_SECONDS = 180.0, 15.0


@contextmanager
def servers(folder: Path) -> Iterator[Settings]:
    """Start both on free ports, deploy the flows, and return the settings of who uses them; both end afterwards."""
    settings = Settings(
        home=folder / "home",
        models=folder / "models",
        target="kubernetes",
        mlflow_port=_free_port(),
        prefect_port=_free_port(),
    )
    for made in (settings.models, settings.stack_home / "prefect"):
        made.mkdir(parents=True)
    with ExitStack() as stack:
        for plan in _plans(settings):
            stack.enter_context(_running(plan))
        command, variables = deploy_command(settings, ROOT)
        deployed = subprocess.run(
            command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False
        )
        if deployed.returncode:
            raise RuntimeError(deployed.stdout + deployed.stderr)
        yield settings


def variables(settings: Settings) -> dict[str, str]:
    """Return the environment of a process that uses them, as a worker gives it to a flow's run."""
    return os.environ | make_environment(settings, ROOT)


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, softly if it lets itself."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _plans(settings: Settings) -> list[PartPlan]:
    return [plan for plan in make_plans(settings, ROOT) if plan.name in SERVERS]


@contextmanager
def _running(plan: PartPlan) -> Iterator[None]:
    program = plan.program()
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("wb") as log:
        process = subprocess.Popen(
            program.argv, cwd=program.cwd, env=os.environ | program.env, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        if plan.probe is None:
            raise AssertionError(plan.name)
        address, ends = f"http://127.0.0.1:{plan.probe.port}{plan.probe.path}", time.monotonic() + START_SECONDS
        while not _answers(address):
            if time.monotonic() > ends or process.poll() is not None:
                raise RuntimeError(f"{plan.name} does not answer: {program.log.read_text()[-2000:]}")
            Event().wait(0.2)
        yield
    finally:
        ended(process)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
