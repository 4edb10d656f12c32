"""Time and traffic to a decision, predicted before the rollout.

`course` says what a plan is made of; `boundaries` says how many failed answers decide, and when; `walk` follows their
distribution through the plan; `forecast` asks what people want to know; `schedule` proposes steps, with `clocks` to
compare thousands; `replicas` says what capacity they need; `wording` puts it into sentences. Nothing is simulated:
chances are computed.
"""

from slipway.domain.forecast.course import Service
from slipway.domain.forecast.forecast import SEEN, SHOWN, Forecast, StepForecast, forecast
from slipway.domain.forecast.replicas import StepReplicas, replicas
from slipway.domain.forecast.schedule import Costs, Priced, Proposal, Wanted, price_spec, propose
from slipway.domain.forecast.walk import Chances, Outcome

__all__ = [
    "SEEN",
    "SHOWN",
    "Chances",
    "Costs",
    "Forecast",
    "Outcome",
    "Priced",
    "Proposal",
    "Service",
    "StepForecast",
    "StepReplicas",
    "Wanted",
    "forecast",
    "price_spec",
    "propose",
    "replicas",
]
