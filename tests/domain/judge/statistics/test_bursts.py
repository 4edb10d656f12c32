"""Bursts: what gusts in one arm may not do, simulated; and how their size is learned."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from slipway.domain.judge.statistics.bursts import (
    CALM,
    COUNTS,
    HALF,
    MOST_SAID,
    WINDOW,
    Overdispersion,
    Tally,
    add_look,
    close_block,
    empty_tally,
    expect_overdispersion,
    part_lengths,
    small_total,
    total_against,
    total_for,
)
from slipway.domain.judge.statistics.dispersion import RECENT
from slipway.domain.judge.statistics.rates import (
    SMALLER,
    Floats,
    grid_of,
    log_evidence_against,
    log_evidence_for,
    log_likelihoods,
    log_mixed,
    small_likelihoods,
)

GRID = grid_of(1.0, 1.5)
NEGLIGIBLE = 0.01
ALPHA, BETA = 0.01, 0.05
RAMP = [0.01] * 4 + [0.05] * 6 + [0.25] * 6 + [0.5] * 16
"""The canary's share, minute by minute."""
STEADY = [0.01] * 32
SWINGING = list(0.01 * (1 + 0.8 * np.sin(np.arange(32) / 6)))
RISING = [0.01] * 13 + [0.04] * 19
FALLING = [0.04] * 13 + [0.01] * 19


def tally_of(*looks: tuple[float, float, float, float, float]) -> Tally:
    """Return the tally of one metric after looks within one block."""
    tally = empty_tally((), len(GRID.ratios))
    for look in looks:
        add_look(tally, np.array(look), GRID, np.array(NEGLIGIBLE))
    return tally


def gusts_of(squared: float, rate: float = 0.01, *, gusty: bool = False, clusters: float = 1.0) -> Overdispersion:
    """Return what is expected of a block."""
    return Overdispersion(
        squared_cv=np.array(squared), rate=np.array(rate), gusty=np.array(float(gusty)), clusters=np.array(clusters)
    )


# calm traffic


def test_without_gusts_a_block_is_weighed_as_counts() -> None:
    """Whether it is under way or over: the likelihood of the rates, whole."""
    tally, calm = tally_of((200, 3, 800, 9, 3), (150, 1, 900, 7, 1)), gusts_of(0.0)
    counted = log_likelihoods(*(np.array(v, float) for v in ((3, 1), (9, 7), (200, 150), (800, 900))), GRID).sum(axis=0)
    alone = small_likelihoods(np.array(4.0), np.array(350.0), np.array(NEGLIGIBLE))

    under_way = total_against(tally, calm, GRID), small_total(tally, calm)
    close_block(tally, calm, GRID, np.array(NEGLIGIBLE))

    assert under_way[0] == pytest.approx(counted)
    assert under_way[1] == pytest.approx(alone)
    assert total_against(tally, calm, GRID) == pytest.approx(counted)
    assert small_total(tally, calm) == pytest.approx(alone)
    assert not any(part.any() for part in (tally.open, tally.small_open, tally.counts))


def test_in_nearly_calm_traffic_little_is_taken_off() -> None:
    """Gusts of 5 % and a hundred errors a minute: tempered by less than a tenth, as their variance is inflated."""
    tally = tally_of((2500, 50, 2500, 50, 50))

    weighed = total_against(tally, gusts_of(0.05**2), GRID)

    inflation = 2 * 0.05**2 * 0.5 * 0.5 * 100
    assert weighed == pytest.approx(total_against(tally, gusts_of(0.0), GRID) / (1 + inflation))
    assert inflation < 0.15


def test_the_canary_alone_is_tempered_by_what_a_negligible_rate_would_make() -> None:
    """Known before it is counted: tempered by what it had, a canary with few errors by chance would pass too often."""
    few, many = tally_of((1000, 1, 1000, 9, 1)), tally_of((1000, 19, 1000, 9, 19))

    for tally in (few, many):
        whole, tempered = small_total(tally, gusts_of(0.0)), small_total(tally, gusts_of(0.04))
        assert tempered == pytest.approx(whole / (1 + 0.04 * 1000 * NEGLIGIBLE))


@pytest.mark.parametrize(("squared", "events"), [(0.2, 10.0), (0.025, 10.0), (0.1, 2.0), (0.01, 25.0), (1.0, 0.125)])
def test_gusts_at_the_negligible_rate_are_no_evidence_for_the_canary(squared: float, events: float) -> None:
    """The expectation over a gamma-Poisson block is at most 1, summed over all counts (it was 83 once)."""
    x, gusts = np.arange(600.0), gusts_of(squared)
    requests = events / NEGLIGIBLE
    chances = stats.nbinom.pmf(x, 1 / squared, 1 / (1 + squared * events))

    tallies = [tally_of((requests, min(one, requests), 1000, 10, min(one, requests))) for one in x]

    grown = np.exp([small_total(tally, gusts) for tally in tallies])
    assert (chances @ grown <= 1 + 1e-9).all()


# gusty traffic


def test_a_gusty_block_speaks_when_it_is_over() -> None:
    """By the scale likelihood of two gammas, their common mean integrated out under 1/mu: by scipy, numerically."""
    tally, gusty = tally_of((1000, 30, 4000, 60, 30)), gusts_of(0.25, rate=0.02, gusty=True)

    silent = total_against(tally, gusty, GRID)
    close_block(tally, gusty, GRID, np.array(NEGLIGIBLE))

    assert not silent.any()
    kappas = 1 / (0.25 + 1 / np.array([20.0, 80.0]))
    rates = np.array([30 / 1000, 60 / 4000]) + HALF / 5000
    means = np.geomspace(1e-6, 1e4, 20_001)
    marginal = [
        np.trapezoid(
            stats.gamma.pdf(rates[0], kappas[0], scale=ratio * means / kappas[0])
            * stats.gamma.pdf(rates[1], kappas[1], scale=means / kappas[1]),
            np.log(means),
        )
        for ratio in GRID.ratios
    ]
    ours = total_for(tally, gusty, GRID)
    assert ours - ours[-1] == pytest.approx(np.log(marginal) - np.log(marginal[-1]), abs=1e-6)


def closed(*blocks: tuple[float, ...], gusts: Overdispersion, recent: Floats | None = None) -> Tally:
    """Return the tally of blocks that are over, one look each."""
    tally = empty_tally((), len(GRID.ratios))
    for block in blocks:
        add_look(tally, np.array((*block, block[1])), GRID, np.array(NEGLIGIBLE))
        close_block(tally, gusts, GRID, np.array(NEGLIGIBLE), recent)
    return tally


QUIET, LOUD = (1000.0, 20.0, 4000.0, 60.0), (1000.0, 60.0, 4000.0, 180.0)
GUSTY = gusts_of(0.25, rate=0.02, gusty=True)


def test_blocks_of_a_window_have_one_mean() -> None:
    """By scipy: the mean of all gammas of a window is integrated out at once, under 1/mu."""
    tally = closed(QUIET, LOUD, gusts=GUSTY)

    kappas = 1 / (0.25 + 1 / np.array([20.0, 80.0]))
    means = np.geomspace(1e-6, 1e4, 20_001)
    marginal = []
    for ratio in GRID.ratios:
        logs = np.zeros_like(means)
        for _, x, _, y in (QUIET, LOUD):
            rates = np.array([x / 1000, y / 4000]) + HALF / 5000
            logs += stats.gamma.logpdf(rates[0], kappas[0], scale=ratio * means / kappas[0])
            logs += stats.gamma.logpdf(rates[1], kappas[1], scale=means / kappas[1])
        marginal.append(np.trapezoid(np.exp(logs), np.log(means)))
    ours = total_for(tally, GUSTY, GRID)
    assert ours - ours[-1] == pytest.approx(np.log(marginal) - np.log(marginal[-1]), abs=1e-6)


def test_windows_add_up_each_with_its_own_base_rate() -> None:
    """After WINDOW blocks, and where the canary's share of requests moved, another mean begins."""
    moved = (4000.0, 80.0, 1000.0, 15.0)

    both, alone, next_to_it = (
        closed(*blocks, gusts=GUSTY) for blocks in ((QUIET,) * WINDOW + (LOUD,), (QUIET,) * WINDOW, (LOUD,))
    )
    apart, behind = closed(QUIET, moved, gusts=GUSTY), closed(moved, gusts=GUSTY)

    assert total_against(both, GUSTY, GRID) == pytest.approx(
        total_against(alone, GUSTY, GRID) + total_against(next_to_it, GUSTY, GRID)
    )
    one = total_against(closed(QUIET, gusts=GUSTY), GUSTY, GRID)
    assert total_against(apart, GUSTY, GRID) == pytest.approx(one + total_against(behind, GUSTY, GRID))


def test_what_stable_did_before_speaks_for_a_canary_and_never_against_it() -> None:
    """Its last blocks tell what its rate is; what holds against the canary stays as it was."""
    recent = np.zeros((RECENT, 2))
    recent[-8:] = 4000.0, 60.0

    alone, known = closed(QUIET, gusts=GUSTY), closed(QUIET, gusts=GUSTY, recent=recent)

    assert total_against(known, GUSTY, GRID) == pytest.approx(total_against(alone, GUSTY, GRID))
    without, having = (total_for(one, GUSTY, GRID) for one in (alone, known))
    assert np.ptp(having) > 1.3 * np.ptp(without)


def test_a_window_says_so_much_and_no_more() -> None:
    """A gust as long as a window, thirty times the usual: MOST_SAID for every ratio over the margin."""
    broken = (4000.0, 3000.0, 4000.0, 100.0)

    said = total_against(closed(*(broken,) * WINDOW, gusts=GUSTY), GUSTY, GRID)

    assert said.max() - said[-2] == pytest.approx(MOST_SAID)
    assert log_evidence_against(said, GRID) < np.log(1 / ALPHA)
    twice = total_against(closed(*(broken,) * (2 * WINDOW), gusts=GUSTY), GUSTY, GRID)
    assert log_evidence_against(twice, GRID) > np.log(1 / ALPHA)


def test_clusters_make_all_counts_weigh_less() -> None:
    """Calm: by phi. Gusty: the noise of counting is phi times as large. Against negligible: the same."""
    looks = (1000, 30, 4000, 60, 30)

    plain, clustered = gusts_of(0.0), gusts_of(0.0, clusters=4.0)
    assert total_against(tally_of(looks), clustered, GRID) == pytest.approx(
        total_against(tally_of(looks), plain, GRID) / 4
    )
    assert small_total(tally_of(looks), clustered) == pytest.approx(small_total(tally_of(looks), plain) / 4)
    gusty = [gusts_of(0.25, rate=0.02, gusty=True, clusters=clusters) for clusters in (1.0, 4.0)]
    few, many = (np.ptp(total_for(closed(QUIET, gusts=one), one, GRID)) for one in gusty)
    assert many < few / 1.1


def test_a_single_gust_can_not_decide() -> None:
    """However many requests fail in one minute: what it says is bounded by how large gusts are."""
    gusty = gusts_of(1.0, rate=0.01, gusty=True)
    tally = tally_of((100_000, 100_000, 100_000, 100, 100_000))

    close_block(tally, gusty, GRID, np.array(NEGLIGIBLE))

    assert 0 < log_evidence_against(total_against(tally, gusty, GRID), GRID) < np.log(1 / ALPHA)


@pytest.mark.parametrize("looks", [[(0, 0, 800, 9, 0)], [(800, 9, 0, 0, 9)], [(0, 0, 0, 0, 0)]])
@pytest.mark.parametrize("gusty", [True, False])
def test_a_block_without_one_arm_compares_nothing(looks: list[tuple[float, ...]], *, gusty: bool) -> None:
    """Neither for nor against, calm or gusty."""
    tally = tally_of(*looks)  # type: ignore[arg-type]  # five numbers each

    close_block(tally, gusts_of(0.5, gusty=gusty), GRID, np.array(NEGLIGIBLE))

    assert not total_against(tally, gusts_of(0.5, gusty=gusty), GRID).any()


def test_what_is_expected_says_which_blocks_are_gusty() -> None:
    """Gusts that would inflate a block's variance beyond CALM: many errors, large gusts, arms of like size."""
    squared = np.array([0.0, 0.25, 0.25, 0.25])
    rates, n_c, n_s = np.array([0.01, 0.01, 0.01, 1e-5]), np.array([5e3, 5e3, 1.0, 5e3]), np.full(4, 5e3)

    found = expect_overdispersion(squared, rates, (n_c, n_s))

    assert found.gusty.tolist() == [0, 1, 0, 0]
    assert found.squared_cv is squared
    assert 0 < CALM < 10


# the promise, simulated


def rollouts(
    squared: float, base: list[float], *, ratio: float = 1.0, count_of: int = 4000, seed: int = 1
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rollouts were ever rolled back, and which ever passed, at the end of any minute.

    Gamma shocks of known squared CV hit each arm for itself every minute; the canary's share goes up by RAMP. Stable
    served for half an hour before.
    """
    random = np.random.default_rng(seed)
    tally = empty_tally((count_of,), len(GRID.ratios))
    known, negligible = np.full(count_of, squared), np.full(count_of, NEGLIGIBLE)
    recent = np.zeros((count_of, RECENT, 2))
    ever, stable = np.zeros((2, count_of), bool), np.full((2, count_of), [[1e5], [1e5 * base[0]]])
    for rate, share in zip(base, RAMP, strict=True):
        n_c = np.full(count_of, round(3000 * share))
        n_s = 3000 - n_c
        gusts = expect_overdispersion(known, stable[1] / stable[0], (n_c.astype(float), n_s.astype(float)))
        shocks = random.gamma(1 / squared, squared, (2, count_of)) if squared else np.ones((2, count_of))
        x = random.binomial(n_c, np.minimum(ratio * rate * shocks[0], 1))
        y = random.binomial(n_s, np.minimum(rate * shocks[1], 1))
        add_look(tally, np.stack([n_c, x, n_s, y, x], axis=-1).astype(float), GRID, negligible)
        close_block(tally, gusts, GRID, negligible, recent)
        recent = np.concatenate([recent[:, 1:], np.stack([n_s, y], axis=-1)[:, None]], axis=1)
        stable += n_s, y
        ever |= _said(tally, gusts)
    return ever[0], ever[1]


def _said(tally: Tally, gusts: Overdispersion) -> NDArray[np.bool_]:
    whole = total_against(tally, gusts, GRID)
    small = log_mixed(small_total(tally, gusts), np.full(len(SMALLER), -np.log(len(SMALLER))))
    evidence_for = np.logaddexp(log_evidence_for(total_for(tally, gusts, GRID), GRID), small) - np.log(2)
    return np.stack([log_evidence_against(whole, GRID) >= -np.log(ALPHA), evidence_for >= -np.log(BETA)])


def at_most(ever: NDArray[np.bool_], chance: float) -> bool:
    """Whether the rate's upper limit (Clopper-Pearson, 95 %) is under this chance."""
    return bool(stats.beta.ppf(0.95, ever.sum() + 1, len(ever) - ever.sum()) < chance)


@pytest.mark.parametrize(
    ("cv", "base"),
    [
        pytest.param(0.0, SWINGING, id="no gusts, the base swings"),
        pytest.param(0.25, RISING, id="small gusts, the base rises with the weight"),
        pytest.param(0.5, STEADY, id="gusts"),
        pytest.param(0.5, RISING, id="gusts, the base rises with the weight"),
        pytest.param(0.5, FALLING, id="gusts, the base falls as the weight rises"),
        pytest.param(1.0, STEADY, id="large gusts"),
        pytest.param(1.0, RISING, id="large gusts, the base rises with the weight"),
    ],
)
def test_equal_canaries_are_rolled_back_less_often_than_alpha(cv: float, base: list[float]) -> None:
    """4,000 rollouts with gusts in each arm alone, of known size; the base rate may rise with the canary's weight."""
    failed, _ = rollouts(cv**2, base)

    assert at_most(failed, ALPHA), failed.mean()


@pytest.mark.parametrize("cv", [0.0, 0.5])
def test_a_canary_at_the_tolerance_passes_less_often_than_beta(cv: float) -> None:
    """Stable fails on 2 %, over the negligible share, and the canary 1.5 times as often."""
    _, passed = rollouts(cv**2, [0.02] * 32, ratio=1.5, seed=3)

    assert at_most(passed, BETA), passed.mean()


@pytest.mark.parametrize(("cv", "least"), [(0.0, 1.0), (0.25, 0.99), (0.5, 0.75)])
def test_a_canary_twice_as_bad_is_found(cv: float, least: float) -> None:
    """Within half an hour, gusts or not."""
    failed, _ = rollouts(cv**2, STEADY, ratio=2.0, count_of=500, seed=4)

    assert failed.mean() >= least


# the tally


def test_a_tally_may_be_views_into_one_array() -> None:
    """What is done to it is done to the array: that is how the judge's state is kept."""
    lengths = part_lengths(len(GRID.ratios))
    state = np.zeros((2, sum(lengths)))
    tally = Tally(*np.split(state, np.cumsum(lengths)[:-1], axis=1))
    counted = sum(lengths[:4])

    add_look(tally, np.array([[10, 1, 90, 2, 1], [0, 0, 0, 0, 0.0]]), GRID, np.full(2, NEGLIGIBLE))

    assert state[0, counted : counted + COUNTS].tolist() == [10, 1, 90, 2, pytest.approx(0.1 * 0.9 * 3), 0.1]
    assert not state[1].any()
    close_block(tally, gusts_of(0.0), GRID, np.full(2, NEGLIGIBLE))
    assert state[0, : len(GRID.ratios)] == pytest.approx(tally_of_one(10, 1, 90, 2))
    assert not state[:, counted : counted + COUNTS].any()


def tally_of_one(*look: float) -> Floats:
    """Return what one look at calm traffic says."""
    return total_against(tally_of((*look, look[1])), gusts_of(0.0), GRID)  # type: ignore[arg-type]  # five numbers
