"""The real cluster: its Traefik, its Prometheus, and pods that come and go."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Summary
from tests.adapters.prometheus.place import Place
from tests.cluster import Cluster
from tests.contract.metrics import MetricSourceContract


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """Serve some models; all of them start at the same time."""
    with cluster.namespace("slipway-evidence") as namespace:
        place = Place(cluster=cluster, namespace=namespace)
        models = ["quiet", "counted", "growing"]
        place.make(
            place.shared(),
            *(place.serving(f"{name}-v1") for name in (*models, "crowd")),
            place.serving("crowd-v2", replicas=0),
            place.serving("crowd-v3", port=3999),
            place.serving("going-v1", replicas=2),
        )
        place.ready(*(f"{name}-v1" for name in (*models, "crowd", "going")), "crowd-v3")
        place.make(
            *(place.routed(name, v1=100) for name in (*models, "going")), place.routed("crowd", v1=1, v2=1, v3=1)
        )
        place.told(*models, "going", "crowd")
        yield place


class TestPrometheusMetrics(MetricSourceContract):
    """Traefik's counters, pods' times and summaries."""

    @pytest.fixture
    def metrics(self, place: Place) -> PrometheusMetrics:
        """Read the cluster's Prometheus."""
        return place.metrics("traefik")

    @pytest.fixture
    def traffic_of(self, place: Place) -> Callable[[str, int, int], str]:
        """Ask through the gateway, and wait until it was scraped."""

        def traffic_of(model: str, good: int, failing: int) -> str:
            place.ask(model, *["row"] * good, *["fail"] * failing)
            place.scraped(model)
            return f"{model}-v1"

        return traffic_of

    @pytest.fixture
    def saying(self, place: Place) -> Callable[[str, Summary], str]:
        """Let the model's pod say so."""

        def saying(model: str, said: Summary) -> str:
            place.say(f"{model}-v1", asdict(said))
            return f"{model}-v1"

        return saying


def test_requests_that_get_no_pod_are_errors_of_their_revision(place: Place) -> None:
    """One revision serves, one has no pod (503 by Traefik), one refuses connections (502): each has its own."""
    metrics, names = place.metrics("traefik"), ["crowd-v1", "crowd-v2", "crowd-v3"]
    place.ask("crowd", *["row"] * 3)
    place.scraped("crowd")
    before = metrics.read_counters("crowd", names)

    answered = Counter(place.ask("crowd", *["row"] * 30))
    place.scraped("crowd")
    after = metrics.read_counters("crowd", names)

    since = {name: Counters(requests=after[name].requests - one.requests, errors=after[name].errors - one.errors)
             for name, one in before.items()}  # fmt: skip
    assert answered == {200: 10, 502: 10, 503: 10}
    assert since == {
        "crowd-v1": Counters(requests=10, errors=0),
        "crowd-v2": Counters(requests=10, errors=10),
        "crowd-v3": Counters(requests=10, errors=10),
    }


def test_a_pod_that_goes_away_takes_no_requests_with_it(place: Place) -> None:
    """Two pods answered; one is scaled away: its requests stay in the sums, and new ones are added."""
    place.ask("going", *["row"] * 16, *["fail"] * 4)
    place.scraped("going")
    metrics = place.metrics("pods")
    before = metrics.read_counters("going", ["going-v1"]), metrics.read_latencies("going", ["going-v1"])

    place.scale("going-v1", 1)
    after = metrics.read_counters("going", ["going-v1"]), metrics.read_latencies("going", ["going-v1"])
    place.ask("going", *["row"] * 10)
    place.scraped("going")

    assert before == after
    assert before[0] == {"going-v1": Counters(requests=20, errors=4)}
    for one in (metrics, place.metrics("pods")):  # this process, and another one
        assert one.read_counters("going", ["going-v1"]) == {"going-v1": Counters(requests=30, errors=4)}
        assert one.read_latencies("going", ["going-v1"])["going-v1"].requests == 30
