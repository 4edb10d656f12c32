"""Numbers of events at which the judge decides, beside the judge's own arithmetic."""

import numpy as np
import pytest

from slipway.domain.forecast import boundaries
from slipway.domain.forecast.course import PredictedMetric, to_exclude
from slipway.domain.judge import judge
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.readings import collect_readings
from slipway.domain.judge.statistics import rates
from slipway.domain.spec.judge import JudgeSpec, RateGuard
from tests.domain.forecast.plans import GUARD, METRIC, alone, even_chances

MIDDLE = boundaries.STATES // 2


def evidence(x: float, y: float, n_c: float, n_s: float, guard: RateGuard = GUARD) -> tuple[float, float]:
    """Return the judge's log e-values against and for a canary, from all that was counted with one weight."""
    grid = rates.grid_of(guard.margin, guard.tolerance)
    arrays = [np.array([one], dtype=float) for one in (x, y, n_c, n_s)]
    total = rates.log_likelihoods(*arrays, grid)
    small = rates.log_mixed(rates.small_likelihoods(arrays[0], arrays[2], np.array([guard.negligible])), even_chances())
    evidence_for = rates.log_pass(rates.log_passing(total, grid), small, np.array(METRIC.base < guard.negligible))
    return float(rates.log_evidence_against(total, grid)[0]), float(evidence_for[0])


@pytest.mark.parametrize(("share", "requests"), [(0.01, 40_000), (0.2, 8_000), (0.5, 2_000)])
def test_boundaries_are_where_the_judge_decides(share: float, requests: int) -> None:
    """Counted out: one event fewer is not enough to roll back, one more is too many to pass."""
    plan = alone(share, 10, requests / 10)
    served = plan.served(np.zeros(1), 0, np.array([10.0]))
    n_c, n_s = served.canary[0, 0], served.stable[0, 0]
    y = METRIC.base * n_s

    fails = boundaries.find_fail_bounds(served, GUARD, METRIC.base, METRIC.alpha)[0, MIDDLE]
    passes = boundaries.find_pass_bounds(served, GUARD, METRIC.base, METRIC.beta)[0, MIDDLE]

    skew = np.sqrt(y) * (-1 / 6) / np.sqrt(y)  # the middle state is where a skewed count has its median
    evidence_against = [x for x in range(200) if evidence(x, y + skew, n_c, n_s)[0] >= -np.log(METRIC.alpha)]
    evidence_for = [x for x in range(200) if evidence(x, y + skew, n_c, n_s)[1] >= -np.log(METRIC.beta)]
    assert fails == evidence_against[0]
    assert passes == (evidence_for[-1] if evidence_for else passes)
    assert bool(evidence_for) == (passes >= 0)


@pytest.mark.parametrize(("rate", "slack"), [(10_000, 12), (400, 1)])
def test_the_weight_may_rise_where_the_judge_lets_it(rate: int, slack: int) -> None:
    """The same question as `judge.may_rise`, asked of the same counts."""
    spec = JudgeSpec(latency=None)
    none = Counters(requests=0, errors=0)
    arms, nothing = judge.Arms(canary="c", stable="s"), collect_readings(requests={"c": none, "s": none})
    begun = judge.update_evidence(NO_EVIDENCE, arms, nothing, spec, judge.When(at=0.0, weight_percent=5))
    metric = PredictedMetric(guard=spec.errors, alpha=spec.alpha, beta=spec.beta, base=0.02)
    served = alone(0.05, 10, rate).served(np.zeros(1), 0, np.array([10.0]))
    requests, stable = round(0.5 * rate), round(9.5 * rate)

    bad = to_exclude(metric, 10 * rate, 10)
    most = int(boundaries.find_exclusion_bounds(served, metric.base, spec.beta, bad)[0, MIDDLE])

    may = []
    for errors in (most - slack, most + slack + 1):
        seen = {"c": Counters(requests=requests, errors=errors), "s": Counters(requests=stable, errors=stable // 50)}
        read, when = collect_readings(requests=seen), judge.When(at=10.0, weight_percent=5)
        after = judge.update_evidence(begun, arms, read, spec, when)
        may.append(judge.may_rise(after, spec, 10))
    assert may == [True, False]


def test_noise_keeps_its_mean_variance_and_correlation() -> None:
    """Whatever the step; and nothing is lost."""
    moves = boundaries.noise_moves(np.array([0.0, 1.0, 4.0, 4.1]))

    assert moves.sum(axis=2) == pytest.approx(1.0)
    assert moves[0] == pytest.approx(np.tile(boundaries.NOISE_CHANCES, (boundaries.STATES, 1)))
    for move, correlation in zip(moves, (0.0, 0.5, np.sqrt(4 / 4.1)), strict=True):
        assert move @ boundaries.NOISE == pytest.approx(correlation * boundaries.NOISE, abs=1e-9)
        assert boundaries.NOISE_CHANCES @ move == pytest.approx(boundaries.NOISE_CHANCES)
    assert pytest.approx(1.0) == boundaries.NOISE_CHANCES @ boundaries.NOISE**2
