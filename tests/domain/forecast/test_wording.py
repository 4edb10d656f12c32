"""Forecasts and proposals in words."""

import yaml

from slipway.domain.forecast import Costs, Service, forecast_rollout, propose_schedule, wording
from slipway.domain.spec.release import RolloutSpec
from tests.domain.forecast.plans import spec_of


def test_sentences_say_it_as_people_would() -> None:
    """How soon a doubling, and what not in a day."""
    spec = spec_of(steps=[{"weight_percent": 10, "duration_seconds": 1800}])

    said = list(wording.describe_forecast(forecast_rollout(spec, Service(requests_per_second=12, error_rate=0.03))))

    assert said[0].startswith("At 12 requests/s and 10 % step 1 can see a doubling of errors in about ")
    assert said[0].endswith("a 10 % change can't be seen in a day.")
    assert said[1].startswith("A canary that fails twice as often is found with a chance of ")
    assert said[-1].startswith("A canary as good as stable is promoted ")


def test_a_proposal_can_be_pasted() -> None:
    """It is a rollout that the spec takes."""
    proposal = propose_schedule(spec_of(), Service(requests_per_second=50, error_rate=0.005), Costs())

    assert proposal is not None
    steps = RolloutSpec.model_validate(yaml.safe_load(wording.format_proposal(proposal))["rollout"]).steps
    assert [(step.weight_percent, step.duration_seconds) for step in steps] == list(proposal.steps)


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
