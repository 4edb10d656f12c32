"""How well rules decide: Slipway, its peers and the floor, on the same simulated traces. Seeds are fixed.

    make bench-decisions
    python -m benchmarks.decisions.run --share 0.05 --out /tmp/somewhere     a quick look

Writes `results.json` beside this file, and `docs/decision-benchmark.md` with its plots.
"""

import argparse
import json
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.decisions import comparison, defences, driven, line_up, outcomes, page, plots, tuning
from benchmarks.decisions.look_time import look_milliseconds
from benchmarks.decisions.played import figures, worlds
from benchmarks.decisions.scenario import Metric, Scenario
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.release.run import machine

ROOT = Path(__file__).resolve().parents[2]
ALPHA = 0.01
"""Slipway's default, and what peers are tuned to."""
PROCESSES = 2
HEADLINES = (
    "false_rollback_max",
    "false_rollback_cold_replicas",
    "false_rollback_clusters",
    "false_rollback_batches",
    "false_rollback_first_release",
    "false_rollback_second_release",
    "false_rollback_never_watched",
    "false_rollback_gusts_any_time",
    "false_rollback_gusts_unknown_length",
    "promoted_1_5x",
    "promoted_cv1_2x",
    "refusing_canary_promoted",
    "shedding_canary_promoted",
    "missed_2x_at_50rps",
    "exposure_ratio_vs_best_tuned_peer",
    "promotion_delay_ratio_vs_best_tuned_peer",
    "promotion_exposure_ratio_vs_best_tuned_peer",
    "exposure_ratio_vs_best_peer_tuned_per_service",
    "exposure_ratio_vs_floor",
    "exposure_ratio_vs_floor_median",
)
"""Of the rule that stands first."""
OF_LIVE_REQUESTS = ("median_delay_ratio_vs_sprt", "median_delay_ratio_median")
"""Of the rule without a shadow: on the same weights."""


class Played(NamedTuple):
    """All there is to report."""

    scenarios: tuple[Scenario, ...]
    chosen: list[tuning.Chosen]
    rows: dict[tuple[str, str, str], outcomes.Row]
    seconds: dict[str, float]
    defences: list[dict[str, Any]]
    driven: list[outcomes.Row]
    """The state machine along the traces of scenarios with a figure."""
    played: list[dict[str, Any]]
    """Its rollouts in worlds of their own."""


def main() -> int:
    """Tune, play, compare, write."""
    asked = _arguments()
    played = play(SCENARIOS, asked.share)
    found = results(played, asked.share)
    folder = asked.out or Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, default=lambda value: value.item())  # numpy's numbers
    (folder / "results.json").write_text(text + "\n", encoding="utf-8")
    docs = asked.out or ROOT / "docs"
    plots.write(found, docs)
    (docs / "decision-benchmark.md").write_text(page.write(found), encoding="utf-8")
    for name, value in found.items():
        if isinstance(value, int | float) or value is None:
            print(f"{name}: {value}")
    print(f"{found['wall_seconds']['all']} s")
    return 0


def play(scenarios: tuple[Scenario, ...], share: float) -> Played:
    """Tune the peers, let every rule decide on every trace, then play the state machine itself; two processes."""
    began = time.monotonic()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        tried = [one for found in _each(pool, tuning.attempt, tuning.work(scenarios, share)) for one in found]
        chosen = tuning.choose(tried, ALPHA)
        tuned_in = time.monotonic() - began
        print(f"tuned {len(chosen)} settings in {tuned_in:.0f} s", flush=True)
        settings = {(one.scope, one.rule): one.setting for one in chosen}
        work = [lot for scenario in scenarios for lot in tuning.lots(scenario, max(1, round(share * scenario.traces)))]
        lots: dict[tuple[str, str, str], list[outcomes.Outcome]] = defaultdict(list)
        for found in _each(pool, partial(outcomes.play, tuned=settings), work):
            for one in found:
                lots[one.scenario, one.rule, one.kind].append(one)
        defended = [one for found in _each(pool, defences.play, defences.work(share)) for one in found]
        ruled_in = time.monotonic() - began
        print(f"many traces at once: {ruled_in:.0f} s; now the state machine itself, look by look", flush=True)
        driven_ones, played = _driven(pool, share), _played(pool, share)
    rows = {key: outcomes.row(found) for key, found in lots.items()}
    whole = time.monotonic() - began
    seconds = {"tuning": tuned_in, "many_at_once": ruled_in, "state_machine": whole - ruled_in, "all": whole}
    rounded = {name: round(value, 1) for name, value in seconds.items()}
    return Played(scenarios, chosen, rows, rounded, defences.table(defended), driven_ones, played)


def _driven(pool: ProcessPoolExecutor, share: float) -> list[outcomes.Row]:
    work = driven.work(share)
    found: dict[str, list[outcomes.Row]] = defaultdict(list)
    for lot, rows in zip(work, _each(pool, driven.play, work), strict=True):
        found[lot.scenario.name] += rows
    return [driven.table(name, rows) for name, rows in found.items()]


def _played(pool: ProcessPoolExecutor, share: float) -> list[dict[str, Any]]:
    work = figures.work(share)
    found: dict[tuple[str, str], list[worlds.Played]] = defaultdict(list)
    for lot, rollouts in zip(work, _each(pool, figures.play_lot, work), strict=True):
        found[lot[:2]] += rollouts
    return [figures.table(*world, rollouts) for world, rollouts in found.items()]


def results(played: Played, share: float) -> dict[str, Any]:
    """Return all figures with where they come from."""
    rules = [(rule.name, "default") for rule in line_up.ours()]
    rules += [(rule.name, outcomes.TUNED) for rule in line_up.tuned()]
    rules += [(rule.name, "default") for rule in line_up.floors()]
    compared = {name: comparison.compare(name, played.scenarios, played.rows, kind) for name, kind in rules}
    first, live = (rule.name for rule in line_up.ours()[:2])
    return {
        **{name: compared[first].get(name) for name in HEADLINES},
        **{name: compared[live].get(name) for name in OF_LIVE_REQUESTS},
        **_with_and_without_copies(played.rows, first, live),
        **figures.figures(played.played),
        "look_milliseconds": look_milliseconds(),
        "comparisons": compared,
        "scenarios": [_scenario(scenario, played.rows) for scenario in played.scenarios],
        "state_machine": {"along_the_same_traces": played.driven, "played": played.played},
        "burst_defences": played.defences,
        "tuned_settings": [
            {
                "for": f"all that watch {one.scope}" if isinstance(one.scope, Metric) else str(one.scope),
                "setting_of": outcomes.TUNED if isinstance(one.scope, Metric) else outcomes.PER_SERVICE,
                "rule": one.rule,
                "false_rollbacks_in_tuning": round(one.false_rollbacks, 5),
                "setting": _plain(asdict(one.setting)),
            }
            for one in played.chosen
        ],
        "alpha": ALPHA,
        "share_of_traces": share,
        "seeds": "PCG64DXSM, SeedSequence([crc32(scenario), crc32('figures' or 'tuning'), number of the lot])",
        "wall_seconds": played.seconds,
        "date": datetime.now(tz=UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("slipway", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "machine": machine(),
        "command": "make bench-decisions",
    }


SHARED = (
    ("found_in_shadow_2x", "2x", 0, ("found_in_shadow", "share")),
    ("equal_leaves_shadow_seconds", "equal", 0, ("shadow_ends_seconds", "median")),
    ("promoted_1_5x_without_shadow", "1.5x", 1, ("promoted", "share")),
    ("promoted_cv1_within_hour", "bursts-one", 1, ("promoted", "share")),
    ("promoted_cv1_within_hour_with_shadow", "bursts-one", 0, ("promoted", "share")),
)
"""Figures of one scenario: its name, whether with a shadow (0) or without (1), and where in the row."""


def _with_and_without_copies(rows: dict[tuple[str, str, str], outcomes.Row], *ours: str) -> dict[str, Any]:
    """Return what a shadow brings and costs. Without one, the hour is one of live requests."""
    return {
        name: rows[scenario, ours[number], outcomes.DEFAULT][what][part]
        for name, scenario, number, (what, part) in SHARED
        if (scenario, ours[number], outcomes.DEFAULT) in rows
    }


def _each(pool: ProcessPoolExecutor, act: Callable[[Any], Any], work: list[Any]) -> Iterable[Any]:
    """Yield what came of each lot, in order; says how far it is once in a while."""
    for number, found in enumerate(pool.map(act, work), start=1):
        if number % 50 == 0:
            print(f"{number} of {len(work)} lots", flush=True)
        yield found


def _scenario(scenario: Scenario, rows: dict[tuple[str, str, str], outcomes.Row]) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "says": scenario.says,
        "service": str(scenario.service),
        "equal": scenario.equal,
        "regression": scenario.regression,
        "figure": scenario.figure,
        "rules": [row for (name, _, _), row in rows.items() if name == scenario.name],
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - settings are of any shape
    """Return what JSON can say: an infinite limit is None."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if value == float("inf") else value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the traces; figures need 1")
    parser.add_argument("--out", type=Path, help="folder for everything, instead of the repository's places")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
