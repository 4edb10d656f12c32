"""The ratio of two rates: its grid, its likelihood against scipy, its estimate and its interval by simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from slipway.domain.judge.statistics.rates import (
    EQUAL,
    NEAREST,
    Grid,
    fits_margin,
    grid_of,
    likeliest_ratio,
    log_evidence_against,
    log_evidence_for,
    log_likelihoods,
    log_mixed,
    log_passing,
    log_under,
    ratio_interval,
    stack_grids,
)
from tests.domain.judge.statistics.grids import EXAMPLE, GRID, total


# the grid
@pytest.mark.parametrize(("margin", "tolerance"), [(1.0, 1.5), (1.25, 2.0), (4.0, 16.0), (1.0, 1.01)])
def test_alternatives_lie_beyond_what_they_are_held_against(margin: float, tolerance: float) -> None:
    """Weights sum to one; none lies on the wrong side: there the product would not be an e-value."""
    grid = grid_of(margin, tolerance)
    worse, fine = np.exp(grid.worse), np.exp(grid.fine)

    assert (worse.sum(), fine.sum()) == (pytest.approx(1), pytest.approx(1))
    assert grid.ratios[-2:].tolist() == [margin, tolerance]
    assert (grid.ratios[worse > 0] > margin * NEAREST).all()
    assert (grid.ratios[fine > 0] < tolerance / NEAREST).all()


@pytest.mark.parametrize(("margin", "tolerance", "nearest"), [(1.0, 2.0, 1.0), (1.25, 2.0, 1.0), (1.5, 16.0, 2.0)])
def test_as_good_as_stable_has_half_of_the_prior_in_favour(margin: float, tolerance: float, nearest: float) -> None:
    """Most versions are; where it is too far from the tolerance to be an alternative, the one nearest to it has it."""
    grid = grid_of(margin, tolerance)

    assert np.exp(grid.fine).max() > EQUAL
    assert grid.ratios[np.argmax(grid.fine)] == pytest.approx(nearest)


def test_grids_of_several_metrics_are_stacked() -> None:
    """One row each."""
    both = stack_grids((grid_of(1.0, 1.5), grid_of(1.25, 2.0)))

    assert both.ratios.shape == both.worse.shape == both.fine.shape == (2, len(GRID.ratios))
    assert both.ratios[1].tolist() == grid_of(1.25, 2.0).ratios.tolist()


# the likelihood
@given(x=st.integers(0, 60), y=st.integers(0, 60), n_c=st.integers(60, 10**6), n_s=st.integers(60, 10**6))
def test_likelihoods_differ_as_scipys_binomials_do(x: int, y: int, n_c: int, n_s: int) -> None:
    """Given x + y events, x is binomial; what does not depend on the ratio cancels."""
    ours = total((n_c, x, n_s, y))

    share = n_c * GRID.ratios / (n_c * GRID.ratios + n_s)
    theirs = stats.binom.logpmf(x, x + y, share)
    assert ours - ours[-1] == pytest.approx(theirs - theirs[-1], rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("look", [(0, 0, 500, 7), (500, 7, 0, 0), (0, 0, 0, 0), (500, 0, 900, 0)])
def test_a_look_without_an_arm_or_without_events_says_nothing(look: tuple[int, int, int, int]) -> None:
    """All ratios stay as likely as they were."""
    assert not total(look).any()


@given(
    share=st.integers(1, 9),
    looks=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8),
)
def test_how_counts_are_cut_into_looks_does_not_matter(share: int, looks: list[tuple[int, int, int]]) -> None:
    """With a constant share of requests only the sums of events do."""
    cut = [(10 * n, x, 10 * share * n, y) for n, x, y in looks]

    whole = tuple(map(sum, zip(*cut, strict=True)))

    assert total(*cut) == pytest.approx(total(whole), rel=1e-12, abs=1e-9)


def test_where_the_share_changes_looks_are_compared_each_for_itself() -> None:
    """Simpson: better in each look and worse in sum, as everybody fails more while the canary has a high weight."""
    morning, evening = (100, 1, 9900, 198), (5000, 500, 5000, 1000)

    looked = total(morning, evening)

    assert (500 + 1) / 5100 > (1000 + 198) / 14900
    assert likeliest_ratio(looked, GRID) == pytest.approx(0.5, rel=0.02)
    assert log_evidence_against(looked, GRID) < 0


def test_many_ratios_at_once_are_what_each_is_alone() -> None:
    """Leading dimensions are metrics, each with its own margin."""
    grids = (grid_of(1.0, 1.5), grid_of(1.25, 2.0))
    x, y, n_c, n_s = (np.array(pair, dtype=float) for pair in ((30, 8), (60, 20), (1000, 500), (4000, 900)))

    together = log_likelihoods(x, y, n_c, n_s, stack_grids(grids))

    for row, grid in enumerate(grids):
        alone = total((n_c[row], x[row], n_s[row], y[row]), grid=grid)
        assert together[row] == pytest.approx(alone)
        assert log_evidence_against(together, stack_grids(grids))[row] == pytest.approx(
            log_evidence_against(alone, grid)
        )
        assert log_evidence_for(together, stack_grids(grids))[row] == pytest.approx(log_evidence_for(alone, grid))


# nearer the margin than halfway to the tolerance
@pytest.mark.parametrize(("margin", "tolerance"), [(1.0, 2.0), (1.25, 2.0), (1.0, 1.5), (4.0, 16.0), (1.9, 2.0)])
def test_halfway_is_the_geometric_mean(margin: float, tolerance: float) -> None:
    """Of margin and tolerance; its likelihood is read between the two points of the grid beside it."""
    grid = grid_of(margin, tolerance)

    assert grid.halfway.sum() == pytest.approx(1.0)
    assert math.exp(grid.halfway @ np.log(grid.ratios)) == pytest.approx(math.sqrt(margin * tolerance))


@given(
    looks=st.lists(
        st.tuples(st.integers(1, 500), st.integers(0, 99), st.integers(1, 500), st.integers(0, 99)), max_size=5
    )
)
def test_what_passes_is_never_more_than_what_speaks_in_favour(looks: list[tuple[int, int, int, int]]) -> None:
    """So a canary beyond the tolerance passes no more often than beta allows."""
    seen = total((1, 0, 1, 0), *looks)

    assert log_passing(seen, GRID) <= log_evidence_for(seen, GRID)
    if fits_margin(seen, GRID):
        assert log_passing(seen, GRID) == log_evidence_for(seen, GRID)


def test_without_an_event_nothing_is_nearer() -> None:
    """The evidence starts at 1."""
    assert log_passing(total((500, 0, 900, 0)), GRID) == pytest.approx(0.0)


def test_a_canary_between_margin_and_tolerance_seldom_passes() -> None:
    """Of 400 with 1.5 times the errors a quarter do; by `log_favour` alone half. Equal ones pass as soon."""
    random, grid = np.random.default_rng(3), grid_of(1.0, 2.0)
    passed = {}
    for ratio in (1.0, 1.5):
        x, y = random.poisson(ratio * 1.5, (400, 100)).astype(float), random.poisson(4.5, (400, 100)).astype(float)
        n = np.full_like(x, 300.0)
        looked = log_likelihoods(x, y, n, 3 * n, grid).cumsum(axis=1)
        fails = np.maximum.accumulate(log_evidence_against(looked, grid) >= -np.log(0.006), axis=1)
        for name, log in (("favour", log_evidence_for), ("passing", log_passing)):
            reached = (log(looked, grid) >= -np.log(0.05)) & ~fails
            passed[ratio, name] = np.where(reached.any(axis=1), reached.argmax(axis=1), 1000)

    few, many = ((passed[1.5, name] < 100).mean() for name in ("passing", "favour"))
    assert (few < 0.3, many > 0.4) == (True, True)
    assert np.median(passed[1.0, "passing"]) <= np.median(passed[1.0, "favour"]) + 3


# estimate and interval
@given(x=st.integers(3, 400), y=st.integers(3, 400), n_c=st.integers(1000, 50_000), n_s=st.integers(1000, 50_000))
def test_the_estimate_is_the_ratio_of_the_shares(x: int, y: int, n_c: int, n_s: int) -> None:
    """Within half a percent, between the grid's points; outside of the grid it is open."""
    ratio = x / n_c / (y / n_s)

    found = likeliest_ratio(total((n_c, x, n_s, y)), GRID)

    if 1 / 100 < ratio < 100:
        assert found == pytest.approx(ratio, rel=0.01)
    else:
        assert found < 1 / 90 or found > 90


@pytest.mark.parametrize(
    ("look", "likeliest", "open_end"),
    [
        ((1000, 0, 1000, 30), 0.0, "low"),
        ((1000, 30, 1000, 0), math.inf, "high"),
        ((1000, 0, 1000, 0), math.nan, "both"),
        ((10**6, 10**5, 10**6, 0), math.inf, "high"),
        ((10**6, 10**6, 10**6, 10), math.inf, "high"),
        ((10**6, 0, 10**6, 10**6), 0.0, "low"),
    ],
    ids=["canary never fails", "stable never fails", "nobody fails", "broken", "all but broken", "perfect"],
)
def test_what_lies_beyond_the_grid_is_open(look: tuple[int, int, int, int], likeliest: float, open_end: str) -> None:
    """Zero or infinity, never an invented number, and never an error: a broken canary is told like any other."""
    low, high = ratio_interval(total(look), GRID, 0.05)

    assert likeliest_ratio(total(look), GRID) == pytest.approx(likeliest, nan_ok=True)
    assert (low == 0, high == math.inf) == (open_end in {"low", "both"}, open_end in {"high", "both"})


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.3, 3.0])
def test_the_interval_covers_the_true_ratio_at_all_looks_at_once(ratio: float) -> None:
    """95 % of 1,000 rollouts or more, with 40 looks each, shares that change and a base rate that swings."""
    random = np.random.default_rng(5)
    base = 0.03 * (1 + 0.6 * np.sin(np.arange(40) / 6))
    n_c = np.repeat([10.0, 50.0, 200.0, 400.0], 10)
    x = random.binomial(n_c.astype(int), ratio * base, (1000, 40)).astype(float)
    y = random.binomial((800 - n_c).astype(int), base, (1000, 40)).astype(float)
    looked = log_likelihoods(x, y, *np.broadcast_arrays(n_c, 800 - n_c), GRID).cumsum(axis=1)
    here = log_likelihoods(x, y, *np.broadcast_arrays(n_c, 800 - n_c), _grid_at(ratio)).cumsum(axis=1)[..., 0]

    refuted = log_mixed(looked[..., :-2], np.full(len(GRID.ratios) - 2, -np.log(len(GRID.ratios) - 2))) - here

    outside = refuted >= math.log(20)
    assert outside.any(axis=1).mean() <= 0.05
    for trace, step in [*np.argwhere(outside)[:20].tolist(), *itertools.product(range(20), (4, 14, 39))]:
        low, high = ratio_interval(looked[trace, step], GRID, 0.05)
        near = abs(refuted[trace, step] - math.log(20)) < 0.2  # the interval's ends are rounded outwards
        assert near or (low <= ratio <= high) != outside[trace, step]


def _grid_at(ratio: float) -> Grid:
    return Grid(ratios=np.array([ratio]), worse=np.zeros(1), fine=np.zeros(1), halfway=np.zeros(1))


def test_the_interval_holds_what_the_mixture_has_not_refuted() -> None:
    """At both ends the mixture over the grid is 20 times the likelihood, worked out between the grid's points."""
    low, high = ratio_interval(total(EXAMPLE), GRID, 0.05)

    spaced = GRID.ratios[:-2]
    mixture = np.mean(stats.binom.pmf(41, 112, 2004 * spaced / (2004 * spaced + 8010)))
    ends = np.array([low, high])
    refuted = mixture / stats.binom.pmf(41, 112, 2004 * ends / (2004 * ends + 8010))
    assert refuted == pytest.approx([20, 20], rel=0.35)  # ends are rounded outwards, by up to 1 % of the ratio
    assert low < 2.31 < high


# what may be excluded
@given(x=st.integers(0, 60), y=st.integers(0, 60), ratio=st.floats(0.3, 100))
def test_a_ratio_is_excluded_by_an_e_value_for_all_from_there_on(x: int, y: int, ratio: float) -> None:
    """Never more than the most favourable likelihood ratio against that very ratio."""
    looked = total((2000, x, 8000, y))

    log = float(log_under(looked, GRID, np.array(ratio)))

    share = 2000 * ratio / (2000 * ratio + 8000)
    here = stats.binom.logpmf(x, x + y, share)
    below = GRID.ratios[GRID.ratios < ratio]
    best = stats.binom.logpmf(x, x + y, 2000 * below / (2000 * below + 8000)).max()
    assert log <= best - here + 1e-6
