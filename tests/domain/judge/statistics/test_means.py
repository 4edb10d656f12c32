"""Means of two arms: formulas against independent code, false alarms and coverage by simulation."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import integrate, optimize, stats

from slipway.domain.judge.readings import Sums
from slipway.domain.judge.statistics import means
from slipway.domain.judge.statistics.means import (
    Direction,
    MeanEvidence,
    mean_difference,
    mean_difference_interval,
    mean_evidence_against,
    mean_evidence_for,
    update_means,
)

Floats = NDArray[np.float64]
STEPS = (0.01, 0.05, 0.25, 0.5)


def sums(values: Floats) -> Sums:
    """Return the sums of numbers."""
    return Sums(count=len(values), total=float(values.sum()), squares=float((values**2).sum()))


def constant(count: int, value: float) -> Sums:
    """Return the sums of a number that came so many times."""
    return Sums(count=count, total=count * value, squares=count * value**2)


@st.composite
def looks(draw: st.DrawFn) -> Sums:
    """Draw what one arm scored since the last look."""
    values = draw(st.lists(st.floats(-1e3, 1e3), max_size=60))
    return sums(np.array(values, dtype=float))


def rollout(rng: np.random.Generator, shift: float = 0.0, noise: float = 1.0) -> Iterator[tuple[Floats, Floats]]:
    """Yield both arms' scores, look by look: weights 1-5-25-50 and a base that drifts by three deviations."""
    for at, weight in enumerate(np.repeat(STEPS, 10)):
        canary, base = rng.binomial(200, weight), 3 * at / 39
        yield base + shift + noise * rng.normal(size=canary), base + rng.normal(size=200 - canary)


def followed(seed: int, count: int, **how: float) -> Iterator[list[tuple[Sums, Sums]]]:
    """Yield rollouts as sums."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield [(sums(canary), sums(stable)) for canary, stable in rollout(rng, **how)]


# formulas


def test_a_look_is_the_weighted_difference_of_means_and_its_variance() -> None:
    """Against arrays: contrast, information, and the permutation variance of the contrast by enumeration."""
    canary, stable = np.array([1.0, 4.0]), np.array([0.0, 2.0, 7.0])
    everything, information = np.concatenate([canary, stable]), 2 * 3 / 5
    ways = [(i, j) for i in range(5) for j in range(i)]
    contrasts = [information * (everything[[*w]].mean() - np.delete(everything, w).mean()) for w in ways]

    evidence = update_means(MeanEvidence(), sums(canary), sums(stable))

    assert evidence.contrast == pytest.approx(information * (canary.mean() - stable.mean()))
    assert evidence.information == pytest.approx(information)
    assert evidence.pooled == pytest.approx(np.var(contrasts))


@given(values=st.lists(st.floats(-50, 50), min_size=2, max_size=6), canary=st.integers(1, 5))
def test_both_variances_are_right_on_average_over_who_went_where(values: list[float], canary: int) -> None:
    """Every way of choosing the canary's requests: the mean of each estimate is the variance of the contrast."""
    everything, canary = np.array(values), min(canary, len(values) - 1)
    ways = [[bool(mask >> i & 1) for i in range(len(values))] for mask in range(2 ** len(values))]
    seen = [
        update_means(MeanEvidence(), sums(everything[way]), sums(everything[~np.array(way)]))
        for way in ways
        if sum(way) == canary
    ]

    truth = float(np.var([evidence.contrast for evidence in seen]))

    assert np.mean([evidence.pooled for evidence in seen]) == pytest.approx(truth, rel=1e-6, abs=1e-6)
    assert np.mean([evidence.own for evidence in seen]) == pytest.approx(truth, rel=1e-6, abs=1e-6)


def test_the_interval_is_the_papers() -> None:
    """At a weight of 1/2, and the same variance at each look: formula of arXiv 2103.06476 on the contrast 2 (A - S)."""
    half = np.array([-1.0, 1.0] * 50)
    evidence = MeanEvidence()
    for _ in range(30):
        evidence = update_means(evidence, sums(half + 0.3), sums(half))
    t, alpha = 6000, 0.05
    squares = np.concatenate([half + 0.3, half]) - 0.15
    deviation = 2 * squares.std(ddof=1)
    r2 = means.tightest_scale(means.DECIDED_ALPHA) / (4 * means.DECIDED_AT)

    low, high = mean_difference_interval(evidence, alpha)

    reach = deviation * math.sqrt(2 * (t * r2 + 1) / (t**2 * r2) * math.log(math.sqrt(t * r2 + 1) / alpha))
    assert (low, high) == pytest.approx((0.3 - reach, 0.3 + reach))


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.3])
def test_rho_makes_the_interval_tightest_where_asked(alpha: float) -> None:
    """A numeric search for the least width finds the same rho."""
    searched = optimize.minimize_scalar(
        lambda log: means.half_width(70.0, math.exp(log), alpha), bounds=(-12, 4), method="bounded"
    )

    assert 70 * math.exp(searched.x) == pytest.approx(means.tightest_scale(alpha), rel=1e-3)


@pytest.mark.parametrize(("value", "variance", "rho2"), [(3.0, 2.0, 0.5), (-4.0, 9.0, 0.1), (20.0, 30.0, 1.0)])
def test_the_one_sided_mixture_is_the_integral(value: float, variance: float, rho2: float) -> None:
    """Numeric integration of exp(l s - l^2 V / 2) over the half-normal gives the closed form."""
    integral, _ = integrate.quad(
        lambda rate: math.exp(rate * value - rate**2 * variance / 2) * 2 * stats.norm.pdf(rate, scale=math.sqrt(rho2)),
        0,
        20 * math.sqrt(rho2),
    )

    assert math.exp(means.log_half_mixture(value, variance, rho2)) == pytest.approx(integral, rel=1e-6)


def test_interval_and_evidence_say_the_same() -> None:
    """At the interval's ends, as margins, the two-sided e-value is exactly 1 / alpha."""
    evidence = next(iter(_evidence(3, 1, shift=0.4)))
    walk = means.Walk(
        sum=evidence.contrast,
        variance=max(evidence.pooled, evidence.own),
        rho2=means.rho_squared(evidence.scale),
    )

    for end in mean_difference_interval(evidence, 0.05):
        moved = means.Walk(sum=walk.sum - end * evidence.information, variance=walk.variance, rho2=walk.rho2)

        assert means.walk_evidence_against(moved, 0.0, "either") == pytest.approx(20)


def _evidence(seed: int, count: int, **how: float) -> Iterator[MeanEvidence]:
    for trace in followed(seed, count, **how):
        evidence = MeanEvidence()
        for canary, stable in trace:
            evidence = update_means(evidence, canary, stable)
        yield evidence


# error rates


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_false_alarms_stay_below_alpha_while_the_base_drifts_and_weights_change(noise: float) -> None:
    """300 rollouts of equal means, also with a canary that scatters three times as much; alpha 5 %, every look.

    The truth is covered at all looks as often.
    """
    alarms = missed = 0
    for trace in followed(5, 300, noise=noise):
        evidence, top, outside = MeanEvidence(), 0.0, False
        for canary, stable in trace:
            evidence = update_means(evidence, canary, stable)
            low, high = mean_difference_interval(evidence, 0.05)
            top, outside = max(top, mean_evidence_against(evidence, 0.0, "either")), outside or not low <= 0 <= high
        alarms += top >= 20
        missed += outside

    assert stats.binomtest(alarms, 300, 0.05, alternative="greater").pvalue > 0.01
    assert stats.binomtest(missed, 300, 0.05, alternative="greater").pvalue > 0.01


def test_pooled_means_would_always_be_fooled() -> None:
    """The same traces, each arm's mean over all steps, a two-sided z-test at the end: every one is a false alarm."""
    fooled = 0
    for trace in followed(6, 100):
        arms = [
            Sums(
                count=sum(look[arm].count for look in trace),
                total=sum(look[arm].total for look in trace),
                squares=sum(look[arm].squares for look in trace),
            )
            for arm in (0, 1)
        ]
        spread = sum((arm.squares / arm.count - (arm.total / arm.count) ** 2) / arm.count for arm in arms)
        difference = arms[0].total / arms[0].count - arms[1].total / arms[1].count
        fooled += abs(difference) / math.sqrt(spread) > 1.96

    assert fooled == 100


def test_rare_scores_neither_raise_alarms_nor_pass_too_early() -> None:
    """Zeros and ones: equal at 1 % no alarm in 20 rollouts of 100; at the tolerance beyond, passes stay near beta."""
    rng = np.random.default_rng(7)
    alarms = passes = 0
    for _ in range(300):
        equal = worse = MeanEvidence()
        alarm = passed = False
        for weight in np.repeat(STEPS, 20):
            n = rng.binomial(100, weight)
            x, y, z = rng.binomial(n, 0.01), rng.binomial(100 - n, 0.01), rng.binomial(n, 0.03)
            stable = Sums(count=100 - n, total=y, squares=y)
            equal = update_means(equal, Sums(count=n, total=x, squares=x), stable)
            worse = update_means(worse, Sums(count=n, total=z, squares=z), stable)
            alarm = alarm or mean_evidence_against(equal, 0.0, "either") >= 20
            passed = passed or mean_evidence_for(worse, 0.02, "higher") >= 20
        alarms += alarm
        passes += passed

    assert stats.binomtest(alarms, 300, 0.05, alternative="greater").pvalue > 0.01
    assert stats.binomtest(passes, 300, 0.05, alternative="greater").pvalue > 0.01


def test_a_shift_is_found_and_a_good_canary_passes() -> None:
    """A shift of half a deviation is found in every rollout; no shift passes a tolerance of a fifth in every one."""
    found = [mean_evidence_against(evidence, 0.0, "higher") for evidence in _evidence(8, 40, shift=0.5)]
    good = [mean_evidence_for(evidence, 0.2, "higher") for evidence in _evidence(9, 40)]

    assert min(found) > 1e6
    assert min(good) >= 20


# promises


@given(scores=st.lists(st.tuples(looks(), looks()), max_size=12), margin=st.floats(0, 10))
def test_nothing_but_numbers_comes_out(scores: list[tuple[Sums, Sums]], margin: float) -> None:
    """Any legal sums: e-values are numbers from 0 to 1e300, the interval holds the estimate once it is finite."""
    evidence = MeanEvidence()
    for canary, stable in scores:
        evidence = update_means(evidence, canary, stable)

    for direction in ("higher", "lower", "either"):
        assert 0 <= mean_evidence_against(evidence, margin, direction) <= 1e300
        assert 0 <= mean_evidence_for(evidence, margin, direction) <= 1e300
    low, high = mean_difference_interval(evidence, 0.01)
    assert low <= (mean_difference(evidence) or 0.0) <= high


@pytest.mark.parametrize("size", [1e-60, 1e-12, 1.0, 1e12, 1e47])
def test_the_unit_does_not_matter(size: float) -> None:
    """Scores in any unit, up to the ends of what is allowed: the same e-values, for margins in the same unit."""
    rng = np.random.default_rng(1)
    canary, stable = rng.normal(size=(2, 400)) + 3
    evidence = update_means(MeanEvidence(), sums(canary * size), sums(stable * size))
    plain = update_means(MeanEvidence(), sums(canary), sums(stable))

    weak = size < 1e-50  # so small that the mixture is out of tune: it says less, never nonsense
    assert mean_evidence_against(evidence, 0.0, "either") == pytest.approx(
        1.0 if weak else mean_evidence_against(plain, 0.0, "either"), rel=1e-3
    )
    assert math.isfinite(mean_evidence_for(evidence, 0.3 * size, "either"))


@given(shift=st.floats(-2, 2), more=st.floats(0.01, 1))
def test_evidence_grows_with_the_shift(shift: float, more: float) -> None:
    """A canary that scores higher is never less suspect of scoring higher, nor more in favour."""
    base = np.linspace(-1, 1, 400)
    less = update_means(MeanEvidence(), sums(base + shift), sums(base))
    walk, far = means.Walk(sum=less.contrast, variance=1.0, rho2=0.3), more

    moved = means.Walk(sum=less.contrast + far, variance=1.0, rho2=0.3)

    assert means.walk_evidence_against(moved, 0.1, "higher") >= means.walk_evidence_against(walk, 0.1, "higher")
    assert means.walk_evidence_for(moved, 0.1, "higher") <= means.walk_evidence_for(walk, 0.1, "higher")
    assert means.walk_evidence_against(walk, 0.2, "higher") <= means.walk_evidence_against(walk, 0.1, "higher")


@pytest.mark.parametrize("direction", ["higher", "lower", "either"])
def test_the_direction_says_which_side_is_bad(direction: Direction) -> None:
    """A canary that scores higher is worse where higher or either is bad, and better where lower is."""
    rng = np.random.default_rng(4)
    evidence = update_means(MeanEvidence(), sums(rng.normal(size=400) + 1), sums(rng.normal(size=400)))

    bad = direction != "lower"

    assert (mean_evidence_against(evidence, 0.1, direction) > 1e6) is bad
    assert (mean_evidence_for(evidence, 0.2, direction) > 1e6) is not bad


def test_before_enough_requests_nothing_is_said() -> None:
    """Below 200 together, or 30 of one arm, e-values are 1 and the interval has no ends."""
    rng = np.random.default_rng(2)
    few = update_means(MeanEvidence(), sums(rng.normal(size=29) + 9), sums(rng.normal(size=900)))
    early = update_means(MeanEvidence(), sums(rng.normal(size=99) + 9), sums(rng.normal(size=100)))

    for evidence in (MeanEvidence(), few, early):
        assert (mean_evidence_against(evidence, 0.0, "either"), mean_evidence_for(evidence, 1.0, "either")) == (
            1.0,
            1.0,
        )
        assert mean_difference_interval(evidence, 0.05) == (-math.inf, math.inf)
    assert mean_difference(MeanEvidence()) is None
    assert means.score_deviation(MeanEvidence()) is None


def test_an_arm_without_requests_adds_nothing() -> None:
    """A look in which one arm had none leaves the evidence as it was."""
    evidence = update_means(MeanEvidence(), constant(10, 1.0), constant(10, 2.0))

    assert update_means(evidence, Sums(), constant(10, 5.0)) == evidence
    assert update_means(evidence, constant(10, 5.0), Sums()) == evidence


def test_constant_scores_pass_slowly_where_equal_and_are_found_where_not() -> None:
    """No spread at all: in favour speaks only how many came; another constant in the canary is spread, and found.

    0.1 is no binary fraction: the rounding of its sums is not taken for a spread.
    """
    equal = other = MeanEvidence()
    for _ in range(30):
        equal = update_means(equal, constant(10, 0.1), constant(90, 0.1))
        other = update_means(other, constant(10, 0.2), constant(90, 0.1))

    assert mean_evidence_against(equal, 0.0, "either") == 1.0
    assert mean_evidence_for(equal, 0.01, "either") == pytest.approx(0.99**-300)
    assert mean_difference_interval(equal, 0.05) == (-math.inf, math.inf)
    assert mean_evidence_against(other, 0.0, "either") > 1e4
    assert mean_evidence_for(other, 0.05, "either") < 1


def test_a_restart_goes_on_identically() -> None:
    """Evidence written as JSON and read back gives the same evidence at every later look."""
    adapter = TypeAdapter(MeanEvidence)
    kept = read = MeanEvidence()
    for canary, stable in next(followed(10, 1)):
        kept = update_means(kept, canary, stable)
        read = update_means(adapter.validate_json(adapter.dump_json(read)), canary, stable)

    assert read == kept


@pytest.mark.parametrize(
    "bad",
    [
        Sums(count=0, total=1.0, squares=1.0),
        Sums(count=1, total=1e51, squares=1e102),
    ],
)
def test_sums_that_no_numbers_have_are_refused(bad: Sums) -> None:
    """Sums of nothing, and numbers too large: an error that shows them. NaN is no `Sums` in the first place."""
    for arms in ((bad, Sums()), (Sums(), bad)):
        with pytest.raises(ValueError, match=f"count={bad.count}, total="):
            update_means(MeanEvidence(), *arms)
