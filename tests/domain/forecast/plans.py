"""Plans and specs that the tests of forecasts share."""

import numpy as np

from slipway.domain.forecast.course import Leg, Plan, PredictedMetric
from slipway.domain.judge.statistics.rates import SMALLER, Floats
from slipway.domain.spec.judge import RateGuard
from slipway.domain.spec.release import ReleaseSpec

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


def even_chances() -> Floats:
    """Return equal chances, in logarithms, of the ratios below one that the judge mixes."""
    return np.full(len(SMALLER), -np.log(len(SMALLER)))
