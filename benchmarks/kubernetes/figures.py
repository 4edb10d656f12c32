"""From what was measured, row by row, to figures. Pure: no clock, no I/O.

Each part of the benchmark leaves rows (dicts of numbers and words); every figure is made of rows of one run.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.release.run import spread, total

Row = Mapping[str, Any]
Figure = dict[str, Any]
MEGABYTE = 1_000_000


def figures(rows: Mapping[str, Sequence[Row]]) -> dict[str, Figure]:
    """Return the figures of all parts that there are rows of."""
    made = {"push": push, "rollouts": rollouts, "release": release, "reconcile": reconcile}
    found: dict[str, Figure] = {}
    for part, figures_of in made.items():
        if rows.get(part):
            found |= figures_of(rows[part])
    lost = [row["lost"] for part in ("rollouts", "release") for row in rows.get(part, ())]
    sent = [row["sent"] for part in ("rollouts", "release") for row in rows.get(part, ())]
    if sent:
        found |= {"requests_lost": total(lost, "requests"), "requests_sent": total(sent, "requests")}
    return found


def push(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return what packaging and pushing takes: the first version brings its runtime, later ones only themselves."""
    first, later = rows[:1], rows[1:]
    return {
        "first_package_push_seconds": spread(_of(first, "seconds"), "s"),
        "second_package_push_seconds": spread(_of(later, "seconds"), "s"),
        "second_package_seconds": spread(_of(later, "package_seconds"), "s"),
        "second_push_seconds": spread(_of(later, "push_seconds"), "s"),
        "first_pull_megabytes": spread([row["pulled_bytes"] / MEGABYTE for row in first], "MB"),
        "second_pull_kilobytes": spread([row["pulled_bytes"] / 1000 for row in later], "kB"),
    }


def rollouts(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return what rollouts under load cost, and what a bad one did."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("first", "promotion", "rollback")}
    found = {
        "api_calls_per_release": spread([_calls(row) for row in kinds["promotion"]], "calls"),
        "bad_to_zero_weight_seconds": spread(_of(kinds["rollback"], "bad_to_zero_weight_seconds"), "s"),
        "bad_answers": spread(_of(kinds["rollback"], "bad_answers"), "answers"),
        "client_visible_failures": total(_of(kinds["rollback"], "bad_answers_clients_saw"), "answers"),
        "rollback_p99_ratio": spread([ratio(row) for row in kinds["rollback"]], "x"),
        "promotion_p99_ratio": spread([ratio(row) for row in kinds["promotion"]], "x"),
    }
    for kind, of_kind in kinds.items():
        found[f"{kind}_api_calls"] = spread([_calls(row) for row in of_kind], "calls")
        found[f"{kind}_api_calls_per_second"] = spread([_calls(row) / row["seconds"] for row in of_kind], "calls/s")
        found[f"{kind}_rollout_seconds"] = spread(_of(of_kind, "seconds"), "s")
    for kind in ("promotion", "rollback"):
        for when in ("before", "during", "after"):
            name = f"p99_{when}_milliseconds"
            found[f"{kind}_{name}"] = spread(_of(kinds[kind], name), "ms")
    return found


def release(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return lead times of releases through all gates; the later version's stages are the ones that docs quote."""
    later = [row for row in rows if row["version"] > 1]
    found = {
        "first_lead_time_seconds": spread([row["lead_time_seconds"] for row in rows if row["version"] == 1], "s"),
        "lead_time_seconds": spread(_of(later, "lead_time_seconds"), "s"),
        "evidence_seconds": spread(_of(later, "evidence_seconds"), "s"),
        "overhead_seconds": spread([row["lead_time_seconds"] - row["evidence_seconds"] for row in later], "s"),
    }
    for name in dict.fromkeys(stage for row in later for stage in row["stages"]):
        seconds = [row["stages"][name] for row in later if name in row["stages"]]
        found[f"stage_{name.replace(' ', '_')}_seconds"] = spread(seconds, "s")
    return found


def reconcile(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return what `reconcile` costs by how many models there are, idle and with some of them due."""
    found: dict[str, Figure] = {}
    sizes = sorted({row["models"] for row in rows})
    for models in sizes:
        for due in sorted({row["due"] for row in rows if row["models"] == models}):
            found |= _pass(f"reconcile_{models}" + (f"_{due}_due" if due else ""), _with(rows, models, due))
    most, idle = sizes[-1], _with(rows, sizes[-1], 0)
    found["reconcile_idle_api_calls"] = spread([_calls(row) for row in idle], "calls")
    found["reconcile_idle_mlflow_calls"] = spread(_of(idle, "mlflow_calls"), "calls")
    least = _with(rows, sizes[0], 0)
    if most > sizes[0]:
        growth = (_median_calls(idle) - _median_calls(least)) / (most - sizes[0])
        found["reconcile_api_calls_per_model_more"] = spread([growth], "calls")
    due = max(row["due"] for row in rows)
    if due:
        more = (_median_calls(_with(rows, most, due)) - _median_calls(idle)) / due
        found["reconcile_api_calls_per_due_model"] = spread([more], "calls")
    return found


def ratio(row: Row) -> float:
    """Return how much longer the slowest hundredth took during a rollout than before it.

    >>> ratio({"p99_before_milliseconds": 10.0, "p99_during_milliseconds": 15.0})
    1.5
    """
    return float(row["p99_during_milliseconds"] / row["p99_before_milliseconds"])


def pulled_bytes(manifest: Mapping[str, Any], there: Iterable[str]) -> int:
    """Return what a node pulls that has some layers, by digest, already.

    >>> pulled_bytes({"layers": [{"digest": "a", "size": 70}, {"digest": "b", "size": 2}]}, ["a"])
    2
    """
    known = set(there)
    return sum(layer["size"] for layer in manifest["layers"] if layer["digest"] not in known)


def _pass(name: str, rows: Sequence[Row]) -> dict[str, Figure]:
    found = {
        f"{name}_seconds": spread(_of(rows, "seconds"), "s"),
        f"{name}_api_calls": spread([_calls(row) for row in rows], "calls"),
        f"{name}_mlflow_calls": spread(_of(rows, "mlflow_calls"), "calls"),
    }
    for part in dict.fromkeys(part for row in rows for part in row["parts"]):
        found[f"{name}_{part}_seconds"] = spread([row["parts"][part] for row in rows], "s")
    return found


def _with(rows: Sequence[Row], models: int, due: int) -> list[Row]:
    return [row for row in rows if row["models"] == models and row["due"] == due]


def _median_calls(rows: Sequence[Row]) -> float:
    return float(spread([_calls(row) for row in rows], "calls")["value"])


def _calls(row: Row) -> int:
    return sum(row["api_calls"].values())


def _of(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows]
