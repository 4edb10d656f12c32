"""The figures that a rule is held to: against the peers as tuned, and against the floor."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.decisions import line_up
from benchmarks.decisions.outcomes import DEFAULT, PER_SERVICE, TUNED, Row, along
from benchmarks.decisions.rules.sprt import PATIENT
from benchmarks.decisions.scenario import Metric, Scenario

MEDIUM_RATE = 50.0
FEW_ERRORS = 0.002
"""A share of errors that the default spec calls negligible: below it, a doubling may be passed within the plan."""
FOUND = 0.5
"""A peer that rolls back fewer worse canaries than this share leaves them at some weight, or promotes them."""
PROMOTED = {"promoted_1_5x": "1.5x", "promoted_cv1_within_hour": "bursts-one"}
"""Shares promoted in scenarios that other figures are from too."""
Rows = Mapping[tuple[str, str, str], Row]
"""By scenario, rule, and kind of setting."""
Ratios = Mapping[str, float | None]


def compare(rule: str, scenarios: Sequence[Scenario], rows: Rows, kind: str = DEFAULT) -> dict[str, Any]:
    """Return the figures of one rule. Ratios are by scenario, and the worst of them; None where there is none.

    Scenarios with a figure of their own are in that one alone.
    """
    apart = [one for one in scenarios if one.figure]
    every = tuple(one for one in scenarios if not one.figure)
    mine = {scenario.name: rows[scenario.name, rule, kind] for scenario in scenarios}
    worse = [one.name for one in every if one.regression]
    exposure = {name: _exposure(mine[name], name, rows, TUNED) for name in worse}
    known = {name: _exposure(mine[name], name, rows, PER_SERVICE) for name in worse}
    floor = {name: _over_floor(mine[name], name, rows) for name in worse}
    delay = {name: _delay(mine[name], name, rows) for name in worse}
    return {
        **_false(every, mine),
        **_apart(apart, mine),
        **_missed(every, mine),
        "exposure_ratio_vs_best_tuned_peer": _worst(exposure),
        "exposure_ratio_by_scenario": exposure,
        "exposure_ratio_vs_best_peer_tuned_per_service": _worst(known),
        "exposure_ratio_per_service_by_scenario": known,
        "exposure_ratio_vs_floor": _worst(floor),
        "exposure_ratio_vs_floor_by_scenario": floor,
        "exposure_ratio_vs_floor_median": _median(floor),
        "exposure_ratio_medians": {
            "vs_best_tuned_peer": _median(exposure),
            "vs_best_peer_tuned_per_service": _median(known),
            "vs_floor": _median(floor),
        },
        "median_delay_ratio_vs_sprt": _worst(delay),
        "median_delay_ratio_by_scenario": delay,
        "median_delay_ratio_median": _median(delay),
        **_promotions(every, mine, rows),
    }


def _false(every: tuple[Scenario, ...], mine: Mapping[str, Row]) -> dict[str, Any]:
    false = {one.name: mine[one.name]["rolled_back"] for one in every if one.equal}
    worst = max(false, key=lambda name: false[name]["share"])
    return {
        "false_rollback_max": false[worst]["share"],
        "false_rollback_max_interval": [false[worst]["low"], false[worst]["high"]],
        "false_rollback_worst_scenario": worst,
    }


def _apart(apart: Iterable[Scenario], mine: Mapping[str, Row]) -> dict[str, Any]:
    """Return the largest share of each figure's scenarios: rolled back where the canary is equal, else promoted."""
    found: dict[str, float] = {
        figure: mine[name]["promoted"]["share"] for figure, name in PROMOTED.items() if name in mine
    }
    for one in apart:
        share = mine[one.name]["rolled_back" if one.equal else "promoted"]["share"]
        found[one.figure] = max(share, found.get(one.figure, 0.0))
    return found


def _missed(every: tuple[Scenario, ...], mine: Mapping[str, Row]) -> dict[str, Any]:
    """Return how many doublings at 50 requests/s are not rolled back within the plan's time.

    The figure is the worst of the scenarios without bursts and outages whose errors are not negligible to begin with;
    the worst of all stands beside it.
    """
    doubled = [one for one in every if not one.equal and one.metric is Metric.ERRORS and one.ratio == 2]  # noqa: PLR2004
    here = [one for one in doubled if one.requests_per_second == MEDIUM_RATE]
    missed = {one.name: round(1 - mine[one.name]["rolled_back_within_plan"]["share"], 5) for one in here}
    plain = [missed[one.name] for one in here if not (one.bursts or one.outage) and one.error_share >= FEW_ERRORS]
    return {
        "missed_2x_at_50rps": max(plain, default=None),
        "missed_2x_at_50rps_disturbed_or_few_errors": max(missed.values(), default=None),
        "missed_2x_at_50rps_by_scenario": missed,
    }


def _promotions(every: tuple[Scenario, ...], mine: Mapping[str, Row], rows: Rows) -> dict[str, Any]:
    steady = [one for one in every if one.equal and one.stops_at is None]
    promotion = {one.name: _promotion(mine[one.name], one, every, rows) for one in steady}
    return {
        "promotion_delay_ratio_vs_best_tuned_peer": _worst({name: one["delay"] for name, one in promotion.items()}),
        "promotion_exposure_ratio_vs_best_tuned_peer": _worst(
            {name: one["exposure"] for name, one in promotion.items()}
        ),
        "promotion_by_scenario": promotion,
        "not_promoted_within_the_hour": [
            one.name for one in steady if mine[one.name]["seconds_to_promotion"]["median"] is None
        ],
    }


def best_peer(scenario: Scenario, every: Iterable[Scenario], rows: Rows) -> str:
    """Return the tuned peer that protects best on the regressions of a scenario's service.

    A peer that never rolls back promotes soonest: it is not the one to be compared with.
    """
    tests = [one.name for one in every if one.service == scenario.service and one.tuned_on]
    found: str = _best([[rows[test, rule.name, TUNED] for test in tests] for rule in line_up.peers()])[0]["rule"]
    return found


def _best(peers: list[list[Row]]) -> list[Row]:
    """Return the peer with the fewest bad answers, of those that roll back most; of all where none does."""
    finding = [rows for rows in peers if all(row["rolled_back"]["share"] >= FOUND for row in rows)]
    return min(finding or peers, key=lambda rows: sum(row["bad_requests"]["mean"] for row in rows))


def _exposure(mine: Row, scenario: str, rows: Rows, kind: str) -> float | None:
    """Mean bad answers, over those of the best peer in this very scenario."""
    (theirs,) = _best([[rows[scenario, peer.name, kind]] for peer in line_up.peers()])
    return _ratio(mine["bad_requests"]["mean"], theirs["bad_requests"]["mean"])


def _over_floor(mine: Row, scenario: str, rows: Rows) -> float | None:
    return _ratio(mine["bad_requests"]["mean"], rows[scenario, PATIENT, DEFAULT]["bad_requests"]["mean"])


def _delay(mine: Row, scenario: str, rows: Rows) -> float | None:
    """Median time to rollback, over the floor's on the same weights; for peers, on the default plan's.

    None with a shadow: what is found before any live request has no weights.
    """
    floor = rows.get((scenario, line_up.FLOOR, along(mine["rule"])))
    if floor is None and mine["rule"] in {one.name for one in line_up.ours()}:
        return None
    floor = floor or rows[scenario, line_up.FLOOR, DEFAULT]
    return _ratio(mine["seconds_to_rollback"]["median"], floor["seconds_to_rollback"]["median"])


def _promotion(mine: Row, scenario: Scenario, every: tuple[Scenario, ...], rows: Rows) -> dict[str, Any]:
    peer = best_peer(scenario, every, rows)
    theirs = rows[scenario.name, peer, TUNED]
    delay = _ratio(mine["seconds_to_promotion"]["median"], theirs["seconds_to_promotion"]["median"])
    name = "canary_requests_before_promotion"
    exposure = _ratio(mine[name]["median"], theirs[name]["median"]) if delay is not None else None
    return {"peer": peer, "delay": delay, "exposure": exposure}


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else round(one / other, 4)


def _worst(ratios: Ratios) -> float | None:
    return max((value for value in ratios.values() if value is not None), default=None)


def _median(ratios: Ratios) -> float | None:
    known = [value for value in ratios.values() if value is not None]
    return round(median(known), 4) if known else None
