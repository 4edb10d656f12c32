"""What is predicted before a rollout: chances, times and failed answers by step, and numbers that are refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.decisions.played.stage import play_many
from benchmarks.decisions.played.worlds import World
from slipway.domain.forecast import Costs, Requirements, Service, forecast_rollout
from slipway.domain.forecast.forecast import SEEN, smallest_seen
from slipway.domain.forecast.walk import walk_plan
from slipway.domain.spec.release import ReleaseSpec
from tests.domain.forecast.plans import METRIC, alone, spec_of


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
