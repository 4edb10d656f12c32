"""Which metrics a plan predicts."""

import pytest

from slipway.domain.forecast import Service
from slipway.domain.forecast.course import metrics_of
from slipway.domain.judge.checks import Check
from tests.domain.forecast.plans import spec_of


def test_slow_answers_are_a_metric_unless_left_out() -> None:
    """With their share of alpha, and the quantile's share of requests."""
    metrics = metrics_of(spec_of(), Service(requests_per_second=50, error_rate=0.005))

    assert metrics[Check.LATENCY].base == pytest.approx(0.05)
    assert (metrics[Check.ERRORS].alpha, metrics[Check.LATENCY].alpha) == pytest.approx((0.006, 0.002))
