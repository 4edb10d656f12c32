"""What Slipway costs on a real cluster: images, rollouts under load, whole releases, and `reconcile` over 500 models.

    make bench-kubernetes
    python -m benchmarks.kubernetes.run --quick                    one round of each, 20 and 50 models
    python -m benchmarks.kubernetes.run --only rollouts,push       these parts anew; the others' rows stay

The cluster is the one that tests use (docs/kubernetes.md). Writes `results.json` beside this file, after each part, and
`docs/kubernetes-benchmark.md`.
"""

import argparse
import json
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from benchmarks.kubernetes import page, pushing, reconciling, releasing, rolling
from benchmarks.kubernetes.figures import Row, figures
from benchmarks.release.run import libraries, machine
from tests.cluster import MISSING, NEEDED, Cluster

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "kubernetes-benchmark.md"
BUSY = 0.5
"""Work of others per core, before a part begins, from which on the figures are called contended."""
PROGRAMS = {"traefik": ("traefik", "version"), "kwok": ("kwok", "--version")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured."""

    rounds: int
    models: tuple[int, ...]
    """Sizes of the fleet that `reconcile` looks at, ascending."""
    due: int
    """How many of the largest fleet wait for a release."""


FULL = Amount(rounds=3, models=(50, 200, 500), due=10)
QUICK = Amount(rounds=1, models=(20, 50), due=2)


def main() -> int:
    """Measure the parts that were asked for; 1 when one of them failed, 2 without a cluster."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of each, and small fleets")
    parser.add_argument("--only", default="", help="parts, by comma: push, rollouts, release, reconcile")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results go; the page is written beside docs/")
    asked = parser.parse_args()
    if not all(os.environ.get(name) for name in NEEDED):
        print(MISSING)
        return 2
    warnings.simplefilter("ignore")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    parts = _parts(QUICK if asked.quick else FULL)
    chosen = [name for name in asked.only.split(",") if name] or list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    document = _earlier(asked.out) if asked.only else _begun()
    failed = [name for name in chosen if not _measured(name, parts[name], document, asked.out)]
    print(f"failed: {', '.join(failed)}" if failed else f"wrote {asked.out}")
    return 1 if failed else 0


def _measured(name: str, part: Callable[[Path], Iterator[Row]], document: dict[str, Any], out: Path) -> bool:
    """Measure a part and write what there is by now; False, and its rows as they were, where it failed."""
    try:
        measure(name, part, document)
    except Exception:  # noqa: BLE001 - the minutes of the other parts are not thrown away for it
        traceback.print_exc()
        return False
    write(document, out)
    return True


def _parts(amount: Amount) -> dict[str, Callable[[Path], Iterator[Row]]]:
    """Return what measures each part, given a folder."""
    gateway, prometheus, registry, host = (os.environ[name] for name in NEEDED[1:])
    cluster = Cluster(gateway=gateway, prometheus=prometheus, registry=registry, host=host)
    base_image = os.environ.get("CLUSTER_BASE_IMAGE", f"{registry}/library/python:3.11-slim")
    return {
        "push": partial(pushing.versions, 1 + amount.rounds, f"{registry}/slipway-bench", base_image),
        "rollouts": partial(rolling.rounds, amount.rounds, cluster),
        "release": partial(releasing.releases, amount.rounds, cluster),
        "reconcile": partial(reconciling.passes, reconciling.Sizes(amount.models, amount.due, amount.rounds), cluster),
    }


def measure(name: str, part: Callable[[Path], Iterator[Row]], document: dict[str, Any]) -> None:
    """Run one part, telling of each row, and keep its rows with what else the machine did."""
    began, load = time.monotonic(), os.getloadavg()[0]
    print(f"{name} (load average {load:.1f})", flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        for row in part(Path(folder)):
            rows.append(rounded(row))
            print(f"  {time.monotonic() - began:5.0f} s  {json.dumps(rows[-1])}", flush=True)
    document["rows"][name] = rows
    document["load_average_before"][name] = round(load, 2)


def rounded(row: Row) -> dict[str, Any]:
    """Return a row with its numbers to a tenth of a millisecond.

    >>> rounded({"seconds": 1.23456, "parts": {"specs": 0.12349}, "kind": "first"})
    {'seconds': 1.2346, 'parts': {'specs': 0.1235}, 'kind': 'first'}
    """
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return rounded(value)
    return round(value, 4) if isinstance(value, float) else value


def write(document: dict[str, Any], path: Path) -> None:
    """Write results, and the page where the results are the project's own."""
    cores = document["machine"]["cores"]
    document["figures"] = figures(document["rows"])
    document["contended"] = any(load / cores > BUSY for load in document["load_average_before"].values())
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if path == RESULTS:
        PAGE.write_text(page.page(document), encoding="utf-8")


def _begun() -> dict[str, Any]:
    return {
        "figures": {},
        "contended": False,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"slipway": version("slipway"), "python": platform.python_version()} | libraries() | _cluster(),
        "machine": machine(),
        "command": "make bench-kubernetes",
        "load_average_before": {},
        "rows": {},
    }


def _earlier(path: Path) -> dict[str, Any]:
    if not path.exists():
        return _begun()
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**_begun(), "rows": found["rows"], "load_average_before": found["load_average_before"]}


def _cluster() -> dict[str, str]:
    """Return the versions of what a cluster brings; a part that does not say is left out."""
    kubernetes = json.loads(_kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    built = httpx.get(f"{os.environ['CLUSTER_PROMETHEUS']}/api/v1/status/buildinfo", timeout=10).json()
    return {"kubernetes": kubernetes, "prometheus": built["data"]["version"]} | {
        name: said for name, command in PROGRAMS.items() if (said := _said(command))
    }


def _said(command: Sequence[str]) -> str:
    """Return the version that a program says, `1.2.3`; nothing where it is not on PATH (another machine runs it)."""
    if shutil.which(command[0]) is None:
        return ""
    found = re.search(r"\d+\.\d+\.\d+", subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    return found.group() if found else ""


def _kubectl(*words: str) -> str:
    return subprocess.run(["kubectl", *words], capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S607 - on PATH


if __name__ == "__main__":
    sys.exit(main())
