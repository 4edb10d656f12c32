"""Kayenta's judge against published values, and against the test that it inverts, done number by number."""

import math

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from benchmarks.decisions.decisions import Decision
from benchmarks.decisions.rules.kayenta import Kayenta, KayentaSetting, Shift, shift


def test_seven_of_ten_pass_as_published() -> None:
    """spinnaker/spinnaker#6278: seven 100s and three 1s against ten 1s; its solver is exact to 1e-4."""
    canary, stable = [100.0] * 7 + [1.0] * 3, [1.0] * 10

    found = one(canary, stable)

    assert found.low[0] == pytest.approx(6.825022991538781e-05, abs=1e-4)
    assert found.high[0] == 99.0
    assert found.estimate[0] == pytest.approx(98.99992904170193, abs=1e-4)
    assert not high(found)


def test_eight_of_ten_are_high_as_published() -> None:
    """The same issue: with an eighth 100 the metric is High."""
    found = one([100.0] * 8 + [1.0] * 2, [1.0] * 10)

    assert high(found)


def test_solver_of_the_published_values() -> None:
    """Brent's method on the inverted test gives the published digits: the test's reading of the statistic is right."""
    canary, stable = np.array([100.0] * 7 + [1.0] * 3), np.ones(10)

    low, high_end, estimate = by_brent(canary, stable, 0.98)

    assert low == pytest.approx(6.825022991538781e-05, rel=1e-9)
    assert high_end == 99.0
    assert estimate == pytest.approx(98.99992904170193, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rounded", [False, True], ids=["continuous", "tied"])
def test_interval_is_what_the_test_does_not_reject(seed: int, *, rounded: bool) -> None:
    """Ends as order statistics agree with Brent's roots of the test itself, with and without ties."""
    rng = np.random.default_rng(seed)
    canary, stable = rng.gamma(2, 5, rng.integers(5, 36)), rng.gamma(2, 4, rng.integers(5, 36))
    if rounded:
        canary, stable = canary.round(), stable.round()

    found = one(canary.tolist(), stable.tolist())

    low, high_end, _ = by_brent(canary, stable, 0.98)
    assert found.low[0] == pytest.approx(low, abs=2e-4)
    assert found.high[0] == pytest.approx(high_end, abs=2e-4)
    # the statistic is 0 on a whole interval, of which Brent's method finds any point: the estimate is inside
    middle = found.estimate[0]
    assert statistic(canary - (middle - 1e-9), stable) >= 0 >= statistic(canary - (middle + 1e-9), stable)


def test_minutes_without_data_are_left_out() -> None:
    """A NaN is no minute: the interval is that of the minutes that are there, in each trace apart."""
    nan = math.nan
    canary = np.array([[5.0, 5.0], [nan, 7.0], [6.0, 6.0], [8.0, 8.0], [9.0, 9.0], [4.0, 4.0]])
    stable = np.array([[1.0, 1.0], [2.0, 2.0], [1.5, 1.5], [nan, 3.0], [2.5, 2.5], [0.5, 0.5]])

    found = shift(canary, stable, 0.9)

    alone = one([5.0, 6.0, 8.0, 9.0, 4.0], [1.0, 2.0, 1.5, 2.5, 0.5], 0.9)
    assert (found.low[0], found.high[0], found.estimate[0]) == (alone.low[0], alone.high[0], alone.estimate[0])
    full = one(canary[:, 1].tolist(), stable[:, 1].tolist(), 0.9)
    assert (found.low[1], found.high[1]) == (full.low[0], full.high[0])


def test_verdicts_by_look(craft) -> None:  # noqa: ANN001 - see conftest
    """Twice the errors in every minute: High at the first look (five minutes against five); equal minutes pass."""
    rising = [2, 3, 4, 5, 6, 7]
    traces = craft([[20 + value for value in rising], rising, [None]], [rising, rising, [None]])
    setting = KayentaSetting(metric="errors", confidence=0.98, allowed_increase=1.0, looks="every step")

    decided = Kayenta().decide(traces, setting)

    assert decided.decision.tolist() == [Decision.ROLL_BACK, Decision.PROMOTE, Decision.ROLL_BACK]
    assert decided.tick.tolist() == [30, 210, 30]  # no data scores 0


def test_allowed_increase_holds_back(craft) -> None:  # noqa: ANN001 - see conftest
    """A shift that is sure but smaller than the allowed ratio of means is no failure."""
    traces = craft([[22, 23, 24, 25, 26]], [[20, 21, 22, 23, 24]])
    strict = KayentaSetting(metric="errors", confidence=0.9, allowed_increase=1.0, looks="last step")
    lax = KayentaSetting(metric="errors", confidence=0.9, allowed_increase=1.25, looks="last step")

    decided = [Kayenta().decide(traces, setting).decision[0] for setting in (strict, lax)]

    assert decided == [Decision.ROLL_BACK, Decision.PROMOTE]


def one(canary: list[float], stable: list[float], confidence: float = 0.98) -> Shift:
    """Compare one trace; minutes that only the other arm has are without data."""
    arms = np.full((2, max(len(canary), len(stable)), 1), math.nan)
    arms[0, : len(canary), 0], arms[1, : len(stable), 0] = canary, stable
    return shift(arms[0], arms[1], confidence)


def high(found: Shift) -> bool:
    """Say whether the metric is High at Kayenta's tolerance."""
    return bool(found.low[0] > 0.25 * abs(found.estimate[0]))


def by_brent(x: np.ndarray, y: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Return the ends of the interval and the estimate as roots of the test statistic."""
    z = norm.isf((1 - confidence) / 2)
    low, top = x.min() - y.max(), x.max() - y.min()
    return tuple(root(lambda mu, q=q: statistic(x - mu, y) - q, low, top) for q in (z, -z, 0.0))


def statistic(x: np.ndarray, y: np.ndarray) -> float:
    """Return the standardized Mann-Whitney statistic, continuity and ties corrected, from ranks."""
    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    gap = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
    _, sizes = np.unique(ranks, return_counts=True)
    ties = float((sizes.astype(float) ** 3 - sizes).sum())
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    return (gap - 0.5 * np.sign(gap)) / deviation


def root(f, a: float, b: float, tolerance: float = 1e-4) -> float:  # noqa: ANN001 - a function of a number
    """Find a zero by Brent's method (Algorithms for Minimization without Derivatives, 1973, chapter 4)."""
    fa, fb = f(a), f(b)
    if fa <= 0:
        return a
    if fb >= 0:
        return b
    c, fc = a, fa
    while True:
        before = b - a
        if abs(fc) < abs(fb):
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        reach = 2 * 2.0**-53 * abs(b) + tolerance / 2
        step = (c - b) / 2
        if abs(step) <= reach or fb == 0:
            return b
        if abs(before) >= reach and abs(fa) > abs(fb):
            step = interpolated((a, b, c), (fa, fb, fc), before, reach)
        if abs(step) < reach:
            step = math.copysign(reach, step)
        a, fa = b, fb
        b += step
        fb = f(b)
        if (fb > 0) == (fc > 0):
            c, fc = a, fa


def interpolated(
    at: tuple[float, float, float], values: tuple[float, float, float], before: float, reach: float
) -> float:
    """Return Brent's step: linear or inverse quadratic where that stays inside, else half the interval."""
    (a, b, c), (fa, fb, fc) = at, values
    if a == c:
        p, q = (c - b) * fb / fa, 1 - fb / fa
    else:
        r, s, t = fa / fc, fb / fc, fb / fa
        p, q = t * ((c - b) * r * (r - s) - (b - a) * (s - 1)), (r - 1) * (s - 1) * (t - 1)
    p, q = abs(p), -q if p > 0 else q
    inside = p < 0.75 * (c - b) * q - abs(reach * q) / 2 and p < abs(before * q / 2)
    return p / q if inside else (c - b) / 2
