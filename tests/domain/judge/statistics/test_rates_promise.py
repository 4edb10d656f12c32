"""The ratio of two rates: its promise by enumeration, and its evidence beside plain arithmetic and other mixtures."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from slipway.domain.judge.statistics.rates import (
    SMALLER,
    Floats,
    Grid,
    likeliest_ratio,
    log_evidence_against,
    log_likelihoods,
    small_likelihoods,
)
from tests.domain.judge.statistics.grids import EXAMPLE, GRID, total


def expectation(canary: list[Fraction], stable: list[Fraction], null: float, other: float) -> float:
    """Return E[exp(l(other) - l(null))] over every outcome of requests that fail with these chances each."""
    n_c, n_s = len(canary), len(stable)
    log = {
        (x, y): float(np.diff(_at(x, y, (n_c, n_s), np.array([null, other])))[0])
        for x in range(n_c + 1)
        for y in range(n_s + 1)
    }
    whole = 0.0
    for outcome in itertools.product((0, 1), repeat=n_c + n_s):
        chances = (q if failed else 1 - q for q, failed in zip(canary + stable, outcome, strict=True))
        whole += float(math.prod(chances)) * math.exp(log[sum(outcome[:n_c]), sum(outcome[n_c:])])
    return whole


def _at(x: int, y: int, requests: tuple[int, int], ratios: Floats) -> Floats:
    grid = Grid(ratios=ratios, worse=ratios, fine=ratios, halfway=ratios)
    return log_likelihoods(*(np.array(float(one)) for one in (x, y, *requests)), grid)


F = Fraction
ARMS = [
    pytest.param([F(1, 10)] * 3, [F(1, 10)] * 4, 1.0, id="alike"),
    pytest.param([F(9, 10), F(0), F(3, 5)], [F(1, 2)] * 6, 1.0, id="requests differ"),
    pytest.param([F(1)] * 3, [F(1)] * 5, 1.0, id="everything fails"),
    pytest.param([F(0)] * 3, [F(0)] * 5, 1.0, id="nothing fails"),
    pytest.param([F(1, 20), F(1, 10), F(3, 20)], [F(1, 5), F(0), F(1, 10), F(1, 10)], 1.0, id="equal in the mean"),
    pytest.param([F(3, 10)] * 4, [F(1, 5)] * 3, 1.5, id="at a margin over one"),
    pytest.param([F(3, 4)] * 2, [F(1, 2)] * 6, 1.5, id="high rates at a margin"),
    pytest.param([F(1, 4)] * 5, [F(1, 2)] * 2, 1.0, id="better than the margin"),
]


@pytest.mark.parametrize(("canary", "stable", "null"), ARMS)
@pytest.mark.parametrize("times", [1.1, 2.0, 8.0, 100.0])
def test_against_expects_no_growth_from_a_healthy_canary(
    canary: list[Fraction], stable: list[Fraction], null: float, times: float
) -> None:
    """Over all outcomes, however the requests of an arm differ, up to failing all: exact, not in the limit."""
    assert sum(canary) / len(canary) <= F(null) * sum(stable) / len(stable)
    assert expectation(canary, stable, null, null * times) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("canary", "stable", "null"),
    [
        pytest.param([F(3, 20)] * 3, [F(1, 10)] * 4, 1.5, id="at the tolerance"),
        pytest.param([F(1)] * 4, [F(1, 2)] * 4, 2.0, id="always fails"),
        pytest.param([F(9, 10), F(0), F(3, 5)], [F(1, 3)] * 6, 1.5, id="requests differ"),
        pytest.param([F(1, 2)] * 5, [F(1, 10), F(1, 5)], 1.5, id="worse than the tolerance"),
        pytest.param([F(1, 2)] * 3, [F(0)] * 5, 1.5, id="stable never fails"),
    ],
)
@pytest.mark.parametrize("times", [0.9, 0.5, 0.1])
def test_favour_expects_no_growth_from_a_canary_that_is_too_bad(
    canary: list[Fraction], stable: list[Fraction], null: float, times: float
) -> None:
    """The mirror image."""
    assert sum(canary) / len(canary) >= F(null) * sum(stable) / len(stable)
    assert expectation(canary, stable, null, null * times) <= 1 + 1e-12


def test_for_rare_events_the_bet_is_fair() -> None:
    """With Poisson counts at the null the expectation is one: nothing is given away where events are rare."""
    x, y = np.meshgrid(np.arange(60.0), np.arange(60.0))
    logs = log_likelihoods(x, y, np.full_like(x, 1000.0), np.full_like(x, 3000.0), GRID)

    chances = stats.poisson.pmf(x, 2.0) * stats.poisson.pmf(y, 6.0)

    ratios = np.exp(logs - logs[..., -2:-1])[..., :-2]
    assert (chances[..., None] * ratios).sum(axis=(0, 1)) == pytest.approx(np.ones(len(GRID.ratios) - 2), abs=1e-6)


@given(rates=st.lists(st.fractions(0, 1, max_denominator=20), min_size=1, max_size=5).filter(lambda q: sum(q) > 0))
def test_negligible_expects_no_growth_from_a_canary_at_its_rate(rates: list[Fraction]) -> None:
    """By enumeration over requests that differ, at their mean rate as the negligible one."""
    mean = sum(rates) / len(rates)
    whole = np.zeros(len(SMALLER))
    if mean == 1:
        return

    for outcome in itertools.product((0, 1), repeat=len(rates)):
        chance = float(math.prod(q if failed else 1 - q for q, failed in zip(rates, outcome, strict=True)))
        logs = small_likelihoods(np.array(float(sum(outcome))), np.array(float(len(rates))), np.array(float(mean)))
        whole += chance * np.exp(logs)

    assert (whole <= 1 + 1e-9).all()


@pytest.mark.parametrize("x", [0, 3, 40])
def test_negligible_is_scipys_binomial(x: int) -> None:
    """Likelihood ratios of multiples of the negligible rate over it."""
    ours = small_likelihoods(np.array(float(x)), np.array(1000.0), np.array(0.01))

    assert ours == pytest.approx(stats.binom.logpmf(x, 1000, 0.01 * SMALLER) - stats.binom.logpmf(x, 1000, 0.01))


def test_the_worked_example_is_what_plain_arithmetic_says() -> None:
    """41 of 2,004 against 71 of 8,010: a ratio of 2.31, and the mixture of likelihood ratios in fractions."""
    looked = total(EXAMPLE)

    def ratio(w: float) -> Fraction:
        one, share = Fraction(w), Fraction(2004, 10014)
        p = 2004 * one / (2004 * one + 8010)
        return (p / share) ** 41 * ((1 - p) / (1 - share)) ** 71

    exact = sum(Fraction(math.exp(prior)) * ratio(w) for w, prior in zip(GRID.ratios, GRID.worse, strict=True))
    assert likeliest_ratio(looked, GRID) == pytest.approx(41 / 2004 / (71 / 8010), rel=2e-3)
    assert f"{likeliest_ratio(looked, GRID):.2f}" == "2.31"
    assert np.exp(log_evidence_against(looked, GRID)) == pytest.approx(float(exact), rel=1e-9)


def test_evidence_is_near_an_independent_mixture() -> None:
    """The package ville (0.1.0) gives 434.40 for the example: BernoulliTest(2004 / 10014).update([1] * 41 + [0] * 71).

    Its mixture is uniform over the canary's share of events and two-sided; ours is over ratios above one. The same
    likelihood under its prior gives its number, so the likelihoods are the same; under ours it is of the same order.
    """
    looked = total(EXAMPLE)

    def uniform(share: float) -> float:
        (log,) = _at(41, 71, (2004, 8010), np.array([share / (1 - share) * 8010 / 2004])) - looked[-2]
        return math.exp(log)

    assert integrate.quad(uniform, 0, 1, points=[0.3, 0.4])[0] == pytest.approx(434.4001069689018, rel=1e-7)
    assert 434.4 < np.exp(log_evidence_against(looked, GRID)) < 4 * 434.4
