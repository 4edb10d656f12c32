"""The figures that are played, and the worlds that they are from."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.decisions.outcomes import share
from benchmarks.decisions.played.stage import play_many
from benchmarks.decisions.played.worlds import Played, World
from slipway.domain.rollout.status import Phase

ROLLOUTS = 300
"""Of each world."""
LOT = 10
"""Rollouts at a time."""
TEN_TO_FIFTY = {"steps": [{"weight_percent": percent, "duration_seconds": 60} for percent in (10, 20, 30, 40, 50)]}
AT_ONCE = {"shadow": None, "steps": [{"weight_percent": 50, "duration_seconds": 60, "at_least_seconds": 30}]}
"""Soon promoted: for what is about the time after it."""
AT_TWENTY: dict[str, Any] = {"requests_per_second": 20, "says_warm": True}
NO_BAKE: dict[str, Any] = {"bake_seconds": 0}

WORLDS: Mapping[str, Mapping[str, World]] = {
    "late_fault_seconds": {
        "5x, 9 minutes after promotion": World(late_seconds=540.0, rollout=AT_ONCE | {"bake_seconds": 3600}),
        "5x, 30 minutes after promotion": World(late_seconds=1800.0, rollout=AT_ONCE | {"bake_seconds": 3600}),
        "equal, half an hour of baking": World(rollout=AT_ONCE | {"bake_seconds": 1800}),
    },
    "equal_promotion_seconds": {
        "without a shadow": World(**AT_TWENTY, rollout=TEN_TO_FIFTY | NO_BAKE | {"shadow": None}),
        "with a shadow of a minute": World(
            **AT_TWENTY, rollout=TEN_TO_FIFTY | NO_BAKE | {"shadow": {"duration_seconds": 60}}
        ),
    },
    "held_by_scrape_times": {
        "scraped every 15 s": World(scrape_seconds=15.0, rollout=NO_BAKE),
        "scraped every 30 s": World(scrape_seconds=30.0, rollout=NO_BAKE),
    },
}
"""By figure, and by what a row says."""
Lot = tuple[str, str, int, int]
"""Figure, world, number of the first rollout, how many."""


def work(part: float = 1.0) -> list[Lot]:
    """Return what is to be played; `part` scales the number of rollouts."""
    count = max(1, round(part * ROLLOUTS))
    return [
        (figure, name, begin, min(LOT, count - begin))
        for figure, worlds in WORLDS.items()
        for name in worlds
        for begin in range(0, count, LOT)
    ]


def play_lot(lot: Lot) -> list[Played]:
    """Play the rollouts of a lot; seeds are their numbers, another thousand for each world."""
    figure, name, begin, count = lot
    number = [*WORLDS].index(figure) * 10 + [*WORLDS[figure]].index(name) + 1
    return play_many(WORLDS[figure][name], count, first_seed=1000 * number + begin)


def table(figure: str, name: str, played: Sequence[Played]) -> dict[str, Any]:
    """Return what came of one world."""
    undecided = [one.found_in is None and not np.isfinite(one.promoted_at) for one in played]
    promoted = [one for one in played if one.promoted_at < np.inf]
    late = [one.late_seconds for one in promoted if one.found_in is Phase.BAKING]
    back = [one.found_in is not None for one in played]
    return {
        "figure": figure,
        "world": name,
        "traces": len(played),
        "rolled_back": share(np.array(back)),
        "held": int(sum(undecided)),
        "promoted_median_seconds": _median([one.promoted_at for one in played]),
        "promoted": len(promoted),
        "found_after_promotion": len(late),
        "found_seconds": {"median": _median(late), "slowest": max(late, default=None)},
    }


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures at the top of the results."""
    by = {(row["figure"], row["world"]): row for row in rows}
    late = [row for (figure, name), row in by.items() if figure == "late_fault_seconds" and name.startswith("5x")]
    promoted = {name: row["promoted_median_seconds"] for (f, name), row in by.items() if f == "equal_promotion_seconds"}
    scraped = [row for (figure, _), row in by.items() if figure == "held_by_scrape_times"]
    return {
        "late_fault_seconds": _largest(row["found_seconds"]["median"] for row in late),
        "late_fault_slowest_seconds": _largest(row["found_seconds"]["slowest"] for row in late),
        "late_fault_found": min(round(row["found_after_promotion"] / max(row["promoted"], 1), 5) for row in late),
        "late_fault_false_rollback": by["late_fault_seconds", "equal, half an hour of baking"]["rolled_back"]["share"],
        "equal_promotion_seconds": promoted["with a shadow of a minute"],
        "equal_promotion_seconds_without_shadow": promoted["without a shadow"],
        "held_by_scrape_times": max(row["held"] for row in scraped),
    }


def _largest(values: Any) -> float | None:  # noqa: ANN401 - numbers, or None where there is none
    known = list(values)
    return None if None in known else max(known)


def _median(values: list[float]) -> float | None:
    """Return the median; None where most are infinite."""
    found = float(np.quantile(values, 0.5, method="higher")) if values else np.inf
    return round(found, 2) if np.isfinite(found) else None


if __name__ == "__main__":
    for world in WORLDS[sys.argv[1]]:
        print(json.dumps(table(sys.argv[1], world, play_lot((sys.argv[1], world, 0, int(sys.argv[2]))))), flush=True)
