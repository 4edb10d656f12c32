"""The inference service beside its peers: the same models, the same requests, side by side in one run.

    make bench-serving
    python -m benchmarks.serving.run --quick                   the digits forest alone, two rounds: some four minutes
    python -m benchmarks.serving.run --only overload,workers   these parts anew; the others' rows stay

Needs `wrk`, `h2load` and `taskset`, and two cores: one for the server, one for the client. Writes `results.json` beside
this file, after each part, and the tables of docs/performance.md. A wrong answer ends it; a measurement in which
requests were refused is repeated, and fails the run at its end if they are again.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.release.run import machine
from benchmarks.serving import page, parts
from benchmarks.serving.environments import Unavailable
from benchmarks.serving.figures import figures
from benchmarks.serving.hiccups import hiccups
from benchmarks.serving.line_up import SERVERS
from benchmarks.serving.models import MODELS
from benchmarks.serving.parts import WHOLE, Bench, Row
from benchmarks.serving.stages import stages

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "performance.md"
BUSY = 0.5
"""Work of others per core, before a part begins, from which on the figures are called contended."""
CORES = 2
SHOWN = (
    "rps",
    "p99",
    "cpu_us",
    "seconds",
    "p99_from_due",
    "answered_200",
    "answered_429",
    "answered_other",
    "accepted_per_second",
    "client_cores",
    "worker_uss",
    "us",
    "repeated",
)


def main() -> int:
    """Measure what was asked for; 1 when a server failed, 2 where something is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the digits forest alone, two rounds of a second")
    parser.add_argument("--only", default="", help=f"parts, by comma: {', '.join(PARTS)}")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="where results go; the page is written for docs/ only"
    )
    parser.add_argument("--hiccup-seconds", type=int, default=300, help="of the part `hiccups`, for each of its models")
    asked = parser.parse_args()
    chosen = [name for name in asked.only.split(",") if name] or list(PARTS)
    if unknown := set(chosen) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if said := _missing():
        print(said)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are ended on the way out
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        bench = replace(_bench(Path(folder), quick=asked.quick), hiccup_seconds=asked.hiccup_seconds)
        return run(bench, chosen, _begun(asked), asked.out)


def _missing() -> str:
    """Return what has to be installed; nothing where all is there."""
    programs = {"wrk": "wrk", "h2load": "nghttp2-client", "taskset": "util-linux"}
    for program, package in programs.items():
        if shutil.which(program) is None:
            return f"{program} is not on PATH; expected it: `apt-get install {package}` (Debian), then run this again"
    usable = len(os.sched_getaffinity(0))
    return (
        "" if usable >= CORES else f"{usable} core may be used; expected {CORES}: one for servers, one for the client"
    )


def _bench(folder: Path, *, quick: bool) -> Bench:
    server, client, *_ = sorted(os.sched_getaffinity(0))
    if quick:
        models, overloads, amount = (WHOLE,), list(parts.OVERLOADS)[:1], {"rounds": 2, "seconds": 1, "starts": 2}
    else:
        models, overloads, amount = tuple(MODELS), list(parts.OVERLOADS), {"rounds": 5, "seconds": 1, "starts": 5}
    return Bench(folder=folder, server_core=server, client_core=client, models=models, overloads=overloads, **amount)


def _stages(bench: Bench) -> Iterator[Row]:
    for name in bench.models:
        yield from stages(bench.model(name))


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "stages": _stages,
    "cold_start": parts.cold_start,
    "memory": parts.memory,
    "workers": parts.workers,
    "overload": parts.overload,
    "hiccups": hiccups,
    "closed": parts.closed,
    "grpc": parts.grpc,
}


def run(bench: Bench, chosen: list[str], document: dict[str, Any], out: Path) -> int:
    """Measure parts and write after each; 1 when one failed: nothing of it is kept."""
    document |= {"rounds": bench.rounds, "seconds_each": bench.seconds, "versions": _versions(bench)}
    began = time.monotonic()
    for name in chosen:
        try:
            _measure(name, bench, document, began)
        except Exception:  # noqa: BLE001 - whatever it is, the parts before are written, and it is told
            traceback.print_exc()
            print(f"failed: {name}; what was measured before is in {out}")
            return 1
        document["models"] |= {
            model.name: {"about": model.about, "kilobytes": model.kilobytes} for model in bench.made.values()
        }
        document["minutes"] = round((time.monotonic() - began) / 60, 1)
        write(document, out)
    print(f"wrote {out} after {document['minutes']} minutes")
    refusing = [row for rows in document["rows"].values() for row in rows if row.get("refused")]
    for row in refusing:
        print(f"failed: {row['refused']} answers were not 200: {_told(row)}")
    return 1 if refusing else 0


def _measure(name: str, bench: Bench, document: dict[str, Any], began: float) -> None:
    load = os.getloadavg()[0]
    print(f"{name} (load average {load:.1f})", flush=True)
    rows = []
    for row in PARTS[name](bench):
        rows.append({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
        print(f"  {time.monotonic() - began:5.0f} s  {_told(rows[-1])}", flush=True)
    document["rows"][name] = rows
    document["left_out"] = dict(bench.left_out)
    document["load_average_before"][name] = round(load, 2)
    document["dates"][name] = datetime.now(UTC).date().isoformat()


def _told(row: Row) -> str:
    """Return a row in short.

    >>> _told({"server": "kserve", "connections": 8, "rps": 2402.1, "p50": 3.3})
    'server kserve, connections 8, rps 2402.1'
    """
    return ", ".join(
        f"{key} {value}" for key, value in row.items() if key in SHOWN or isinstance(value, str) or key in KEYS
    )


KEYS = ("connections", "round", "workers", "percent", "rows")


def _versions(bench: Bench) -> dict[str, dict[str, str]]:
    """Return what each server is made of; this makes the environments of those that need one."""
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split()  # noqa: S607 - on PATH
    h2load = subprocess.run(["h2load", "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S607 - as above
    client = {"wrk": wrk[1] if len(wrk) > 1 else "unknown", "h2load": h2load.strip().rpartition("/")[2]}
    found = {"python": {"python": platform.python_version()}, "client": client}
    for server in SERVERS:
        try:
            found[server.name] = server.versions()
        except Unavailable as reason:
            bench.left_out[server.name] = str(reason)
    return found


def _begun(asked: argparse.Namespace) -> dict[str, Any]:
    document: dict[str, Any] = {
        "figures": {},
        "contended": False,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine() | {"threads_per_core": _siblings(), "slipway": version("slipway")},
        "command": "make bench-serving" + (" ARGS=--quick" if asked.quick else ""),
        "dates": {},
        "left_out": {},
        "models": {},
        "load_average_before": {},
        "rows": {},
    }
    if asked.only and asked.out.exists():
        found = json.loads(asked.out.read_text(encoding="utf-8"))
        kept = {key: found[key] for key in ("date", "models", "load_average_before", "left_out", "command")}
        kept["dates"] = found.get("dates", {})
        document |= kept | {"rows": {name: _unpacked(table) for name, table in found["rows"].items()}}
    return document


def _siblings() -> int:
    """Return how many of the processors share one core's units; two workers on one such core are no two cores."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list").read_text(encoding="utf-8").strip()
    except OSError:
        return 1
    return siblings(text)


def siblings(text: str) -> int:
    """Return how many processors a list of the kernel names.

    >>> siblings("0-1"), siblings("0,4"), siblings("3")
    (2, 2, 1)
    """
    ranges = [part.partition("-")[::2] for part in text.split(",")]
    return sum(int(last or first) - int(first) + 1 for first, last in ranges)


def write(document: dict[str, Any], path: Path) -> None:
    """Write results, and the page's tables where the results are the project's own."""
    cores = document["machine"]["cores"]
    document["figures"] = figures(document["rows"])
    document["contended"] = any(load / cores > BUSY for load in document["load_average_before"].values())
    rows = {name: _packed(found) for name, found in document["rows"].items()}
    text = json.dumps({key: value for key, value in document.items() if key != "rows"}, indent=1)
    tables = ",\n  ".join(f"{json.dumps(name)}: {_lines(table)}" for name, table in rows.items())
    path.write_text(f'{text[:-2]},\n "rows": {{\n  {tables}\n }}\n}}\n', encoding="utf-8")
    if path == RESULTS:
        PAGE.write_text(page.filled(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")


def _lines(table: dict[str, Any]) -> str:
    """Return a table as JSON, one row a line."""
    values = ",\n    ".join(json.dumps(row) for row in table["values"])
    return f'{{"columns": {json.dumps(table["columns"])}, "values": [\n    {values}]}}'


def _packed(rows: list[Row]) -> dict[str, Any]:
    """Return rows as one list of names and lists of values.

    >>> _packed([{"a": 1}, {"a": 2, "b": 3}])
    {'columns': ['a', 'b'], 'values': [[1, None], [2, 3]]}
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "values": [[row.get(name) for name in columns] for row in rows]}


def _unpacked(table: dict[str, Any]) -> list[Row]:
    """Return rows by name.

    >>> _unpacked({"columns": ["a", "b"], "values": [[1, None], [2, 3]]})
    [{'a': 1}, {'a': 2, 'b': 3}]
    """
    return [
        {name: value for name, value in zip(table["columns"], values, strict=True) if value is not None}
        for values in table["values"]
    ]


if __name__ == "__main__":
    sys.exit(main())
