"""The rule of the benchmark is the product: the rollout's own state machine decides the same on the same traces."""

import pytest

from benchmarks.decisions.driven import LEFT_OUT, driven, play, table, work
from benchmarks.decisions.look_time import look_milliseconds
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.decisions.slipway_guards import error_alpha
from benchmarks.decisions.slipway_rule import Slipway
from benchmarks.decisions.traces import draw
from benchmarks.decisions.tuning import Lot
from slipway.domain.judge.checks import Check
from slipway.domain.judge.decision import score_metrics
from slipway.domain.judge.evidence import Evidence
from slipway.domain.spec.release import ReleaseSpec

BY_NAME = {one.name: one for one in SCENARIOS}


@pytest.mark.parametrize(
    "name",
    [
        *("2x", "5x", "broken", "equal", "outage", "bursts-one", "faulty-bursts", "clean-2x", "slow-50", "slow-bursts"),
        *("repeats-3", "cold-3x", "gusts-pareto", "never-watched", "second-release", "refusing", "shedding"),
    ],
)
def test_the_state_machine_decides_as_the_benchmark_says(name: str) -> None:
    """Same decision in the same tick, trace by trace: shadow, steps, early ends, gusts, shared faults and all."""
    traces, rule = draw(BY_NAME[name], 2, purpose="test"), Slipway("slipway")

    decided = rule.decide(traces, rule.default(traces))

    expected = list(zip(decided.decision.tolist(), decided.tick.tolist(), strict=True))
    assert [driven(traces, trace) for trace in range(traces.count)] == expected


@pytest.mark.parametrize("name", ["batches-scores", "batches-classes", "scores-0.3"])
def test_what_is_summed_is_decided_alike(name: str) -> None:
    """The rule looks at scores and classes every other tick: the same decision, at most two ticks apart."""
    found = table(name, play(Lot(scenario=BY_NAME[name], chunk=0, size=2)))

    assert found["alike"] == found["traces"] == 2
    assert found["advance"] == found["rule"]


def test_every_figure_has_a_scenario_driven() -> None:
    """Three hundred traces of each; two figures are shown beside others and have none."""
    traces: dict[str, int] = {}
    for lot in work():
        traces[lot.scenario.name] = traces.get(lot.scenario.name, 0) + lot.size

    assert set(traces.values()) == {300}
    assert {one.figure for one in SCENARIOS} - {BY_NAME[name].figure for name in traces} == {
        "false_rollback_second_release",
        "false_rollback_never_watched",
    }
    assert {one.name for one in SCENARIOS if one.figure} == {one for one in traces if BY_NAME[one].figure} | {*LEFT_OUT}


def test_alpha_is_shared_as_the_judge_shares_it() -> None:
    """The benchmark's share for errors is that of the default spec."""
    spec = default_spec()

    shares = {one.check: one.alpha for one in score_metrics(Evidence(), spec)}

    assert shares[Check.ERRORS] == pytest.approx(error_alpha())


def default_spec() -> ReleaseSpec:
    """Return the default spec."""
    return ReleaseSpec.model_validate({"model": "m", "data": {"path": "x.csv", "label": "y"}})


def test_looks_are_timed() -> None:
    """A time in milliseconds, of real looks."""
    assert look_milliseconds(metrics=2, looks=5) > 0
