"""What every MetricSource promises.

An adapter's test class inherits it and gives `metrics`, `traffic_of` and `saying`.
"""

import threading
import time
from collections.abc import Callable

from slipway.domain.judge.counters import ZERO, Counters, counters_since
from slipway.domain.judge.readings import Latencies, Summary, Sums
from slipway.ports.metrics import MetricSource

TrafficOf = Callable[[str, int, int], str]
"""Serves a model with one revision, sends it so many good and so many failing requests; returns the revision's name."""
Saying = Callable[[str, Summary], str]
"""Serves a model with one revision that says so of itself; returns the revision's name."""

Answering = Callable[[str, list[int]], str]
"""Serves a model with one revision, and has it answer with these HTTP statuses; returns the revision's name."""

LATE_SECONDS = 60.0
"""Counters may show a request later than its client has its answer, histograms later still."""


def counted(metrics: MetricSource, model: str, name: str, requests: int) -> Counters:
    """Wait until so many requests are counted, and return the counters."""
    ends = time.monotonic() + LATE_SECONDS
    while (seen := metrics.read_counters(model, [name])[name]).requests < requests and time.monotonic() < ends:
        threading.Event().wait(0.02)
    return seen


def timed(metrics: MetricSource, model: str, name: str, requests: int) -> Latencies:
    """Wait until the histogram has so many requests, and return it."""
    ends = time.monotonic() + LATE_SECONDS
    while (seen := metrics.read_latencies(model, [name])[name]).requests < requests and time.monotonic() < ends:
        threading.Event().wait(0.05)
    return seen


class MetricSourceContract:
    """What was counted, per revision."""

    def test_a_revision_without_requests_has_zeros(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """Known to the router, nothing counted yet."""
        name = traffic_of("quiet", 0, 0)

        assert metrics.read_counters("quiet", [name]) == {name: ZERO}

    def test_requests_and_errors_are_counted_once(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """Every answered request; server errors apart."""
        name = traffic_of("counted", 12, 3)

        assert counted(metrics, "counted", name, 15) == Counters(requests=15, errors=3)

    def test_counters_are_cumulative(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """The difference of two looks is what came between them."""
        known = metrics.read_counters("growing", ["growing-v1"]).get("growing-v1", ZERO).requests
        name = traffic_of("growing", 2, 1)
        before = counted(metrics, "growing", name, known + 3)
        traffic_of("growing", 5, 0)

        after = counted(metrics, "growing", name, known + 8)

        assert counters_since(before, after) == Counters(requests=5, errors=0)

    def test_a_revision_the_router_does_not_know_is_left_out(self, metrics: MetricSource) -> None:
        """Left out, not zero."""
        assert metrics.read_counters("ghost", ["ghost-v1"]) == {}

    def test_a_revision_without_requests_has_an_empty_histogram(
        self, metrics: MetricSource, traffic_of: TrafficOf
    ) -> None:
        """Known to the router, nothing timed yet: zeros at every edge, and edges fine enough to choose by."""
        name = traffic_of("quiet", 0, 0)

        seen = metrics.read_latencies("quiet", [name])[name]

        assert (seen.requests, set(seen.slower)) == (0, {0})
        assert len(seen.edges_milliseconds) >= 25
        assert seen.edges_milliseconds[0] <= 1
        assert seen.edges_milliseconds[-1] >= 60_000

    def test_answers_are_timed_once_whatever_their_status(self, metrics: MetricSource, traffic_of: TrafficOf) -> None:
        """Every answered request, server errors too, cumulative like counters; the edges stay."""
        known = metrics.read_counters("growing", ["growing-v1"]).get("growing-v1", ZERO).requests
        name = traffic_of("growing", 5, 1)
        answered = counted(metrics, "growing", name, known + 6).requests
        before = timed(metrics, "growing", name, answered)
        traffic_of("growing", 4, 0)

        after = timed(metrics, "growing", name, answered + 4)

        assert (before.requests, after.requests) == (answered, answered + 4)
        assert before.edges_milliseconds == after.edges_milliseconds
        assert all(one <= other for one, other in zip(before.slower, after.slower, strict=True))
        assert after.slower[-1] == 0

    def test_a_revision_the_router_does_not_know_has_no_histogram(self, metrics: MetricSource) -> None:
        """Left out, not zero."""
        assert metrics.read_latencies("ghost", ["ghost-v1"]) == {}

    def test_what_a_revision_says_of_itself_is_returned(self, metrics: MetricSource, saying: Saying) -> None:
        """All of it, by revision; one that is not there is left out."""
        said = Summary(
            scores=Sums(count=3, total=1.5, squares=0.75), classes={"a": 2, "7": 1}, inputs={"age": (1, 2, 0)}
        )
        name = saying("quiet", said)

        assert metrics.read_summaries("quiet", [name, "quiet-v9"]) == {name: said}

    def test_a_revision_that_predicts_no_numbers_has_no_scores(self, metrics: MetricSource, saying: Saying) -> None:
        """None, not zeros; no message is empty."""
        name = saying("quiet", Summary())

        assert metrics.read_summaries("quiet", [name]) == {name: Summary()}


class AnswerKindsContract:
    """What became of requests, by the closed list of what an answer can be (`judge.answers`)."""

    def test_answers_are_counted_by_what_they_are(self, metrics: MetricSource, answering: Answering) -> None:
        """Right, refused, shed and failed ones; one without rights is a request, and nobody's fault."""
        statuses = [200, 200, 201, 400, 404, 415, 422, 302, 429, 429, 500, 502, 401, 403]

        name = answering("kinds", statuses)

        assert counted(metrics, "kinds", name, 14) == Counters(requests=14, errors=2, refused=5, shed=2)
