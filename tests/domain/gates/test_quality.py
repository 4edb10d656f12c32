"""The quality gate: what passes, what fails, what stays open, and that its numbers are right."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from slipway.domain.gates.quality import judge_quality, mean_interval, paired_interval, proportion_upper
from slipway.domain.spec.release import QualitySpec
from slipway.domain.verdict import Outcome, Verdict


def labels(rows: int, wrong: int, *, first: int = 0) -> NDArray[np.int64]:
    """Return predictions for a truth of zeros of which so many, from a first row on, are wrong."""
    predictions = np.zeros(rows, dtype=np.int64)
    predictions[first : first + wrong] = 1
    return predictions


def judged(rows: int, champion_wrong: int, challenger_wrong: int, **spec: float) -> Verdict:
    """Judge two models that share as many wrong rows as they can."""
    truth = labels(rows, 0)
    return judge_quality(
        truth, labels(rows, challenger_wrong), labels(rows, champion_wrong), QualitySpec.model_validate(spec)
    )


# --- beside the champion


def test_a_better_challenger_passes_with_the_numbers_in_its_sentence() -> None:
    """Right on more of the same rows."""
    verdict = judged(360, champion_wrong=20, challenger_wrong=8)

    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == (
        "right on 352 of 360 rows (97.8 %), the champion on 340 (94.4 %): 3.3 points better "
        "(2.1 to 5.3, each end with 95 % confidence); allowed: 1.0 points worse"
    )
    assert verdict.numbers["only_challenger_right"] == 12
    assert verdict.numbers["only_champion_right"] == 0


def test_a_clearly_worse_challenger_fails() -> None:
    """From 97 to 88 percent of 360 rows."""
    verdict = judged(360, champion_wrong=11, challenger_wrong=43)

    assert verdict.outcome is Outcome.FAIL
    assert "8.9 points worse" in verdict.reason


def test_the_same_answers_pass() -> None:
    """No row tells two equal models apart: with 360 rows that excludes a loss of one point."""
    verdict = judged(360, champion_wrong=11, challenger_wrong=11)

    assert verdict.outcome is Outcome.PASS


def test_the_same_answers_on_few_rows_stay_open() -> None:
    """60 rows can't exclude a loss of one point."""
    verdict = judged(60, champion_wrong=2, challenger_wrong=2)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "do not show" in verdict.reason


def test_surely_worse_within_the_tolerance_passes_and_says_so() -> None:
    """The spec allows it; the sentence does not hide it."""
    verdict = judged(20_000, champion_wrong=400, challenger_wrong=500)

    assert verdict.outcome is Outcome.PASS
    assert "surely worse, by less than allowed: 1.0 points worse" in verdict.reason


def test_a_tolerance_of_nothing_needs_a_better_challenger() -> None:
    """Equal answers do not show that it is not worse."""
    assert judged(1000, champion_wrong=30, challenger_wrong=30, tolerance=0).outcome is Outcome.INCONCLUSIVE
    assert judged(1000, champion_wrong=50, challenger_wrong=30, tolerance=0).outcome is Outcome.PASS


def test_labels_may_be_text() -> None:
    """Compared as they are."""
    truth = np.array(["cat", "dog"] * 200)

    verdict = judge_quality(truth, truth, truth, QualitySpec())

    assert verdict.outcome is Outcome.PASS


# --- the floor, no champion, no data


def test_without_a_champion_only_the_floor_counts() -> None:
    """There is nothing to compare with."""
    verdict = judge_quality(labels(100, 0), labels(100, 5), None, QualitySpec(minimum=0.9))

    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == "right on 95 of 100 rows (95.0 %); no champion to compare with"


@pytest.mark.parametrize(("wrong", "outcome"), [(10, Outcome.PASS), (14, Outcome.INCONCLUSIVE), (30, Outcome.FAIL)])
def test_under_the_floor_fails_only_for_sure(wrong: int, outcome: Outcome) -> None:
    """Where chance can explain it, the gate stays open."""
    verdict = judge_quality(labels(100, 0), labels(100, wrong), None, QualitySpec(minimum=0.9))

    assert verdict.outcome is outcome
    assert ("the floor is 90.0 %" in verdict.reason) == (outcome is not Outcome.PASS)


def test_a_floor_counts_beside_a_worse_champion() -> None:
    """Better than the champion is not enough."""
    verdict = judged(400, champion_wrong=200, challenger_wrong=150, minimum=0.9)

    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize("metric", ["accuracy", "mean_absolute_error"])
def test_no_rows_are_no_data(metric: str) -> None:
    """Neither good nor bad."""
    nothing = np.array([], dtype=np.float64)

    verdict = judge_quality(nothing, nothing, nothing, QualitySpec.model_validate({"metric": metric}))

    assert verdict.outcome is Outcome.NO_DATA


# --- predictions that can't be compared


def test_nan_predictions_are_wrong_rows() -> None:
    """A classifier that answers NaN is wrong there."""
    predictions = np.zeros(100)
    predictions[:3] = np.nan

    verdict = judge_quality(labels(100, 0), predictions, None, QualitySpec())

    assert verdict.reason.startswith("right on 97 of 100 rows")


@pytest.mark.parametrize(
    ("predictions", "metric", "reason"),
    [
        (np.zeros((4, 10)), "accuracy", "the model gives 4 x 10 values where the labels are 4"),
        (np.zeros(3), "accuracy", "the model gives 3 values where the labels are 4"),
        (np.array(["0"] * 4), "accuracy", "the model gives text where the labels are numbers"),
        (np.array(["0"] * 4), "mean_squared_error", "the model gives text, and mean squared error needs numbers"),
    ],
)
def test_predictions_of_another_kind_fail_and_say_so(
    predictions: NDArray[np.generic], metric: str, reason: str
) -> None:
    """Probabilities, wrong counts, text against numbers."""
    verdict = judge_quality(labels(4, 0), predictions, None, QualitySpec.model_validate({"metric": metric}))

    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.startswith(reason)


def test_a_champion_of_another_kind_leaves_the_comparison_open() -> None:
    """It is not the challenger's fault."""
    verdict = judge_quality(labels(100, 0), labels(100, 0), np.array(["0"] * 100), QualitySpec())

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.endswith("no comparison, for the champion gives text where the labels are numbers")


# --- errors


def regression(shift: float, noise: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return truth, challenger and champion of 400 rows; the challenger's errors are larger by `shift`."""
    random = np.random.default_rng(noise)
    truth = random.normal(size=400)
    champion = truth + random.choice([-1.0, 1.0], 400)
    challenger = truth + (champion - truth) * (1 + shift + random.normal(scale=0.05, size=400))
    return truth, challenger, champion


@pytest.mark.parametrize(
    ("shift", "outcome"),
    [(-0.1, Outcome.PASS), (0.0, Outcome.PASS), (0.1, Outcome.FAIL), (0.025, Outcome.INCONCLUSIVE)],
)
@pytest.mark.parametrize(("metric", "scale"), [("mean_absolute_error", 1), ("mean_squared_error", 2)])
def test_errors_are_compared_row_by_row(shift: float, outcome: Outcome, metric: str, scale: int) -> None:
    """The tolerance is in the metric's unit; smaller is better."""
    tolerance = 0.02 * scale + (0.0025 if scale == 2 else 0)
    spec = QualitySpec.model_validate({"metric": metric, "tolerance": tolerance})

    verdict = judge_quality(*regression(shift), spec)

    assert verdict.outcome is outcome, verdict.reason


def test_the_sentence_of_errors_has_their_numbers() -> None:
    """In the metric's own unit."""
    truth = np.zeros(4)
    spec = QualitySpec(metric="mean_absolute_error", tolerance=0.5)

    verdict = judge_quality(truth, np.full(4, 1.0), np.full(4, 1.25), spec)

    assert verdict.reason == (
        "mean absolute error 1 over 4 rows, the champion 1.25: 0.25 better "
        "(0.25 to 0.25, each end with 95 % confidence); allowed: 0.5 worse"
    )


@pytest.mark.parametrize(("value", "outcome"), [(0.5, Outcome.PASS), (1.05, Outcome.INCONCLUSIVE), (2.0, Outcome.FAIL)])
def test_errors_have_a_ceiling(value: float, outcome: Outcome) -> None:
    """Over it for sure fails."""
    spread = np.tile([-0.5, 0.5], 20)

    verdict = judge_quality(np.zeros(40), value + spread, None, QualitySpec(metric="mean_absolute_error", minimum=1.0))

    assert verdict.outcome is outcome


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_predictions_without_a_finite_error_fail_with_their_count(bad: float) -> None:
    """One NaN in the mean would hide everything."""
    predictions = np.zeros(50)
    predictions[7] = bad

    verdict = judge_quality(np.zeros(50), predictions, np.zeros(50), QualitySpec(metric="mean_squared_error"))

    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "no finite number for 1 of 50 rows"


def test_rows_that_the_champion_did_not_answer_are_left_out() -> None:
    """And the sentence says so."""
    champion = np.full(50, 0.5)
    champion[:5] = np.nan

    spec = QualitySpec(metric="mean_absolute_error")
    some = judge_quality(np.zeros(50), np.zeros(50), champion, spec)
    none = judge_quality(np.zeros(50), np.zeros(50), np.full(50, np.nan), spec)

    assert some.outcome is Outcome.PASS
    assert "over the 45 rows it has a finite number for" in some.reason
    assert none.outcome is Outcome.INCONCLUSIVE


def test_a_single_row_settles_nothing() -> None:
    """One difference has no spread."""
    verdict = judge_quality(np.zeros(1), np.zeros(1), np.ones(1), QualitySpec(metric="mean_absolute_error"))

    assert verdict.outcome is Outcome.INCONCLUSIVE


# --- the numbers


def constrained_statistic(only_first: int, only_second: int, rows: int, delta: float) -> float:
    """Return the score statistic, its nuisance probability found by maximizing the likelihood itself."""
    low, high = max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12

    def loss(first: float) -> float:
        second, same = first + delta, 1 - 2 * first - delta
        counts = (only_first, only_second, rows - only_first - only_second)
        return -sum(
            count * math.log(max(p, 1e-300)) for count, p in zip(counts, (first, second, same), strict=True) if count
        )

    first = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (only_second - only_first - rows * delta) / math.sqrt(rows * (2 * first + delta - delta**2))


@pytest.mark.parametrize("counts", [(7, 1, 21), (20, 40, 160), (0, 12, 360), (12, 0, 360), (6, 16, 161), (3, 3, 40)])
def test_both_ends_of_the_paired_interval_solve_the_score_equation(counts: tuple[int, int, int]) -> None:
    """Tango's definition, with a likelihood maximized by scipy instead of his closed form."""
    quantile = stats.norm.ppf(0.975)

    low, high = paired_interval(*counts, 0.975)

    assert constrained_statistic(*counts, low) == pytest.approx(quantile, abs=2e-3)
    assert constrained_statistic(*counts, high) == pytest.approx(-quantile, abs=2e-3)


def test_the_paired_interval_matches_published_values() -> None:
    """Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness: -0.517 to -0.026."""
    assert paired_interval(7, 1, 21, 0.975) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_without_discordant_rows_the_paired_interval_has_its_closed_form() -> None:
    """z^2 / (n + z^2) on both sides."""
    square = stats.norm.ppf(0.95) ** 2

    assert paired_interval(0, 0, 360, 0.95) == pytest.approx((-square / (360 + square), square / (360 + square)))


@pytest.mark.parametrize(("right", "rows"), [(0, 10), (7, 10), (10, 10), (352, 360)])
def test_the_bound_of_a_proportion_is_scipys(right: int, rows: int) -> None:
    """Clopper and Pearson, one-sided."""
    exact = stats.binomtest(right, rows, alternative="less").proportion_ci(0.95, method="exact")

    assert proportion_upper(right, rows, 0.95) == pytest.approx(exact.high)


def test_the_interval_of_a_mean_is_scipys() -> None:
    """Student's t."""
    values = np.random.default_rng(1).normal(size=30)

    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)

    assert mean_interval(values, 0.95) == pytest.approx((expected.low, expected.high))


def test_the_gate_keeps_its_promise_at_the_edge() -> None:
    """A challenger exactly as much worse as is just not allowed passes about as often as the confidence says: 5 %."""
    random, rows, passed = np.random.default_rng(20), 1000, 0
    for _ in range(1000):
        only_first, only_second, _same = random.multinomial(rows, [0.03, 0.02, 0.95])
        passed += paired_interval(only_first, only_second, rows, 0.95)[0] > -0.01

    assert 0.03 < passed / 1000 < 0.07


# --- properties

COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 400)).map(
    lambda drawn: (drawn[0], drawn[1], drawn[0] + drawn[1] + drawn[2])
)
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=80)


@given(counts=COUNTS, confidence=st.floats(0.6, 0.999))
def test_swapping_the_models_mirrors_the_interval(counts: tuple[int, int, int], confidence: float) -> None:
    """Neither side is favoured."""
    low, high = paired_interval(counts[0], counts[1], counts[2], confidence)
    mirrored_low, mirrored_high = paired_interval(counts[1], counts[0], counts[2], confidence)

    assert (low, high) == pytest.approx((-mirrored_high, -mirrored_low), abs=1e-9)


@given(counts=COUNTS, confidence=st.floats(0.6, 0.999))
def test_the_interval_holds_the_estimate_and_stays_in_range(counts: tuple[int, int, int], confidence: float) -> None:
    """Never beyond what a difference of shares can be."""
    low, high = paired_interval(*counts, confidence)

    assert -1 <= low <= (counts[1] - counts[0]) / counts[2] <= high <= 1


@given(counts=COUNTS)
def test_one_more_row_for_the_challenger_never_lowers_the_interval(counts: tuple[int, int, int]) -> None:
    """Of the same number of rows, one that neither told apart now speaks for it."""
    before = paired_interval(*counts, 0.95)
    after = paired_interval(counts[0], counts[1] + 1, counts[2], 0.95)

    assert after[0] >= before[0] - 1e-9
    assert after[1] >= before[1] - 1e-9


@given(counts=COUNTS)
def test_more_confidence_never_narrows_the_interval(counts: tuple[int, int, int]) -> None:
    """To be surer is to say less."""
    narrow, wide = paired_interval(*counts, 0.9), paired_interval(*counts, 0.99)

    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


@given(rows=PAIRS, tolerance=st.floats(0, 0.5), minimum=st.none() | st.floats(0, 1))
def test_the_same_input_gives_the_same_verdict_in_any_order_of_rows(
    rows: list[tuple[int, int, int]], tolerance: float, minimum: float | None
) -> None:
    """Nothing but the counts matters."""
    truth, challenger, champion = np.array(rows).T
    spec = QualitySpec(tolerance=tolerance, minimum=minimum)

    verdict = judge_quality(truth, challenger, champion, spec)

    assert verdict == judge_quality(truth, challenger, champion, spec)
    assert verdict == judge_quality(truth[::-1], challenger[::-1], champion[::-1], spec)


@given(rows=PAIRS, tolerance=st.floats(0, 0.4), metric=st.sampled_from(["accuracy", "mean_absolute_error"]))
def test_a_larger_tolerance_never_turns_the_verdict_worse(
    rows: list[tuple[int, int, int]], tolerance: float, metric: str
) -> None:
    """FAIL, INCONCLUSIVE, PASS: only in this direction."""
    truth, challenger, champion = np.array(rows).T
    order = [Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS]

    strict, lax = (
        judge_quality(truth, challenger, champion, QualitySpec.model_validate({"tolerance": width, "metric": metric}))
        for width in (tolerance, tolerance + 0.1)
    )

    assert order.index(lax.outcome) >= order.index(strict.outcome)
