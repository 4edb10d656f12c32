"""Proposed schedules: what they cost, and what is wanted of them."""

from dataclasses import replace

from slipway.domain.forecast import Costs, Requirements, Service, propose_schedule
from slipway.domain.forecast.course import Leg, metrics_of, plan_of
from slipway.domain.forecast.schedule import price_plan, price_spec
from tests.domain.forecast.plans import spec_of


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
