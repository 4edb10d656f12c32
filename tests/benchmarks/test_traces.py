"""Traces: the rates that scenarios promise, and the same requests for every rule."""

import numpy as np
import pytest

from benchmarks.decisions.channels import Counts, cumulative
from benchmarks.decisions.scenario import Cycle, Metric, Scenario
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.decisions.schedule import TICKS, WEIGHTS, index_of, path_of
from benchmarks.decisions.traces import Traces, draw

ALL_TO_CANARY = np.full(TICKS, len(WEIGHTS) - 1)
NONE_TO_CANARY = np.zeros(TICKS, dtype=np.int64)
LOTS = 40


def totals(traces: Traces, metric: str, path: np.ndarray) -> tuple[float, float, float, float]:
    """Return requests and events of both arms over all ticks and traces."""
    arms = traces.channels[metric].window(0, TICKS, path)
    return tuple(
        float(values.sum()) for values in (arms.canary_requests, arms.canary, arms.stable_requests, arms.stable)
    )


def test_names_are_unique() -> None:
    """Seeds and results go by the name."""
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_the_values_that_were_asked_for_are_there() -> None:
    """Rates, base error ratios, canary ratios and disturbances of the benchmark's description."""
    assert {one.requests_per_second for one in SCENARIOS} == {0.2, 2, 50, 2000}
    assert {one.error_share for one in SCENARIOS} == {0, 0.001, 0.005, 0.05}
    assert {1, 1.2, 1.5, 2, 5} <= {one.ratio for one in SCENARIOS if one.metric is Metric.ERRORS}
    assert {1.1, 1.25, 1.5} <= {one.latency_factor for one in SCENARIOS}
    assert {(0.5, False), (1.0, False), (1.0, True)} <= {(one.bursts, one.bursts_shared) for one in SCENARIOS}
    assert {one.metric for one in SCENARIOS} == set(Metric)
    assert any(one.outage for one in SCENARIOS)
    assert any(one.stops_at for one in SCENARIOS)
    assert any(one.leak_to for one in SCENARIOS)


def test_every_service_can_be_tuned_for() -> None:
    """Each has an equal canary and a regression that is marked."""
    for service in {scenario.service for scenario in SCENARIOS}:
        here = [scenario for scenario in SCENARIOS if scenario.service == service]
        assert any(one.equal for one in here), service
        assert any(one.tuned_on and one.regression for one in here), service


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_same_seed_same_traces(scenario: Scenario) -> None:
    """The same arguments give the same counts; another lot and tuning's traces differ."""
    one, again, other, tuning = (
        totals(draw(scenario, 3, **more), Metric.ERRORS, path_of(((0.5, 3600),)))
        for more in ({}, {}, {"chunk": 1}, {"purpose": "tuning"})
    )

    assert one == again
    assert len({one, other, tuning}) == 3


@pytest.mark.parametrize(
    ("scenario", "canary", "stable"),
    [
        pytest.param(Scenario(name="a", says="", ratio=2.0), 0.01, 0.005, id="ratio"),
        pytest.param(Scenario(name="a", says="", error_share=0.0, canary_share=0.5), 0.5, 0.0, id="share"),
        pytest.param(Scenario(name="a", says="", error_share=0.05, bursts=1.0), 0.05, 0.05, id="bursts"),
        pytest.param(Scenario(name="a", says="", error_share=0.05, cycle=Cycle.HOURLY), 0.05, 0.05, id="cycle"),
        pytest.param(Scenario(name="a", says="", error_share=0.05, leak_to=5.0), 0.15, 0.05, id="leak"),
        pytest.param(Scenario(name="a", says="", outage=True), 0.038, 0.038, id="outage"),
        pytest.param(Scenario(name="a", says="", metric=Metric.SLOW, latency_factor=1.25), 0.11535, 0.05, id="slow"),
        pytest.param(Scenario(name="a", says="", metric=Metric.CLASSES, ratio=1.5), 0.15, 0.1, id="classes"),
        pytest.param(Scenario(name="a", says="", metric=Metric.SCORES, score_shift=0.3), 0.3, 0.0, id="scores"),
    ],
)
def test_shares_are_as_promised(scenario: Scenario, canary: float, stable: float) -> None:
    """Events over requests, with everything and with nothing sent to the canary; within five standard errors."""
    traces = draw(scenario, LOTS)

    requests, events, _, _ = totals(traces, scenario.metric, ALL_TO_CANARY)
    _, _, stable_requests, stable_events = totals(traces, scenario.metric, NONE_TO_CANARY)

    assert requests == stable_requests
    assert requests == pytest.approx(LOTS * 3600 * 50, rel=0.003)
    # bursts of CV 1 are shared by a minute's requests: 40 traces of 60 minutes
    slack = 5 / np.sqrt(LOTS * 60) if scenario.bursts else 0.03
    assert events / requests == pytest.approx(canary, rel=slack)
    assert stable_events / requests == pytest.approx(stable, rel=slack, abs=0.005 if scenario.score_shift else 0)


@pytest.mark.parametrize("metric", list(Metric))
def test_a_larger_weight_moves_requests_from_stable_to_canary(metric: Metric) -> None:
    """The same requests at every weight: the canary's counts grow with it, and nothing is lost."""
    traces = draw(Scenario(name="b", says="", metric=metric, requests_per_second=5.0), 5)

    found = [totals(traces, metric, np.full(TICKS, number)) for number in range(len(WEIGHTS))]

    canary = [one[0] for one in found]
    assert canary == sorted(canary)
    assert canary[0] == 0
    assert len({one[0] + one[2] for one in found}) == 1
    if metric is not Metric.SCORES:
        assert [one[1] for one in found] == sorted(one[1] for one in found)


@pytest.mark.parametrize("metric", list(Metric))
def test_an_equal_canary_gives_the_same_answers(metric: Metric) -> None:
    """Without bursts in one arm, events in both arms together do not depend on the weight."""
    traces = draw(Scenario(name="c", says="", metric=metric), 5)

    sums = [canary + stable for _, canary, _, stable in (totals(traces, metric, path) for path in
            (NONE_TO_CANARY, path_of(((0.05, 600), (0.5, 600))), ALL_TO_CANARY))]  # fmt: skip

    if metric is Metric.ERRORS:
        assert len(set(sums)) == 1
    else:
        assert sums == pytest.approx([sums[0]] * 3)


def test_windows_add_up() -> None:
    """Counts of ticks sum to those of the hour, along a path that differs by trace."""
    traces = draw(Scenario(name="d", says="", metric=Metric.LABELS), 4)
    rng = np.random.default_rng(3)
    path = rng.integers(0, len(WEIGHTS), (TICKS, 4))

    for name in (Metric.LABELS, Metric.ERRORS):
        channel = traces.channels[name]
        ticks = [channel.window(tick, tick + 1, path) for tick in range(TICKS)]
        minutes = sum(one.canary + one.stable for one in ticks)
        whole = channel.window(0, TICKS, path)
        assert minutes.tolist() == (whole.canary + whole.stable).tolist()


def test_labels_come_five_minutes_late() -> None:
    """Batches arrive after an exponential delay of mean 300 s, in whole ticks, and stay with the arm that served."""
    traces = draw(Scenario(name="e", says="", metric=Metric.LABELS), 50)
    channel = traces.channels[Metric.LABELS]
    early = path_of(((0.5, 600), (0.01, 600)))
    arrived = np.repeat(np.arange(TICKS), np.diff(channel.starts))
    old = channel.served < 60  # at most an hour later: the tail that is cut is below 1e-4

    delays = (arrived - channel.served)[old]
    late = channel.window(60, TICKS, early)

    assert delays.min() >= 1
    assert delays.mean() == pytest.approx(1 / (1 - np.exp(-1 / 30)), rel=0.02)  # a geometric number of ticks
    assert late.canary_requests.mean() > 50 * 3000 * 0.01 * 2  # labels of the first ten minutes' half


def test_traffic_stops() -> None:
    """From then on neither arm has a request."""
    traces = draw(Scenario(name="f", says="", stops_at=600), 3)

    after = traces.channels[Metric.ERRORS].window(60, TICKS, path_of(((0.5, 3600),)))

    assert (after.canary_requests.sum(), after.stable_requests.sum()) == (0, 0)


def test_scores_have_the_variance_of_standard_normal_numbers() -> None:
    """Sum of squares over requests, less the mean squared, is 1 in either arm."""
    traces = draw(Scenario(name="g", says="", metric=Metric.SCORES, score_shift=0.3), 20)

    arms = traces.channels[Metric.SCORES].window(0, TICKS, path_of(((0.5, 3600),)))

    for squares, sums, count in (
        (arms.canary_squares, arms.canary, arms.canary_requests),
        (arms.stable_squares, arms.stable, arms.stable_requests),
    ):
        assert (squares / count - (sums / count) ** 2).mean() == pytest.approx(1.0, rel=0.005)


def test_history_has_the_same_bursts() -> None:
    """The hour before: the stable version's share, and its over-dispersion by look."""
    calm, bursty = (
        draw(Scenario(name="h", says="", error_share=0.05, bursts=cv), 50).history[Metric.ERRORS] for cv in (0.0, 1.0)
    )

    spreads = [
        float(((one.events - 0.05 * one.requests) ** 2 / (0.05 * 0.95 * one.requests)).mean()) for one in (calm, bursty)
    ]

    assert spreads[0] == pytest.approx(1.0, rel=0.1)
    assert spreads[1] == pytest.approx(1 + 500 * 0.05 / 0.95, rel=0.2)  # binomial and a factor of variance 1


def test_a_weight_that_traces_are_not_cut_at_is_refused() -> None:
    """A rule with a new weight gets a clear error."""
    with pytest.raises(ValueError, match=r"0\.07 is not in"):
        index_of(0.07)


def test_counts_are_those_of_plain_sums() -> None:
    """A window is the sum over its ticks, over bins below the weight of each trace."""
    rng = np.random.default_rng(9)
    cells = [rng.integers(0, 9, (TICKS, 3, len(WEIGHTS) - 1)) for _ in range(3)]
    path = np.repeat(rng.integers(0, len(WEIGHTS), (1, 3)), TICKS, axis=0)

    arms = Counts.of(*(cumulative(one) for one in cells)).window(40, 70, path)

    for trace in range(3):
        cut = path[0, trace]
        assert arms.canary_requests[trace] == cells[0][40:70, trace, :cut].sum()
        assert arms.canary[trace] == cells[1][40:70, trace, :cut].sum()
        assert arms.stable[trace] == cells[2][40:70, trace, cut:].sum()
