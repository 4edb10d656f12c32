"""A whole stack of its own for these tests: real MLflow, Prefect, Envoy, webhook receiver and worker, on free ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("MLFLOW", "PREFECT", "WEBHOOK", "FRONT_DOOR", "ENVOY_ADMIN")
PER_SECOND = 40
Rows = tuple[list[list[float]], list[list[float]]]
QUICK: dict[str, Any] = {
    "shadow": {"duration_seconds": 1},
    "steps": [{"weight_percent": 50, "duration_seconds": 3}],
    "look_interval_seconds": 0.5,
    "lease_seconds": 6,
    "bake_seconds": 600,
    "hold_back_percent": 0,
}


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The running stack, as a user has it: an environment for the command line, and addresses."""

    env: dict[str, str]
    home: Path
    models: Path
    mlflow: str
    prefect: str
    front_door: str

    def slipway(self, *words: str, code: int = 0) -> str:
        """Run the command line; return what it printed, and fail unless it exits with `code`."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("slipway")), *words],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == code, f"slipway {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def spec(
        self,
        model: str,
        judge: dict[str, object] | None = None,
        serving: dict[str, object] | None = None,
        **rollout: object,
    ) -> None:
        """Write the release spec of a model that knows handwritten digits."""
        document = {
            "model": model,
            "data": {"path": str(ROOT / "deployments/models/digits-validation.csv"), "label": "digit"},
            "quality": {"tolerance": 0.02},
            "optimization": {"variants": []},
            "rehearsal": {"requests": 20},
            "rollout": QUICK | rollout,
            "judge": {one: {"negligible": 0.05} for one in ("errors", "refused", "shed")}
            | {"latency": None}
            | (judge or {}),
            "serving": serving or {},
        }
        (self.models / f"{model}.yaml").write_text(yaml.safe_dump(document))

    def status(self, model: str) -> dict[str, Any]:
        """Return the rollout's status as it is written; empty before there is one."""
        path = self.home / "target" / "rollouts" / f"{model}.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def state(self, model: str, version: int) -> str:
        """Return what Slipway wrote on a version."""
        answer = httpx.get(
            f"{self.mlflow}/api/2.0/mlflow/model-versions/get", params={"name": model, "version": version}, timeout=30
        )
        tags = answer.raise_for_status().json()["model_version"].get("tags", [])
        return str({tag["key"]: tag["value"] for tag in tags}.get("slipway.state", ""))

    def until(self, what: str, holds: Callable[[], bool], seconds: float = 400) -> None:
        """Wait until a condition holds."""
        ends = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < ends, f"{what}: not within {seconds} s"
            time.sleep(0.2)

    def flow_process(self, name: str) -> psutil.Process:
        """Return the process that runs a flow for the worker of this stack."""
        for process in psutil.process_iter(["cmdline", "environ"]):
            environ = process.info["environ"] or {}
            if environ.get("SLIPWAY_HOME") == str(self.home) and "PREFECT__FLOW_RUN_ID" in environ:
                words = " ".join(process.info["cmdline"] or [])
                if "prefect" in words and _run_is(self.prefect, environ["PREFECT__FLOW_RUN_ID"], name):
                    return process
        pytest.fail(f"no process runs {name}")


def _run_is(prefect: str, run_id: str, name: str) -> bool:
    return name in str(httpx.get(f"{prefect}/flow_runs/{run_id}", timeout=30).json().get("name", ""))


@dataclass
class Sent:
    """What the client counted."""

    sent: int = 0
    right: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """Answers of a revision that were errors."""
    lost: list[str] = field(default_factory=list)
    """No answer, or one that no revision wrote."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a running stack; it is down afterwards, and nothing of it is left."""
    with running(tmp_path_factory, {}) as stack:
        yield stack


@contextmanager
def running(tmp_path_factory: pytest.TempPathFactory, more: dict[str, str], front_door: str = "") -> Iterator[Stack]:
    """Bring a stack up in a home of its own, with more settings; take it down, and look that nothing of it is left."""
    home, models = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    env = {
        **os.environ,
        **more,
        "SLIPWAY_HOME": str(home),
        "SLIPWAY_MODELS": str(models),
        **{f"SLIPWAY_{name}_PORT": str(port) for name, port in ports.items()},
    }
    stack = Stack(
        env=env,
        home=home,
        models=models,
        mlflow=f"http://127.0.0.1:{ports['MLFLOW']}",
        prefect=f"http://127.0.0.1:{ports['PREFECT']}/api",
        front_door=front_door or f"http://127.0.0.1:{ports['FRONT_DOOR']}",
    )
    stack.slipway("up")
    try:
        yield stack
    finally:
        stack.slipway("down")
    left = [
        process.pid
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("SLIPWAY_HOME") == str(home)
    ]
    assert left == []


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.fixture(scope="session")
def register(stack: Stack) -> Callable[[str, int], int]:
    """Return a function that registers one of the demo's four recipes as a model's next version."""
    return registering(stack)


def registering(stack: Stack) -> Callable[[str, int], int]:
    """Register with a stack's MLflow: 1 modest, 2 good, 3 good and failing on the odd kind of row, 4 bad."""
    from demo import models, rows

    digits = rows.load()

    def run(model: str, recipe: int) -> int:
        trained = models.train(models.RECIPES[recipe - 1], digits)
        return models.register(trained, digits, stack.mlflow, model)

    return run


@pytest.fixture
def traffic(stack: Stack) -> Callable[[str], Any]:
    """Return a context manager that sends live rows to a model at a steady rate, every 20th of the odd kind."""
    return sending(stack)


def sending(stack: Stack) -> Callable[[str], Any]:
    """Send to a stack's front door."""
    from demo.rows import load

    digits = load()
    usual, odd = digits.live.to_numpy().tolist(), digits.odd.to_numpy().tolist()

    @contextmanager
    def run(model: str) -> Iterator[Sent]:
        sent, done = Sent(), threading.Event()
        thread = threading.Thread(target=_send, args=(stack, model, sent, done, (usual, odd)))
        thread.start()
        try:
            yield sent
        finally:
            done.set()
            thread.join()

    return run


def _send(stack: Stack, model: str, sent: Sent, done: threading.Event, rows: Rows) -> None:
    usual, odd = rows
    address, lock = f"{stack.front_door}/{model}/v2/models/{model}/infer", threading.Lock()
    with httpx.Client(timeout=20) as client, ThreadPoolExecutor(8) as senders:

        def one(row: list[float]) -> None:
            tensor = {"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}
            try:
                answer = client.post(address, json={"inputs": [tensor]})
            except httpx.HTTPError as no:
                with lock:
                    sent.lost.append(repr(no))
                return
            revision = answer.headers.get("x-slipway-revision")
            with lock:
                if answer.status_code == httpx.codes.OK:
                    sent.right += 1
                elif revision is None:
                    sent.lost.append(f"{answer.status_code} {answer.text[:200]}")
                else:
                    sent.failed[revision] = sent.failed.get(revision, 0) + 1

        while not done.wait(1 / PER_SECOND):
            row = (odd if sent.sent % 20 == 7 else usual)[sent.sent % len(usual)]
            sent.sent += 1
            senders.submit(one, row)


def kill(process: psutil.Process) -> None:
    """End a process as a machine that loses power would; one that went with another is gone already."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)
        process.wait(10)
