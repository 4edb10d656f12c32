"""Forecasts in sentences."""

import math
from collections.abc import Iterator

from slipway.domain.forecast.forecast import SEEN, Forecast, StepForecast
from slipway.domain.forecast.replicas import StepReplicas
from slipway.domain.forecast.schedule import Costs, PricedSchedule, Proposal, Requirements
from slipway.domain.forecast.walk import WalkResult

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def format_duration(seconds: float | None, otherwise: str = "never") -> str:
    """Return a duration in a readable unit, with about two digits.

    >>> [format_duration(seconds) for seconds in (45.0, 540.0, 9000.0, 200000.0, None)]
    ['45 s', '9 min', '2.5 h', '2.3 days', 'never']
    """
    if seconds is None:
        return otherwise
    for unit, name, up_to in ((1.0, "s", 100.0), (MINUTE, "min", 100 * MINUTE), (HOUR, "h", 48 * HOUR)):
        if seconds < up_to:
            return f"{seconds / unit:.{1 if unit == HOUR and seconds < 10 * HOUR else 0}f} {name}".replace(".0 ", " ")
    return f"{seconds / DAY:.1f} days"


def format_percent(chance: float) -> str:
    """Return a chance as a percentage that never claims certainty.

    >>> format_percent(0.9999), format_percent(0.437), format_percent(0.0001)
    ('>99 %', '44 %', '<1 %')
    """
    if chance > 0.99:  # noqa: PLR2004 - what rounds to 100 %
        return ">99 %"
    return f"{100 * chance:.0f} %" if chance >= 0.01 else "<1 %"  # noqa: PLR2004 - what rounds to 0 %


def format_ratio(value: float | None, otherwise: str = "nothing") -> str:
    """Return a ratio as text.

    >>> format_ratio(1.846), format_ratio(24.3), format_ratio(None)
    ('1.85x', '24x', 'nothing')
    """
    if value is None:
        return otherwise
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"  # noqa: PLR2004 - three digits at most


def format_count(value: float) -> str:
    """Return a count: whole from 10 on.

    >>> format_count(3.42), format_count(1234.5)
    ('3.4', '1,234')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits at most


def describe_capacity(steps: tuple[StepReplicas, ...], at_work: float) -> str:
    """Return which replicas the steps need.

    >>> steps = (("step 1", 1, 9), ("promotion", 9, 1))
    >>> describe_capacity(tuple(StepReplicas(name=name, canary=new, stable=old) for name, new, old in steps), 34)
    'With 34 requests at work at once the canary needs 1 replica for step 1, 9 for promotion; stable 9, 1.'
    """
    first, *rest = steps
    canary = f"{first.canary} replica{'s' * (first.canary != 1)} for {first.name}"
    more = "".join(f", {one.canary} for {one.name}" for one in rest)
    stable = ", ".join(str(one.stable) for one in steps)
    return f"With {format_count(at_work)} requests at work at once the canary needs {canary}{more}; stable {stable}."


def describe_forecast(seen: Forecast) -> Iterator[str]:
    """Yield sentences on a spec's steps."""
    shadow = next((one for one in seen.steps if one.name == "shadow"), None)
    rate = f"{seen.service.requests_per_second:g} requests/s"
    for step in seen.steps:
        if step is not shadow:
            yield _describe_step(step, rate)
    double = seen.bad.get("2x")
    if double is not None:
        yield f"A canary that fails twice as often {_describe_found(double)} on average."
    if shadow is not None:
        found = _describe_found(seen.live_only)
        yield f"One that is as good as stable on copies, and fails twice as often live, {found}."
    yield _describe_good(seen)
    yield from _describe_rest(seen)


def _describe_rest(seen: Forecast) -> Iterator[str]:
    """Yield sentences on what is before, between and after the steps."""
    legs, begins = seen.plan.legs, seen.good.entered
    if legs[0].copies and legs[0].at_least is not None and len(begins) > 1 and begins[1] is not None:
        yield (
            f"The shadow costs no client an answer: one that is as good on copies leaves it after "
            f"{format_duration(begins[1])} (mean), at the earliest after {format_duration(legs[0].at_least)}, "
            f"at the latest after {format_duration(legs[0].seconds)}."
        )
    cold = max(leg.cold_seconds for leg in legs)
    if cold:
        first = format_duration(cold)
        yield f"The first {first} after a rise are not weighed, unless both versions report that they are warm."
    percent_, seconds = seen.held_back
    if seen.late is None or not seconds:
        return
    kept = seen.service.requests_per_second * percent_ / 100 * seconds
    yield (
        f"After promotion {percent_} % of the requests get the old version for {format_duration(seconds)} more "
        f"({format_count(kept)} requests). One that fails {seen.late.ratio:g} times as often from then on "
        f"{_describe_found(seen.late)}."
    )


def _describe_found(one: WalkResult) -> str:
    median = one.found.quantile(0.5)
    when = "" if median is None else f", half of the time within {format_duration(median)}"
    chance, failed = format_percent(one.found.ever), format_count(one.bad_requests)
    return f"is found with a chance of {chance}{when}; it fails {failed} requests"


def _describe_step(step: StepForecast, rate: str) -> str:
    begin = f"At {rate} and {step.weight_percent} % {step.name}"
    if step.seconds_to_double is None:
        return f"{begin} can't see a doubling of errors in a day."
    begin = f"{begin} can see a doubling of errors in about {format_duration(step.seconds_to_double)}"
    return (
        f"{begin}." if step.day_ratio is None else f"{begin}; a {_name_change(step.day_ratio)} can't be seen in a day."
    )


def _name_change(least: float) -> str:
    """Name a change that is a little smaller than the least that can be seen.

    >>> _name_change(1.117), _name_change(1.36), _name_change(1.08)
    ('10 % change', '35 % change', '8 % change')
    """
    percents = 100 * (least - 1)
    pace = 1 if percents < 10 else 5  # noqa: PLR2004 - small ones are given in single percents
    return f"{pace * math.floor(percents / pace + 1e-6)} % change"


def _describe_good(seen: Forecast) -> str:
    promotion = seen.promotion
    chance, median = promotion.ever, promotion.quantile(0.5)
    if median is None:
        return (
            f"A canary as good as stable is promoted with a chance of {format_percent(chance)} only before the "
            "deadline holds it for a person: that takes more requests, longer steps, or a larger `negligible` or "
            "`tolerance`."
        )
    most = promotion.quantile(0.9)
    until = f", 9 of 10 times within {format_duration(most)}" if most is not None else ""
    held = f"; with a chance of {format_percent(1 - chance)} it is held" if chance < 0.985 else ""  # noqa: PLR2004 - alpha aside
    return f"A canary as good as stable is promoted after {format_duration(median)} (median){until}{held}."


def format_proposal(proposal: Proposal) -> str:
    """Return the proposal as YAML for a spec's `rollout:`."""
    lines = ["rollout:", "  steps:"]
    for place, (weight, seconds) in enumerate(proposal.steps):
        lines += [f"    - weight_percent: {weight}", f"      duration_seconds: {seconds:g}"]
        if place + 1 == len(proposal.steps) and proposal.last_at_least < seconds:
            lines.append(f"      at_least_seconds: {proposal.last_at_least:g}")
    return "\n".join(lines) + "\n"


def compare_proposal(proposal: Proposal, now: PricedSchedule, costs: Costs) -> Iterator[str]:
    """Yield how the proposal compares with the spec's own steps."""
    yield (
        f"Least cost with {100 * costs.bad_share:g} % bad canaries, and a failed answer as bad as "
        f"{format_duration(costs.seconds_per_bad_request)} of a good model's delay; without the shadow:"
    )
    for name, one in (("these steps", now), ("proposed", proposal.priced)):
        failed = sum(one.bad_requests.values()) / len(one.bad_requests)
        median = one.promotion.quantile(0.5)
        good = "is held at the deadline" if median is None else f"is promoted after {format_duration(median)} (median)"
        yield (
            f"{name}: a bad canary fails {format_count(failed)} requests until it is found, a good one {good}; "
            f"cost {format_count(one.cost)} s"
        )
    if proposal.wanted_seconds is not None:
        within = format_duration(proposal.wanted_seconds)
        yield f"What is wanted is found within {within} with a chance of {100 * SEEN:.0f} %."
    promotes = now.promotion.ever > 0.5  # noqa: PLR2004 - steps that hold most good canaries are not worth keeping
    if promotes and now.cost < proposal.priced.cost and proposal.wanted_seconds is None:
        yield "The spec's own steps cost less: keep them."


def describe_impossible(wanted: Requirements) -> str:
    """State that no schedule meets the requirements."""
    asked = f"a canary that fails {wanted.ratio:g} times as often within {format_duration(wanted.within_seconds)}"
    return (
        f"No schedule of one to three steps of 1 to 50 % finds {asked} with a chance of {100 * SEEN:.0f} %: "
        "ask for a larger ratio or a longer time."
    )
