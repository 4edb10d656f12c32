"""Tuning and figures: which setting is chosen, and what is reported of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.decisions import comparison, defences, driven, line_up, outcomes, page, plots, run, tuning
from benchmarks.decisions.decisions import Decision
from benchmarks.decisions.played import figures
from benchmarks.decisions.played.worlds import Played
from benchmarks.decisions.scenario import Scenario
from benchmarks.decisions.scenarios import SCENARIOS
from slipway.domain.rollout.status import Phase

PROMOTED = Played(
    phase=Phase.SUCCEEDED, seconds=500.0, found_in=None, shadow_seconds=0.0, bad_answers=20, promoted_at=500.0
)
FOUND_LATE = replace(PROMOTED, phase=Phase.ROLLING_BACK, found_in=Phase.BAKING, late_seconds=340.0)
EQUAL = Scenario(name="equal", says="equal")
WORSE = Scenario(name="2x", says="twice", ratio=2.0, tuned_on=True)


def tried(scenario: Scenario, **totals: tuple[float, float]) -> tuning.Tried:
    """Return what came of settings, named by letters, on 100 traces."""
    return tuning.Tried(rule="rule", lot=tuning.Lot(scenario=scenario, chunk=0, size=100), totals=totals)


def test_the_fewest_bad_answers_within_alpha_are_chosen() -> None:
    """Setting a rolls back too many equal canaries, b is within alpha, c too but costs more."""
    found = tuning.choose(
        [tried(EQUAL, a=(2, 98), b=(1, 99), c=(0, 100)), tried(WORSE, a=(100, 10), b=(90, 20), c=(90, 30))], 0.01
    )

    assert [(one.scope, one.setting, one.false_rollbacks) for one in found] == [
        (EQUAL.metric, "b", 0.01),
        (EQUAL.service, "b", 0.01),
    ]


def test_a_setting_that_never_promotes_is_not_chosen() -> None:
    """Leaving every canary at its first weight costs little and decides nothing."""
    found = tuning.choose([tried(EQUAL, stuck=(0, 0), fair=(1, 99)), tried(WORSE, stuck=(60, 1), fair=(60, 50))], 0.01)

    assert found[0].setting == "fair"


def test_a_setting_that_finds_nothing_is_chosen_only_where_none_finds() -> None:
    """Where half of the regressions can be found, a setting has to find them."""
    finding = [tried(EQUAL, blind=(0, 100), fair=(1, 99)), tried(WORSE, blind=(0, 1), fair=(60, 50))]
    none = [tried(EQUAL, blind=(0, 100), fair=(1, 99)), tried(WORSE, blind=(0, 1), fair=(40, 50))]

    chosen = [tuning.choose(one, 0.01)[0].setting for one in (finding, none)]

    assert chosen == ["fair", "blind"]


def test_one_setting_for_all_services_is_chosen_beside_one_for_each() -> None:
    """What suits the busy service rolls too many canaries of the quiet one back: alone it may have it."""
    quiet = replace(EQUAL, requests_per_second=0.2), replace(WORSE, requests_per_second=0.2)
    tries = [
        tried(EQUAL, sharp=(1, 99), blunt=(0, 100)),
        tried(WORSE, sharp=(90, 10), blunt=(60, 50)),
        tried(quiet[0], sharp=(5, 95), blunt=(1, 99)),
        tried(quiet[1], sharp=(90, 10), blunt=(60, 50)),
    ]

    chosen = {one.scope: one.setting for one in tuning.choose(tries, 0.01)}

    assert chosen == {EQUAL.metric: "blunt", EQUAL.service: "sharp", quiet[0].service: "blunt"}


def test_lots_of_a_scenario_are_added_up() -> None:
    """Two lots with 0 and 2 rollbacks of 100 are one with 1 %."""
    found = tuning.choose(
        [tried(EQUAL, a=(0, 100)), tried(EQUAL, a=(2, 98)), tried(WORSE, a=(50, 1)), tried(WORSE, a=(100, 1))], 0.01
    )

    assert found[0].false_rollbacks == 0.01


@pytest.mark.parametrize(("count", "total"), [(0, 50), (3, 50), (50, 50), (87, 10_000)])
def test_intervals_are_those_of_clopper_and_pearson(count: int, total: int) -> None:
    """Compared with scipy's exact interval."""
    expected = binomtest(count, total).proportion_ci(0.95, method="exact")

    found = outcomes.share(np.arange(total) < count)

    assert (found["low"], found["high"]) == (
        pytest.approx(expected.low, abs=1e-5),
        pytest.approx(expected.high, abs=1e-5),
    )


def test_medians_count_traces_that_never_got_there() -> None:
    """A rule that rolls back one in three has no median time to rollback."""
    lot = outcomes.Outcome(
        scenario="x",
        rule="r",
        kind="default",
        decision=np.array([Decision.ROLL_BACK, Decision.PROMOTE, Decision.UNDECIDED], dtype=np.int8),
        tick=np.array([3, 210, 360]),
        bad=np.array([1, 20, 30]),
        excess=np.array([0, 10, 15]),
        served=np.array([9, 900, 99]),
        copied=np.array([3, 18, 0]),
    )

    row = outcomes.row([lot])

    assert row["seconds_to_rollback"] == {"median": None, "p95": None}
    assert row["seconds_to_decision"] == {"median": 2100.0, "p95": None}
    assert row["bad_requests_before_rollback"] == {"mean": 1.0, "median": 1.0}
    assert row["canary_requests_before_promotion"] == {"mean": 900.0, "median": 900.0}
    assert row["promoted"]["share"] == 0.33333
    assert row["found_in_shadow"]["share"] == 0.33333
    assert row["shadow_ends_seconds"] == {"median": 180.0, "p95": None}


def test_the_whole_benchmark_in_small(tmp_path: Path) -> None:
    """Every rule in every scenario on a few traces: results, page and plots are whole and say the same."""
    few = tuple(one for one in SCENARIOS if one.service in {SCENARIOS[0].service, SCENARIOS[9].service})
    tries = [one for lot in tuning.work(few, 0.005) for one in tuning.attempt(lot)]
    chosen = tuning.choose(tries, 0.1)
    settings = {(one.scope, one.rule): one.setting for one in chosen}
    lots = [one for scenario in few for one in outcomes.play(tuning.lots(scenario, 5)[0], settings)]
    rows = {(one.scenario, one.rule, one.kind): outcomes.row([one]) for one in lots}

    tried_defences = defences.table([one for lot in defences.work(0.001) for one in defences.play(lot)])
    alone = [driven.table(few[0].name, driven.play(tuning.lots(few[-1], 1)[0]))]
    rolled_out = [figures.table(*world, [PROMOTED, FOUND_LATE]) for world in {lot[:2] for lot in figures.work()}]
    played = run.Played(few, chosen, rows, {"tuning": 1.0, "all": 2.0}, tried_defences, alone, rolled_out)
    found = run.results(played, 0.005)
    plots.write(found, tmp_path)
    text = page.write(found)

    assert json.loads(json.dumps(found)) == found
    assert set(run.HEADLINES) <= found.keys()
    kinds = len(line_up.everyone()) + 2 * len(line_up.tuned())
    floors = sum(len(line_up.ours()) - one.shadow for one in few if one.regression)
    assert len(rows) == len(few) * kinds + floors
    assert all(f"| {scenario.name}: " in text for scenario in few)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "decision-benchmark-delay.svg",
        "decision-benchmark-exposure.svg",
        "decision-benchmark-false-rollbacks.svg",
    ]


def test_the_best_peer_is_one_that_rolls_back() -> None:
    """Kayenta has the fewest bad answers here, but rolls back one in ten; of the others Argo Rollouts has fewer."""
    bad = {"flagger": (0.9, 50.0), "argo-rollouts": (0.6, 40.0), "kayenta": (0.1, 5.0)}
    rows = {
        (WORSE.name, rule, "tuned"): {"rule": rule, "rolled_back": {"share": share}, "bad_requests": {"mean": mean}}
        for rule, (share, mean) in bad.items()
    }

    assert comparison.best_peer(EQUAL, (EQUAL, WORSE), rows) == "argo-rollouts"
