"""What every MetricSource promises. An adapter's test class inherits it and gives `metrics` and `traffic_of`."""

from collections.abc import Callable

from slipway.domain.counters import ZERO, Counters, since
from slipway.ports.metrics import MetricSource

TrafficOf = Callable[[str, int, int], str]
"""Serves a model with one revision, sends it so many good and so many failing requests; returns the revision's name."""


class MetricSourceContract:
    """What was counted, per revision."""

    def test_a_revision_without_requests_has_zeros(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """Known to the router, nothing counted yet."""
        name = traffic_of("quiet", 0, 0)

        assert metrics.counters("quiet", [name]) == {name: ZERO}

    def test_requests_and_errors_are_counted_once(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """Every answered request; server errors apart."""
        name = traffic_of("counted", 12, 3)

        assert metrics.counters("counted", [name]) == {name: Counters(requests=15, errors=3)}

    def test_counters_are_cumulative(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """The difference of two looks is what came between them."""
        name = traffic_of("growing", 2, 1)
        before = metrics.counters("growing", [name])[name]
        traffic_of("growing", 5, 0)

        after = metrics.counters("growing", [name])[name]

        assert since(before, after) == Counters(requests=5, errors=0)

    def test_a_revision_the_router_does_not_know_is_left_out(self, metrics: MetricSource) -> None:
        """Left out, not zero."""
        assert metrics.counters("ghost", ["ghost-v1"]) == {}
