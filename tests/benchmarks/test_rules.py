"""Each rule on traces made by hand: the tick of its decision is known beforehand."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from benchmarks.decisions.channels import Arms
from benchmarks.decisions.decisions import Decision, earliest, settle
from benchmarks.decisions.rules.argo import Argo, ArgoSetting
from benchmarks.decisions.rules.flagger import Flagger, FlaggerSetting
from benchmarks.decisions.rules.limits import Limit
from benchmarks.decisions.rules.sprt import Sprt, SprtSetting
from benchmarks.decisions.rules.z_test import ZSetting, fixed_horizon, naive_z, z_of
from benchmarks.decisions.schedule import PLAN, TICKS, path_of
from tests.benchmarks.conftest import Craft

TWO_PERCENT = (Limit(metric="errors", most=0.02),)
FIVE_PERCENT = (Limit(metric="errors", most=0.05),)


def flagger(threshold: int = 2) -> FlaggerSetting:
    """Return steps 10 to 50 of a minute each, at most 2 % errors."""
    return FlaggerSetting(
        checks=TWO_PERCENT, threshold=threshold, weights=(0.1, 0.2, 0.3, 0.4, 0.5), interval_seconds=60
    )


@pytest.mark.parametrize(
    ("minutes", "decision", "minute"),
    [
        pytest.param([0], Decision.PROMOTE, 5, id="all-in-range"),
        pytest.param([2], Decision.PROMOTE, 5, id="at-the-limit"),
        pytest.param([9, 0], Decision.PROMOTE, 6, id="one-failure-keeps-the-weight"),
        pytest.param([0, 9, 0, 9, 0], Decision.ROLL_BACK, 5, id="failures-add-up-and-the-next-look-rolls-back"),
        pytest.param([9], Decision.ROLL_BACK, 3, id="all-out-of-range"),
        pytest.param([None], Decision.ROLL_BACK, 3, id="no-data-is-a-failure"),
        pytest.param([0, 0, 0, 0, 9, 9], Decision.ROLL_BACK, 7, id="at-the-last-weight"),
    ],
)
def test_flagger(craft: Craft, minutes: list[int | None], decision: Decision, minute: int) -> None:
    """With threshold 2, the look after the second failure rolls back; five good minutes promote."""
    traces = craft([minutes], [[0]])

    decided = Flagger().decide(traces, flagger())

    assert (decided.decision.tolist(), decided.tick.tolist()) == ([decision], [6 * minute])


def test_flagger_pays_by_the_weight_it_kept(craft: Craft) -> None:
    """A failed minute at 10 % is followed by another at 10 %; traces have 12 bins of 100 requests a tick."""
    traces = craft([[9, 0]], [[0]])

    decided = Flagger().decide(traces, flagger())

    bins = np.array([4, 4, 5, 7, 8, 9])  # below 10, 10, 20, 30, 40, 50 %: bins of equal size, however wide
    assert decided.served.tolist() == [int(6 * 100 * bins.sum())]
    assert decided.bad.tolist() == [6 * 9 * 4]


def argo(failure_limit: int) -> ArgoSetting:
    """Return Slipway's plan with a measurement a minute, at most 5 % errors."""
    return ArgoSetting(
        checks=FIVE_PERCENT, failure_limit=failure_limit, steps=PLAN, interval_seconds=60, starts_at_seconds=0
    )


@pytest.mark.parametrize(
    ("minutes", "limit", "decision", "tick"),
    [
        pytest.param([0], 0, Decision.PROMOTE, 210, id="all-good"),
        pytest.param([0, 0, 9, 0], 0, Decision.ROLL_BACK, 18, id="one-failure-is-more-than-none"),
        pytest.param([0, 0, 9, 0], 1, Decision.PROMOTE, 210, id="one-failure-is-allowed"),
        pytest.param([9], 3, Decision.ROLL_BACK, 24, id="the-fourth-is-one-too-many"),
        pytest.param([None], 3, Decision.ROLL_BACK, 24, id="no-data-is-a-failure"),
    ],
)
def test_argo(craft: Craft, minutes: list[int | None], limit: int, decision: Decision, tick: int) -> None:
    """More failures than failureLimit abort at once."""
    traces = craft([minutes], [[0]])

    decided = Argo().decide(traces, argo(limit))

    assert (decided.decision.tolist(), decided.tick.tolist()) == ([decision], [tick])


def test_documented_argo_sees_nothing_before_its_third_step(craft: Craft) -> None:
    """Analysis starts at 20 minutes: a broken canary is aborted at the fourth failure, 15 minutes later."""
    traces = craft([[50]], [[0]])
    rule = Argo()

    decided = rule.decide(traces, rule.default(traces))

    assert (decided.decision[0], decided.tick[0]) == (Decision.ROLL_BACK, 210)


@pytest.mark.parametrize("rule", [Flagger(), Argo(), naive_z(), fixed_horizon()], ids=lambda rule: rule.name)
def test_sweep_agrees_with_deciding_one_by_one(craft: Craft, rule: Flagger | Argo) -> None:
    """What tuning sees of a setting is what the setting does."""
    rng = np.random.default_rng(5)
    traces = craft(rng.integers(0, 4, (20, 60)).tolist(), rng.integers(0, 3, (20, 60)).tolist())

    for number, (setting, swept) in enumerate(rule.sweep(traces)):
        if number % 37 == 0:
            alone = rule.decide(traces, setting)
            assert swept.decision.tolist() == alone.decision.tolist()
            assert swept.tick.tolist() == alone.tick.tolist()
            assert swept.bad.tolist() == alone.bad.tolist()


def test_naive_z_looks_every_minute_and_fixed_horizon_once(craft: Craft) -> None:
    """A canary that is worse in the first minutes only is rolled back by the naive test, promoted by the other."""
    traces = craft([[8, 1]], [[1]])

    found = [rule.decide(traces, ZSetting(critical=2.326)) for rule in (naive_z(), fixed_horizon())]

    assert [one.decision[0] for one in found] == [Decision.ROLL_BACK, Decision.PROMOTE]
    assert [one.tick[0] for one in found] == [6, 210]


def test_z_is_the_chi_square_test_of_two_proportions() -> None:
    """Z squared is Pearson's statistic without continuity correction (scipy)."""
    table = np.array([[41, 2004 - 41], [71, 8010 - 71]])
    counts = [np.array([value]) for value in (2004, 41, 41, 8010, 71, 71)]

    z = z_of(Arms(**dict(zip(Arms.__slots__, counts, strict=True))))

    assert z[0] ** 2 == pytest.approx(chi2_contingency(table, correction=False).statistic)


def test_sprt_rolls_back_where_the_likelihood_ratio_says(craft: Craft) -> None:
    """4 % against 2 %: 100 requests with 4 errors a tick at 1 % weight give 4 log 2 + 96 log(0.96/0.98) each."""
    traces = craft([[4]], [[2]])
    each = 4 * np.log(2) + 96 * np.log(0.96 / 0.98)

    decided = Sprt().decide(traces, SprtSetting())

    assert (decided.decision[0], decided.tick[0]) == (Decision.ROLL_BACK, int(np.ceil(np.log(100) / each)))


def test_rollback_wins_over_promotion_at_the_same_tick() -> None:
    """361 stands for never."""
    decision, tick = earliest(np.array([30, 361, 361, 40]), np.array([30, 50, 361, 30]))

    assert decision.tolist() == [Decision.ROLL_BACK, Decision.PROMOTE, Decision.UNDECIDED, Decision.PROMOTE]
    assert tick.tolist() == [30, 50, TICKS, 30]


def test_a_bad_canary_that_is_promoted_serves_everything(craft: Craft) -> None:
    """Bad answers go on after promotion, stop at rollback, and keep their weight where nothing is decided."""
    traces = craft([[5], [5], [5]], [[1], [1], [1]])
    ends = np.array([Decision.ROLL_BACK, Decision.PROMOTE, Decision.UNDECIDED], dtype=np.int8)

    decided = settle(traces, path_of(((0.01, 3600),)), ends, np.array([10, 10, 10]))

    assert decided.bad.tolist() == [10 * 5, 10 * 5 + 350 * 5 * 12, 360 * 5]
    assert decided.excess.tolist() == [10 * 4, 10 * 4 + 350 * 4 * 12, 360 * 4]
    assert decided.served.tolist() == [1000, 1000, 36000]
