"""Whether overload is told from a hiccup: a small load, while other work keeps every core busy, is answered whole."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import asking, line_up
from benchmarks.serving.models import PIXELS, ROWS, SEED, Arrays, Model
from benchmarks.serving.parts import WHOLE, Bench
from benchmarks.serving.processes import Process, ServerFailed, running

RATE = 40.0
"""Requests a second: a tenth of what one core answers of the slower model."""
CONNECTIONS = 256
"""Enough for what comes during six seconds without an answer."""
LAST_SECONDS = 60
"""Beyond the load, that the generator may take."""
PYFUNC = "pyfunc_3ms"
CODE = """
import time

import mlflow.pyfunc


class Three(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        ends = time.thread_time() + 0.003
        while time.thread_time() < ends:
            pass
        return model_input.to_numpy().sum(axis=1)


mlflow.models.set_model(Three())
"""
SPIN = "while True: pass"


def hiccups(bench: Bench) -> Iterator[dict[str, Any]]:
    """Load one model after the other for `bench.hiccup_seconds`, with a spinning process for each core beside it."""
    cores = sorted(os.sched_getaffinity(0))
    for model in (bench.model(WHOLE), pyfunc_model(bench.folder / "models" / PYFUNC)):
        place = bench.place("hiccups", model.name)
        with running(line_up.ours(model, place), cores) as process:
            form = asking.oip_json(model)
            asking.ask(process.url, form, ROWS)
            said = asking.write_bodies(form, place / form.name)
            with _spinning(len(cores)):
                found = _loaded(process, said, bench.hiccup_seconds)
        statuses = found.pop("statuses")
        told = {f"answered_{code}": statuses.pop(code, 0) for code in ("200", "429")}
        other = {"answered_other": sum(statuses.values()), "spinning": len(cores), "rate": RATE}
        yield {"model": model.name, "round": 0, "seconds": bench.hiccup_seconds, **other, **told, **found}


def pyfunc_model(folder: Path) -> Model:
    """Make a model that MLflow runs, whose prediction takes three milliseconds of a core."""
    import mlflow.pyfunc

    folder.mkdir(parents=True)
    code = folder / "code.py"
    code.write_text(CODE, encoding="utf-8")
    mlflow.pyfunc.save_model(folder / "mlflow", python_model=str(code), pip_requirements=["mlflow"])
    columns = [{"name": name, "kind": "float64"} for name in PIXELS]
    manifest = {
        "model": folder.name,
        "version": "1",
        "revision": f"{folder.name}-v1",
        "digest": "sha256:0",
        "runtime": "pyfunc",
        "file": "mlflow",
        "batchable": False,
        "single_matrix": False,
        "columns": columns,
        "inputs": [],
        "outputs": [],
        "profile": [],
    }
    (folder / "slipway.json").write_text(json.dumps(manifest), encoding="utf-8")
    rows: Arrays = {"input": np.random.default_rng(SEED).normal(size=(ROWS, len(PIXELS))).astype(np.float32)}
    return Model(name=folder.name, folder=folder, rows=rows, about="MLflow's pyfunc, 3 ms of a core for each request")


@contextlib.contextmanager
def _spinning(count: int) -> Iterator[None]:
    """Keep so many cores busy."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def _loaded(process: Process, said: Path, seconds: int) -> dict[str, Any]:
    command = [
        *(sys.executable, "-m", "benchmarks.serving.open_loop", process.url, str(said)),
        *("--rate", str(RATE), "--seconds", str(seconds), "--connections", str(CONNECTIONS)),
    ]
    limit = seconds + LAST_SECONDS
    done = subprocess.run(command, cwd=line_up.ROOT, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode:
        raise ServerFailed(f"the open-loop generator ended with {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
