"""Worlds in which requests, replicas or scrapes are not as independent as a formula would like: what they draw."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import betabinom

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.levels import HISTORY_TICKS, levels
from benchmarks.decisions.played.figures import WORLDS, table
from benchmarks.decisions.played.scrapes import OF_REVISION, Scrapes, scraped
from benchmarks.decisions.played.stage import play
from benchmarks.decisions.scenario import ALIKE, Metric, Scenario
from benchmarks.decisions.scenarios import SCENARIOS
from benchmarks.decisions.schedule import TICKS, TICKS_PER_MINUTE, WEIGHTS, index_of, path_of
from benchmarks.decisions.slipway_rule import Slipway
from benchmarks.decisions.traces import draw
from slipway.domain.judge.counters import Counters
from slipway.domain.rollout.status import Phase

BY_NAME = {one.name: one for one in SCENARIOS}
ALL_TO_STABLE = np.zeros(TICKS, dtype=np.int8)


def looks(name: str, traces: int = 20, metric: Metric = Metric.ERRORS) -> Arms:
    """Return what stable counts tick by tick, with all requests: (TICKS, traces) each."""
    channel = draw(BY_NAME[name], traces).channels[metric]
    ticks = [channel.window(tick, tick + 1, ALL_TO_STABLE) for tick in range(TICKS)]
    return Arms(**{part: np.array([getattr(one, part) for one in ticks]) for part in Arms.__slots__})


@pytest.mark.parametrize(("name", "times"), [("equal", 1.0), ("repeats-3", 3.0), ("repeats-8", 8.0)])
def test_repeats_scatter_as_geometric_clusters(name: str, times: float) -> None:
    """Of clusters of mean m the counts have 2 m - 1 times the variance of independent ones, and the same mean."""
    seen = looks(name)

    assert seen.stable.mean() == pytest.approx(500 * 0.005, rel=0.1)
    assert seen.stable.var() / seen.stable.mean() == pytest.approx(2 * times - 1, rel=0.15)


def test_rows_of_a_request_are_alike() -> None:
    """A request counts once: shares of class A have the variance of ten rows with their correlation."""
    seen, of = (
        looks("batches-classes", metric=Metric.CLASSES),
        betabinom(10, 0.1 * (1 / ALIKE - 1), 0.9 * (1 / ALIKE - 1)),
    )

    daily = seen.stable / seen.stable_requests
    assert daily.mean() == pytest.approx(0.1, rel=0.02)
    assert (daily.var() * 500) == pytest.approx(of.var() / 100, rel=0.05)


def test_scores_of_batches_have_the_variance_of_their_mean() -> None:
    """Ten rows with correlation 0.5: 0.55 of one row's."""
    seen = looks("batches-scores", metric=Metric.SCORES)

    assert (seen.stable_squares / seen.stable_requests).mean() == pytest.approx(0.55, rel=0.02)


@pytest.mark.parametrize(("name", "factor"), [("cold-2x", 2.0), ("cold-3x", 3.0)])
def test_replicas_are_cold_for_two_ticks_after_each_rise(name: str, factor: float) -> None:
    """More slow answers and errors then, of the canary alone; a window over a rise's first minute holds them once."""
    traces, path = draw(BY_NAME[name], 50), path_of(((0.05, 300), (0.5, 300)))

    slow, errors = (traces.channels[metric] for metric in (Metric.SLOW, Metric.ERRORS))
    shares = [one.canary.sum() / one.canary_requests.sum() for one in (slow.window(t, t + 1, path) for t in range(60))]
    failed = errors.window(30, 32, path)

    cold = [0, 1, 30, 31]
    expected = Scenario(name="a", says="", metric=Metric.SLOW, latency_factor=factor).shares[1]
    assert np.mean([shares[tick] for tick in cold]) == pytest.approx(expected, rel=0.1)
    assert np.mean([share for tick, share in enumerate(shares) if tick not in cold]) == pytest.approx(0.05, rel=0.1)
    assert failed.canary.sum() / failed.canary_requests.sum() == pytest.approx(0.055, rel=0.1)
    whole = slow.window(30, 36, path).canary
    assert whole.tolist() == sum(slow.window(tick, tick + 1, path).canary for tick in range(30, 36)).tolist()
    assert whole.tolist() == slow.canary_window(30, 36, path)[1].tolist()


def test_gusts_that_begin_at_any_time_last_for_a_minute() -> None:
    """Six ticks each; in a sixth of the traces they begin as minutes do."""
    _, stable = levels(BY_NAME["any-time"], np.random.default_rng(5), 300)

    begins = [np.flatnonzero(np.diff(one)) + 1 for one in stable.T]

    assert {int(gap) for one in begins for gap in np.diff(one)} == {TICKS_PER_MINUTE}
    assert np.mean([one[0] % TICKS_PER_MINUTE == 0 for one in begins]) == pytest.approx(1 / 6, abs=0.07)


def test_gusts_of_pareto_lengths() -> None:
    """Four times the share, from a minute on, some longer than ten; each arm's its own; some 3 of 23 minutes."""
    canary, stable = levels(BY_NAME["gusts-pareto"], np.random.default_rng(5), 400)

    lengths = np.concatenate([np.diff(np.flatnonzero(np.diff(one == 4, prepend=False, append=False)))[::2]
                              for one in stable.T])  # fmt: skip
    assert set(np.unique(stable)) == {1.0, 4.0}
    assert not np.array_equal(canary, stable)
    assert (stable[HISTORY_TICKS:] == 4).mean() == pytest.approx(3 / 23, rel=0.2)
    assert np.median(lengths) == pytest.approx(6 * 2 ** (1 / 1.5), abs=1.5)
    assert (lengths > 60).mean() == pytest.approx(10**-1.5, abs=0.015)


def test_the_base_halves_within_half_an_hour() -> None:
    """And stays there; history is as it was."""
    moved = BY_NAME["2x-bursts-one-halves"].base_at(np.array([-1800.0, 0.0, 900.0, 1800.0, 3600.0]))

    assert moved == pytest.approx([1.0, 1.0, 0.5**0.5, 0.5, 0.5])


@pytest.mark.parametrize(("name", "canary", "stable"), [("refusing", 1.0, 0.01), ("shedding", 1 / 3, 0.001)])
def test_an_answer_is_refused_or_shed_or_failed(name: str, canary: float, stable: float) -> None:
    """What peers count, failures, is no more of the canary's than of stable's."""
    traces, path = draw(BY_NAME[name], 5), path_of(((0.5, 3600),))

    bad, errors = (traces.channels[metric].window(0, TICKS, path) for metric in (traces.scenario.metric, Metric.ERRORS))

    assert bad.canary.sum() / bad.canary_requests.sum() == pytest.approx(canary, rel=0.05)
    assert bad.stable.sum() / bad.stable_requests.sum() == pytest.approx(stable, rel=0.1)
    assert np.all(bad.canary + errors.canary <= errors.canary_requests)
    assert errors.canary.sum() <= errors.stable.sum()


def test_nothing_is_known_of_a_stable_version_that_was_never_watched() -> None:
    """No history at all, and eleven minutes of it."""
    lengths = [
        len(draw(BY_NAME[name], 2).history[Metric.ERRORS].requests) for name in ("never-watched", "first-release")
    ]

    assert lengths == [0, 66]


def test_copies_show_what_the_scenario_is_about() -> None:
    """Twice the errors, each version for itself; times where answers are slow; nothing of labels."""
    doubled, slow, labels = (draw(BY_NAME[name], 200).copies for name in ("2x", "slow-50", "labels-2x"))

    assert doubled.canary.sum() / doubled.stable.sum() == pytest.approx(2, rel=0.05)
    assert doubled.both.sum() == pytest.approx(doubled.requests.sum() * 0.01 * 0.005, rel=0.1)
    assert doubled.timed.sum() == labels.timed.sum() == 0
    assert np.exp(slow.log_ratios.sum() / slow.timed.sum()) == pytest.approx(1.5, rel=0.01)
    assert slow.squares.sum() / slow.timed.sum() == pytest.approx(0.5 + np.log(1.5) ** 2, rel=0.01)
    assert labels.canary.sum() / labels.stable.sum() == pytest.approx(1, rel=0.05)


def test_the_shadow_is_part_of_the_hour_and_costs_no_answer() -> None:
    """Twice the errors are mostly found there; an equal canary gets its first live request minutes later."""
    rule = Slipway("slipway")
    bad, good = (
        rule.decide(traces, rule.default(traces)) for traces in (draw(BY_NAME[n], 50) for n in ("2x", "equal"))
    )

    early = bad.tick <= bad.copied
    assert early.mean() > 0.9
    assert bad.bad[early].sum() == 0
    assert 60 <= 10 * np.median(good.copied) <= 400
    assert np.all(good.path[0] == index_of(0.0))
    assert WEIGHTS[good.path[good.copied.max()].max()] >= 0.01


@pytest.fixture
def scrapes() -> Iterator[Scrapes]:
    """Return pods that are scraped every 15 s, read by the product's adapter."""
    with scraped(15.0, seed=3) as found:
        yield found


def test_the_adapter_reads_what_was_scraped(scrapes: Scrapes) -> None:
    """Both revisions' counts move together, once pods of both were scraped anew; in the end nothing is lost."""
    read = []
    for tick in range(30):
        for name in OF_REVISION:
            scrapes.count(name, 10.0 * tick, 10.0, (100, 3) if tick < 20 else (0, 0))
        read.append(scrapes.counters(10.0 * (tick + 1)))

    pairs = pairwise(read[:20])
    moved = [{name for name in OF_REVISION if after[name] != before[name]} for before, after in pairs]
    assert {frozenset(one) for one in moved if one} == {frozenset(OF_REVISION)}
    assert read[5]["new"].requests < 600
    assert read[-1] == dict.fromkeys(OF_REVISION, Counters(requests=2000, errors=60))


def test_scrape_times_do_not_hold_a_rollout() -> None:
    """One rollout whose pods are scraped every 30 s, each at its own time, looked at every ten."""
    played = play(WORLDS["held_by_scrape_times"]["scraped every 30 s"], 1)

    assert played.phase is Phase.SUCCEEDED
    assert table("held_by_scrape_times", "scraped every 30 s", [played])["held"] == 0


def test_an_undecided_rollout_counts_as_held() -> None:
    """It ends with its world's time, neither promoted nor taken back."""
    world = replace(WORLDS["held_by_scrape_times"]["scraped every 15 s"], longest_seconds=100.0, history_minutes=1)

    row = table("held_by_scrape_times", "x", [play(world, 1)])

    assert row["held"] == 1
    assert json.loads(json.dumps(row)) == row
