"""Time and traffic to a decision, predicted before the rollout.

`course` defines plans; `boundaries` computes how many failed answers decide, and when; `walk` follows their
distribution through the plan; `forecast` computes the figures of a report; `schedule` proposes steps, with `clocks` to
compare thousands; `replicas` computes the capacity they need; `wording` puts it into sentences. Nothing is simulated:
probabilities are computed.
"""

from slipway.domain.forecast.course import Service
from slipway.domain.forecast.forecast import SEEN, SHOWN, Forecast, StepForecast, forecast_rollout
from slipway.domain.forecast.replicas import StepReplicas, forecast_replicas
from slipway.domain.forecast.schedule import Costs, PricedSchedule, Proposal, Requirements, price_spec, propose_schedule
from slipway.domain.forecast.walk import Chances, WalkResult

__all__ = [
    "SEEN",
    "SHOWN",
    "Chances",
    "Costs",
    "Forecast",
    "PricedSchedule",
    "Proposal",
    "Requirements",
    "Service",
    "StepForecast",
    "StepReplicas",
    "WalkResult",
    "forecast_replicas",
    "forecast_rollout",
    "price_spec",
    "propose_schedule",
]
