"""What is predicted, beside simulations with the judge's own arithmetic."""

import numpy as np
import pytest
from numpy.typing import NDArray

from slipway.domain.forecast import Service, forecast_rollout
from slipway.domain.forecast.course import Plan, PredictedMetric, metrics_of, plan_of, to_exclude
from slipway.domain.forecast.forecast import name_ratio
from slipway.domain.judge.checks import Check
from slipway.domain.judge.statistics import bursts, rates
from slipway.domain.judge.statistics.rates import Floats
from slipway.domain.rollout.analysis import CROWDED_PERCENT
from slipway.domain.spec.release import RolloutSpec
from tests.domain.forecast.plans import even_chances, spec_of


class Judged:
    """One metric on many traces, by the judge's own arrays."""

    def __init__(self, metric: PredictedMetric, traces: int) -> None:
        """Begin with nothing counted, and with no gusts."""
        self.metric, self.grid = metric, rates.grid_of(metric.guard.margin, metric.guard.tolerance)
        self.negligible = np.full(traces, metric.guard.negligible)
        self.tally = bursts.empty_tally((traces,), len(self.grid.ratios))
        self.canary = np.zeros((2, traces))
        none = np.zeros(traces)
        self.calm = bursts.Overdispersion(squared_cv=none, rate=none, gusty=none, clusters=np.ones(traces))

    def look(self, n_c: Floats, x: Floats, n_s: Floats, y: Floats) -> None:
        """Weigh one look."""
        self.canary += [n_c, x]
        bursts.add_look(self.tally, np.stack([n_c, x, n_s, y, x], axis=-1), self.grid, self.negligible)

    @property
    def total(self) -> Floats:
        """Log-likelihood by ratio."""
        return bursts.total_against(self.tally, self.calm, self.grid)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Where it is rolled back."""
        return rates.log_evidence_against(self.total, self.grid) >= -np.log(self.metric.alpha)

    @property
    def passed(self) -> NDArray[np.bool_]:
        """Where it passes."""
        small = rates.log_mixed(bursts.small_total(self.tally, self.calm), even_chances())
        rare = np.array(self.metric.base < self.metric.guard.negligible)
        evidence_for = rates.log_pass(rates.log_passing(self.total, self.grid), small, rare)
        return evidence_for >= -np.log(self.metric.beta)

    def under(self, bad: tuple[float, float]) -> NDArray[np.bool_]:
        """Return where the weight may rise."""
        requests, events = self.canary
        by_ratio = rates.log_under(self.total, self.grid, np.full(len(events), bad[0]))
        by_share = rates.log_mixed(
            rates.small_likelihoods(events, requests, np.full(len(events), bad[1])), even_chances()
        )
        return np.logaddexp(by_ratio, by_share) - np.log(2) >= -np.log(self.metric.beta)


def simulated(plan: Plan, metrics: dict[str, PredictedMetric], ratio: float, traces: int) -> dict[str, Floats]:
    """Let the judge's arithmetic decide on drawn counts, look by look; seconds, infinite where it never happens.

    The canary's errors come `ratio` times as often as stable's; other metrics are equal.
    """
    draws = np.random.default_rng(20)
    judged = {name: Judged(metric, traces) for name, metric in metrics.items()}
    live = [one for name, one in judged.items() if name != Check.COPIES]
    leg, spent, bad = np.zeros(traces, dtype=int), np.zeros(traces), np.zeros(traces)
    found, promoted = np.full(traces, np.inf), np.full(traces, np.inf)
    shares, copies = np.array([one.rates for one in plan.legs]), np.array([one.copies for one in plan.legs])
    least = np.array([one.at_least or (np.inf if one.next_percent else one.seconds) for one in plan.legs])
    most = np.array([one.seconds if one.next_percent else np.inf for one in plan.legs])
    for look in range(1, int((plan.seconds + plan.wait_seconds) / 10) + 1):
        n = draws.poisson(plan.requests_per_second * 10 * shares[leg].T).astype(float)
        n = np.where(copies[leg], n[0], n)  # every copy has its original
        open_ = np.isinf(found) & np.isinf(promoted)
        if not open_.any():
            break
        for name, one in judged.items():
            often = 1.0 if name == Check.LATENCY else ratio
            events = [draws.binomial(n[arm].astype(int), min(one.metric.base * by, 1.0)).astype(float)
                      for arm, by in ((0, often), (1, 1.0))]  # fmt: skip
            both = np.zeros(traces)
            if name == Check.COPIES and one.metric.guard.margin == 1:
                both = draws.binomial(events[1].astype(int), min(one.metric.base * ratio, 1.0)).astype(float)
                both = np.minimum(both, events[0])
            counts = copies[leg] == (name == Check.COPIES)
            one.look(n[0] * counts, (events[0] - both) * counts, n[1] * counts, (events[1] - both) * counts)
            if name == Check.ERRORS:
                bad += events[0] * open_ * counts
        spent += 10
        found[open_ & np.any([one.failed for one in judged.values()], axis=0)] = 10 * look
        passed, may = np.all([one.passed for one in live], axis=0), spent >= least[leg]
        promoted[open_ & np.isinf(found) & (leg == len(plan.legs) - 1) & may & passed] = 10 * look
        goes = spent >= most[leg]
        for number, one in enumerate(plan.legs[:-1]):
            if one.next_percent is not None and one.next_percent <= CROWDED_PERCENT and not one.copies:
                excluded = to_exclude(metrics[Check.ERRORS], plan.requests_per_second * 10, one.next_percent)
                goes |= (leg == number) & may & judged[Check.ERRORS].under(excluded)
            else:
                goes |= (leg == number) & may & passed & (not one.copies)
        leg, spent = leg + goes, spent * ~goes
    return {"found": found, "promoted": promoted, "bad": bad}


DEFAULTS = RolloutSpec().model_dump(mode="json")["steps"]
"""1, 5, 25 and 50 %."""
LONG = {"steps": DEFAULTS, "shadow": {"duration_seconds": 300, "at_least_seconds": None}, "deadline_seconds": 3600}


@pytest.mark.parametrize(
    ("rollout", "rate", "base", "ratio"),
    [
        ({}, 50.0, 0.005, 2.0),
        ({}, 20.0, 0.03, 1.5),
        ({}, 50.0, 0.005, 8.0),
        ({}, 400.0, 0.01, 1.7),
        (LONG, 50.0, 0.005, 2.0),
        (LONG, 5.0, 0.03, 2.5),
        (LONG, 12.0, 0.02, 1.5),
    ],
)
def test_bad_canaries_are_found_when_the_judge_finds_them(
    rollout: dict[str, object], rate: float, base: float, ratio: float
) -> None:
    """Simulated with the judge's arithmetic: chance, median, 9 of 10, and failed answers until then."""
    spec, service = spec_of(**rollout), Service(requests_per_second=rate, error_rate=base)

    told = forecast_rollout(spec, service, [ratio]).bad[name_ratio(ratio)]

    seen = simulated(plan_of(spec, service), metrics_of(spec, service), ratio, 1000)
    assert told.found.ever == pytest.approx(np.isfinite(seen["found"]).mean(), abs=0.04)
    assert told.bad_requests == pytest.approx(seen["bad"].mean(), rel=0.15)
    for share in (0.5, 0.9):
        when = float(np.quantile(seen["found"], share, method="higher"))
        if np.isfinite(when):
            assert told.found.by(1.1 * when + 10) >= share - 0.02
            assert told.found.by(0.9 * when - 10) <= share + 0.02


def test_steps_that_end_within_few_looks_are_predicted_roughly() -> None:
    """Those that leave a step early have few errors; that is mixed up with those that leave later."""
    spec, service = spec_of(), Service(requests_per_second=400, error_rate=0.02)

    told = forecast_rollout(spec, service, [1.3]).bad["1.3x"]

    seen = simulated(plan_of(spec, service), metrics_of(spec, service), 1.3, 1000)
    assert told.found.ever == pytest.approx(np.isfinite(seen["found"]).mean(), abs=0.08)
    assert told.bad_requests == pytest.approx(seen["bad"].mean(), rel=0.15)


def test_what_shows_live_only_is_found_as_without_a_shadow() -> None:
    """Copies on which both are equal take nothing but their alpha; evidence begins anew."""
    service = Service(requests_per_second=50, error_rate=0.005)
    spec = spec_of(**LONG)
    plan, metrics = plan_of(spec, service), metrics_of(spec, service)

    told = forecast_rollout(spec, service).live_only

    alone = {name: metric for name, metric in metrics.items() if name != Check.COPIES}
    seen = 300 + simulated(plan.live, alone, 2.0, 1000)["found"]
    assert told.found.ever == pytest.approx(np.isfinite(seen).mean(), abs=0.04)
    assert told.found.quantile(0.5) == pytest.approx(np.median(seen), rel=0.1)


@pytest.mark.parametrize(
    ("rollout", "rate", "base"),
    [
        ({}, 50.0, 0.005),
        ({}, 20.0, 0.03),
        (LONG, 50.0, 0.005),
        (LONG, 12.0, 0.02),
        (LONG, 12.0, 0.06),
        (LONG, 2.0, 0.05),
        ({}, 400.0, 0.02),
    ],
)
def test_good_canaries_are_promoted_when_the_judge_passes_them(
    rollout: dict[str, object], rate: float, base: float
) -> None:
    """Simulated with the judge's arithmetic: errors and latency, steps that end early, and the wait after the last."""
    spec, service = spec_of(**rollout), Service(requests_per_second=rate, error_rate=base)

    metrics = metrics_of(spec, service)
    good = forecast_rollout(spec, service, ()).good
    told = good.promoted

    seen = simulated(plan_of(spec, service), metrics, 1.0, 2000)["promoted"]
    assert good.found.ever <= sum(one.alpha for name, one in metrics.items() if name in {Check.ERRORS, Check.COPIES})
    assert told.ever == pytest.approx(np.isfinite(seen).mean(), abs=0.03)
    for share in (0.5, 0.9):
        when = float(np.quantile(seen, share, method="higher"))
        if np.isfinite(when):
            assert told.quantile(share) == pytest.approx(when, rel=0.1, abs=10)
