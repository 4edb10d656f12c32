"""What is predicted before a rollout, beside the judge's own arithmetic: enumerated, simulated, and its promises."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from benchmarks.decisions.played.stage import play_many
from benchmarks.decisions.played.worlds import World
from slipway.domain.forecast import (
    Costs,
    Requirements,
    Service,
    boundaries,
    clocks,
    forecast_rollout,
    propose_schedule,
    wording,
)
from slipway.domain.forecast.cells import START, Cells, add_events, pool_cells
from slipway.domain.forecast.course import Leg, Plan, PredictedMetric, metrics_of, plan_of, to_exclude
from slipway.domain.forecast.forecast import SEEN, name_ratio, smallest_seen
from slipway.domain.forecast.groups import Group, pool_groups
from slipway.domain.forecast.schedule import price_plan, price_spec
from slipway.domain.forecast.walk import walk_plan
from slipway.domain.judge import judge
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.readings import collect_readings
from slipway.domain.judge.statistics import bursts, rates
from slipway.domain.judge.statistics.rates import SMALLER, Floats
from slipway.domain.rollout.analysis import CROWDED_PERCENT
from slipway.domain.spec.judge import JudgeSpec, RateGuard
from slipway.domain.spec.release import ReleaseSpec, RolloutSpec

MIDDLE = boundaries.STATES // 2
GUARD = RateGuard(margin=1.0, tolerance=1.5, negligible=0.01)
METRIC = PredictedMetric(guard=GUARD, alpha=0.0075, beta=0.05, base=0.005)
STEPS = [
    {"weight_percent": 2, "duration_seconds": 300, "at_least_seconds": 60},
    {"weight_percent": 20, "duration_seconds": 300, "at_least_seconds": 30},
    {"weight_percent": 50, "duration_seconds": 300, "at_least_seconds": 30},
]


def spec_of(**rollout: object) -> ReleaseSpec:
    """Return a spec with these steps, no shadow unless asked for."""
    document = {"shadow": None, "steps": STEPS, "deadline_seconds": 1800, "warm_up_seconds": 0, "hold_back_percent": 0}
    document |= rollout
    return ReleaseSpec.model_validate(
        {"model": "digits", "data": {"path": "rows.csv", "label": "digit"}, "rollout": document, "judge": {}}
    )


def alone(share: float, seconds: float, rate: float, look: float = 10.0) -> Plan:
    """Return a plan of one leg that waits for nothing."""
    return Plan(legs=(Leg(share=share, seconds=seconds),), look_seconds=look, requests_per_second=rate, even=True)


def evidence(x: float, y: float, n_c: float, n_s: float, guard: RateGuard = GUARD) -> tuple[float, float]:
    """Return the judge's log e-values against and for a canary, from all that was counted with one weight."""
    grid = rates.grid_of(guard.margin, guard.tolerance)
    arrays = [np.array([one], dtype=float) for one in (x, y, n_c, n_s)]
    total = rates.log_likelihoods(*arrays, grid)
    small = rates.log_mixed(rates.small_likelihoods(arrays[0], arrays[2], np.array([guard.negligible])), _even())
    evidence_for = rates.log_pass(rates.log_passing(total, grid), small, np.array(METRIC.base < guard.negligible))
    return float(rates.log_evidence_against(total, grid)[0]), float(evidence_for[0])


def _even() -> Floats:
    return np.full(len(SMALLER), -np.log(len(SMALLER)))


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


def test_events_come_as_a_poisson_number() -> None:
    """Two looks make the sum of two."""
    still = np.eye(boundaries.STATES)

    cells = add_events(add_events(START, 3.0, still), 4.5, still)

    counts = cells.low + np.arange(cells.chances.shape[1])
    assert cells.chances.sum(axis=0) == pytest.approx(stats.poisson.pmf(counts, 7.5), abs=1e-8)


def test_wide_cells_keep_mean_and_variance() -> None:
    """Many events are followed in cells of several counts."""
    still = np.eye(boundaries.STATES)
    cells = START
    for _ in range(40):
        cells = add_events(cells, 1000.0, still)

    centres = cells.low + cells.width * (np.arange(cells.chances.shape[1]) + 0.5) - 0.5
    share = cells.chances.sum(axis=0)
    mean = centres @ share
    assert cells.width > 1
    assert cells.mass == pytest.approx(1.0, abs=1e-4)
    assert mean == pytest.approx(40_000, abs=1)
    assert (centres - mean) ** 2 @ share == pytest.approx(40_000, rel=0.02)


def test_groups_that_left_at_other_times_keep_what_they_have_over_the_expected() -> None:
    """Ten events in a minute and forty in four are both as expected: so are the thirty of their mean time."""
    groups = []
    for minutes, mass in ((1.0, 0.05), (4.0, 0.1), (5.0, 0.85)):  # the last one goes on by itself
        cells = add_events(START, 10.0 * minutes, np.eye(boundaries.STATES))
        cells = replace(cells, chances=mass * cells.chances)
        groups.append(Group(at=60 * minutes, spent=np.array([60 * minutes]), cells=cells))

    both, _ = pool_groups(groups, rates=np.array([10 / 60]))

    counts = both.cells.low + np.arange(both.cells.chances.shape[1])
    chances = both.cells.chances.sum(axis=0) / both.cells.mass
    assert (both.at, both.spent[0]) == pytest.approx((180, 180))
    assert (counts @ chances, (counts - 30) ** 2 @ chances) == pytest.approx((30, 30), abs=0.01)


def test_groups_that_go_on_together_keep_their_chances() -> None:
    """Cells of other widths and begins are added up."""
    one = Cells(low=3, width=1, chances=np.full((boundaries.STATES, 5), 0.01))
    other = Cells(low=8, width=2, chances=np.full((boundaries.STATES, 4), 0.01))

    both = pool_cells([one, other])

    counts = np.full(boundaries.STATES, 8.0)
    assert both.mass == pytest.approx(one.mass + other.mass)
    assert (both.chances * both.above(counts)).sum() == pytest.approx(
        (one.chances * one.above(counts)).sum() + (other.chances * other.above(counts)).sum(), abs=0.05
    )


@pytest.mark.parametrize(("share", "ratio"), [(0.05, 4.0), (0.5, 3.0)])
def test_chances_of_two_looks_are_those_of_all_their_outcomes(share: float, ratio: float) -> None:
    """Enumerated: every number of events in both arms at both looks."""
    plan = alone(share, 20, 120.0 / share)
    n_c, n_s = 1200.0, 1200.0 * (1 - share) / share
    x = np.arange(90)
    y = np.arange(int(stats.poisson.ppf(1e-6, n_s * METRIC.base)), int(stats.poisson.ppf(1 - 1e-6, n_s * METRIC.base)))
    p_x = stats.poisson.pmf(x, n_c * METRIC.base * ratio)
    p_y = stats.poisson.pmf(y, n_s * METRIC.base)
    grid = rates.grid_of(GUARD.margin, GUARD.tolerance)

    def rolled_back(looks: int, events: Floats, stable: Floats) -> Floats:
        shape = np.broadcast_shapes(events.shape, stable.shape)
        total = rates.log_likelihoods(
            np.broadcast_to(events, shape), np.broadcast_to(stable, shape),
            np.full(shape, looks * n_c), np.full(shape, looks * n_s), grid,
        )  # fmt: skip
        return (rates.log_evidence_against(total, grid) >= -np.log(METRIC.alpha)).astype(float)

    first = rolled_back(1, x[:, None].astype(float), y[None].astype(float))
    once = float(p_x @ first @ p_y)
    open_ = p_x[:, None] * p_y[None] * (1 - first)
    later = np.zeros((2 * len(x), 2 * len(y)))
    spread = stats.poisson.pmf(x, n_c * METRIC.base * ratio)
    for i in range(len(x)):
        later[i : i + len(x), : 2 * len(y) - 1] += spread[:, None] * np.convolve(open_[i], p_y)[None]
    both = rolled_back(2, np.arange(2.0 * len(x))[:, None], (2 * y[0] + np.arange(2.0 * len(y)))[None])
    twice = once + float((later * both).sum())

    found = walk_plan(plan, METRIC, ratio).found

    assert float(found.by(10)) == pytest.approx(once, abs=0.025)
    assert float(found.by(20)) == pytest.approx(twice, abs=0.025)


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
        small = rates.log_mixed(bursts.small_total(self.tally, self.calm), _even())
        rare = np.array(self.metric.base < self.metric.guard.negligible)
        evidence_for = rates.log_pass(rates.log_passing(self.total, self.grid), small, rare)
        return evidence_for >= -np.log(self.metric.beta)

    def under(self, bad: tuple[float, float]) -> NDArray[np.bool_]:
        """Return where the weight may rise."""
        requests, events = self.canary
        by_ratio = rates.log_under(self.total, self.grid, np.full(len(events), bad[0]))
        by_share = rates.log_mixed(rates.small_likelihoods(events, requests, np.full(len(events), bad[1])), _even())
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


def test_sparse_looks_say_little() -> None:
    """Where most looks have no request of the canary, what stable did in them is not counted.

    Twenty times the errors: what sparse looks lose must be far beyond the approximations.
    """
    even = alone(0.05, 3600, 0.2)
    sparse = replace(even, even=False)

    chances = [walk_plan(plan, replace(METRIC, base=0.01), 20.0).found.ever for plan in (even, sparse)]

    assert chances[0] > chances[1] + 0.2


@settings(max_examples=15)
@given(
    rate=st.floats(0.5, 500),
    base=st.floats(0.0005, 0.2),
    share=st.sampled_from([0.01, 0.1, 0.5]),
    ratio=st.floats(1.1, 4),
)
def test_worse_is_found_sooner_and_good_hardly_ever(rate: float, base: float, share: float, ratio: float) -> None:
    """Chances are chances, grow with the ratio and with time, and an equal canary's stays under alpha."""
    metric = replace(METRIC, base=base)
    plan = alone(share, 1800, rate)

    equal, worse, worst = (walk_plan(plan, metric, one) for one in (1.0, ratio, ratio * 1.3))

    times = np.linspace(0, 1800, 50)
    assert equal.found.ever <= metric.alpha * 1.05
    assert worse.found.ever <= worst.found.ever + 1e-3
    assert (np.diff(worse.found.by(times)) >= -1e-12).all()
    assert equal.found.ever + equal.promoted.ever <= 1 + 1e-9


def test_the_smallest_ratio_is_found_with_the_chance_that_is_said() -> None:
    """By the step alone, within its time."""
    plan = alone(0.1, 3600, 12.0)
    metric = replace(METRIC, base=0.02)

    ratio = smallest_seen(plan, plan.legs[0], metric, 3600)

    assert ratio is not None
    assert walk_plan(plan, metric, ratio).found.ever == pytest.approx(SEEN, abs=0.02)


def test_nothing_is_seen_without_traffic() -> None:
    """Not even a canary that fails everything."""
    plan = replace(alone(0.01, 60, 0.1), even=False)

    assert smallest_seen(plan, plan.legs[0], METRIC, 60) is None


def test_a_shadow_finds_what_copies_show_at_no_cost() -> None:
    """What shows live only is found later, and costs failed answers."""
    spec = spec_of(shadow={"duration_seconds": 300, "at_least_seconds": None})

    seen = forecast_rollout(spec, Service(requests_per_second=50, error_rate=0.005))

    assert seen.steps[0].name == "shadow"
    assert seen.bad["5x"].found.by(300) > 0.99
    assert seen.bad["5x"].bad_requests < 0.01
    assert seen.live_only.bad_requests > seen.bad["2x"].bad_requests


def test_promotion_waits_for_latency_too() -> None:
    """Unless the spec does not ask for it."""
    service = Service(requests_per_second=2.0, error_rate=0.001)
    with_latency = forecast_rollout(spec_of(), service)
    document = spec_of().model_dump() | {"judge": {"latency": None}}
    without = forecast_rollout(ReleaseSpec.model_validate(document), service)

    assert without.promotion.ever == pytest.approx(without.good.promoted.ever)
    assert with_latency.promotion.ever < without.promotion.ever


def test_sentences_say_it_as_people_would() -> None:
    """How soon a doubling, and what not in a day."""
    spec = spec_of(steps=[{"weight_percent": 10, "duration_seconds": 1800}])

    said = list(wording.describe_forecast(forecast_rollout(spec, Service(requests_per_second=12, error_rate=0.03))))

    assert said[0].startswith("At 12 requests/s and 10 % step 1 can see a doubling of errors in about ")
    assert said[0].endswith("a 10 % change can't be seen in a day.")
    assert said[1].startswith("A canary that fails twice as often is found with a chance of ")
    assert said[-1].startswith("A canary as good as stable is promoted ")


def test_information_is_the_mean_growth_of_the_likelihood() -> None:
    """Summed over Poisson counts of both arms."""
    events, ratio, odds = 7.0, 2.0, 0.5
    x = np.arange(80)
    grid = rates.grid_of(1.0, ratio)
    nats = [
        (
            rates.log_likelihoods(*(np.array([one]) for one in (a, b, odds, 1.0)), grid)
            @ np.eye(len(grid.ratios))[:, -2:]
        )[0]
        for a, b in ((1.0, 0.0), (0.0, 1.0))
    ]
    mean_x = stats.poisson.pmf(x, ratio * events) @ x
    mean_y = stats.poisson.pmf(x, events / odds) @ x

    growth = mean_x * (nats[0][1] - nats[0][0]) + mean_y * (nats[1][1] - nats[1][0])

    assert clocks.information_rate(ratio, odds) * events == pytest.approx(growth)


def test_no_schedule_of_a_sample_costs_less_than_the_proposal() -> None:
    """Walked in full, by a twentieth at most: clocks choose, and they are near."""
    spec, service, costs = spec_of(), Service(requests_per_second=50, error_rate=0.005), Costs()
    plan, metrics = plan_of(spec, service), metrics_of(spec, service)

    proposal = propose_schedule(spec, service, costs)

    assert proposal is not None
    others = [((1, 30), (50, 0)), ((5, 10), (25, 0)), ((2, 10), (10, 30), (40, 0)), ((20, 0),), ((50, 0),), ((10, 0),)]
    for steps in others:
        after = [*(percent for percent, _ in steps[1:]), None]
        legs = tuple(
            Leg(
                share=percent / 100,
                seconds=seconds or 20_000.0,
                at_least=None if seconds else 10.0,
                next_percent=follows,
            )
            for (percent, seconds), follows in zip(steps, after, strict=True)
        )
        assert (
            proposal.priced.cost <= 1.05 * price_plan(replace(plan, legs=legs, wait_seconds=0.0), metrics, costs).cost
        )
    assert proposal.priced.cost < price_spec(spec, service, costs).cost


def test_the_dearer_failed_answers_the_fewer_are_proposed() -> None:
    """Exposure is weighed against delay."""
    spec, service = spec_of(), Service(requests_per_second=50, error_rate=0.005)

    found = [propose_schedule(spec, service, Costs(seconds_per_bad_request=price)) for price in (1, 1000)]

    [cheap, dear] = [sum(one.priced.bad_requests.values()) for one in found if one is not None]
    assert dear < cheap / 2


def test_what_is_wanted_is_found_in_time() -> None:
    """Or nothing is proposed."""
    spec, service = spec_of(), Service(requests_per_second=50, error_rate=0.005)

    possible = propose_schedule(
        spec, service, Costs(seconds_per_bad_request=1e5), Requirements(ratio=2, within_seconds=900)
    )
    impossible = propose_schedule(spec, service, Costs(), Requirements(ratio=1.1, within_seconds=60))

    assert possible is not None
    assert possible.wanted_seconds is not None
    assert possible.wanted_seconds <= 900 * 1.05
    assert impossible is None


def test_a_proposal_can_be_pasted() -> None:
    """It is a rollout that the spec takes."""
    proposal = propose_schedule(spec_of(), Service(requests_per_second=50, error_rate=0.005), Costs())

    assert proposal is not None
    steps = RolloutSpec.model_validate(yaml.safe_load(wording.format_proposal(proposal))["rollout"]).steps
    assert [(step.weight_percent, step.duration_seconds) for step in steps] == list(proposal.steps)


def test_slow_answers_are_a_metric_unless_left_out() -> None:
    """With their share of alpha, and the quantile's share of requests."""
    metrics = metrics_of(spec_of(), Service(requests_per_second=50, error_rate=0.005))

    assert metrics[Check.LATENCY].base == pytest.approx(0.05)
    assert (metrics[Check.ERRORS].alpha, metrics[Check.LATENCY].alpha) == pytest.approx((0.006, 0.002))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Service(requests_per_second=0, error_rate=0.1), "requests_per_second 0"),
        (lambda: Service(requests_per_second=float("nan"), error_rate=0.1), "requests_per_second nan"),
        (lambda: Service(requests_per_second=float("inf"), error_rate=0.1), "requests_per_second inf"),
        (lambda: Service(requests_per_second=1, error_rate=0), "error_rate 0"),
        (lambda: Service(requests_per_second=1, error_rate=1), "error_rate 1"),
        (lambda: Service(requests_per_second=1, error_rate=float("nan")), "error_rate nan"),
        (lambda: Costs(bad_share=0), "bad_share 0"),
        (lambda: Costs(bad_share=float("nan")), "bad_share nan"),
        (lambda: Costs(seconds_per_bad_request=-1), "seconds_per_bad_request -1"),
        (lambda: Costs(seconds_per_bad_request=float("nan")), "seconds_per_bad_request nan"),
        (lambda: Requirements(ratio=1, within_seconds=60), "ratio 1"),
        (lambda: Requirements(ratio=float("inf"), within_seconds=60), "ratio inf"),
        (lambda: Requirements(ratio=2, within_seconds=0), "within_seconds 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Callable[[], object], message: str) -> None:
    """With what was given, and what is expected."""
    with pytest.raises(ValueError, match=f"{message}; expected"):
        make()


def test_copies_that_show_enough_end_the_shadow_before_its_time() -> None:
    """An equal canary leaves it after some three minutes, in rollouts played look by look as predicted."""
    spec = spec_of(shadow={"duration_seconds": 900})
    good = forecast_rollout(spec, Service(requests_per_second=50, error_rate=0.005)).good
    world = World(history_minutes=20, longest_seconds=950, rollout={"warm_up_seconds": 0})
    seen = np.mean([min(one.shadow_seconds or 900.0, 900.0) for one in play_many(world, 12)])

    assert good.entered[1] == pytest.approx(200, abs=60)
    assert seen == pytest.approx(good.entered[1], abs=90)


def test_what_comes_while_replicas_are_cold_is_not_counted_in() -> None:
    """A doubling is found half a minute later in a step of ten minutes; clients get the answers all the same."""
    service = Service(requests_per_second=50, error_rate=0.005)
    steps = [{"weight_percent": 25, "duration_seconds": 600}]
    cold, warm = (
        forecast_rollout(spec_of(steps=steps, warm_up_seconds=seconds), service).bad["2x"] for seconds in (30, 0)
    )

    later = (cold.found.quantile(0.5) or 0.0) - (warm.found.quantile(0.5) or 0.0)
    assert later == pytest.approx(30, abs=15)
    assert cold.bad_requests > warm.bad_requests


def test_a_plan_says_what_comes_before_between_and_after_the_steps() -> None:
    """How long the shadow takes, what is not weighed, and what the requests held back cost and find."""
    service = Service(requests_per_second=50, error_rate=0.005)
    spec = spec_of(shadow={"duration_seconds": 900}, warm_up_seconds=30, hold_back_percent=5)
    said = "\n".join(wording.describe_forecast(forecast_rollout(spec, service)))
    without = "\n".join(wording.describe_forecast(forecast_rollout(spec_of(), service)))

    assert "leaves it after 4 min (mean), at the earliest after 2 min, at the latest after 15 min" in said
    assert "The first 30 s after a rise are not weighed" in said
    assert "After promotion 5 % of the requests get the old version for 60 min more (9,000 requests)" in said
    assert not any(word in without for word in ("shadow", "weighed", "After promotion"))
