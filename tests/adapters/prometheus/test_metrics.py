"""What is concluded from Prometheus, when scrapes, gateways, pods and Prometheus itself come and go."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.readings import Cursor, Reading, delta_since
from slipway.errors import MetricsUnavailable
from tests.adapters.prometheus.conftest import Made, Show
from tests.adapters.prometheus.exported import BOTH, HTTP, own, traefik
from tests.adapters.prometheus.own import Exporter, OwnPrometheus, until


def pod(namespace: str, revision: str, good: int, failed: int, *, at: float | None = None) -> str:
    """Return a pod's page; `at`: the samples' time, where they carry one."""
    stamp = "" if at is None else f" {at * 1000:.0f}"
    labels = f'namespace="{namespace}",revision="{revision}"'
    counts = {'code="200"': good, 'code="500"': failed}
    lines = [f"slipway_requests_total{{{labels},{code}}} {number}{stamp}" for code, number in counts.items()]
    buckets = {"0.001": good // 2, "0.25": good, "60": good, "+Inf": good + failed}
    lines += [
        f'slipway_request_duration_seconds_bucket{{{labels},le="{le}"}} {number}{stamp}'
        for le, number in buckets.items()
    ]
    return "\n".join(lines) + "\n"


def test_one_query_tells_of_both_revisions_at_one_moment(show: Show, made: Made, namespace: str) -> None:
    """Requests by what became of them; one request per look and source."""
    show(traefik(namespace, {200: 95, 502: 5}, v1={200: 80, 404: 9, 502: 1}, v2={200: 6, 499: 2, 502: 4, 429: 3}))
    metrics = made()

    seen = metrics.read_counters("digits", BOTH)

    assert seen == {
        "digits-v1": Counters(requests=90, errors=1, refused=9),
        "digits-v2": Counters(requests=15, errors=4, shed=3),
    }
    assert metrics.asked == 1


def test_a_gateway_that_was_scraped_before_its_pods_takes_no_look(show: Show, made: Made, namespace: str) -> None:
    """Every answer of the canary is bad, and rescued: the pods know of more than the gateway has requests."""
    metrics, cursor, told = made(), Cursor(), []
    for gateway, pods in ((100, 100), (100, 108), (120, 120), (140, 131)):
        rescued = own(namespace, rescued={(HTTP, 500): pods})
        show(traefik(namespace, {200: gateway}, v2={200: gateway}), rescued)

        now = {name: Reading(requests=one) for name, one in metrics.read_counters("digits", ["digits-v2"]).items()}
        since, cursor = delta_since(cursor, now)
        told.append(since and since["digits-v2"].requests)

    expected = (Counters(requests=8, errors=8), Counters(requests=12, errors=12), Counters(requests=20, errors=11))
    assert told == [None, *expected]


def test_a_known_revision_without_series_has_zeros_and_an_unknown_one_is_left_out(
    show: Show, made: Made, namespace: str
) -> None:
    """Traefik shows a service from its first request on."""
    show(traefik(namespace, {200: 5}, v1={200: 5}))

    seen = made().read_counters("digits", ["digits-v1", "digits-v2", "digits-v3"])

    assert seen == {"digits-v1": Counters(requests=5, errors=0), "digits-v2": ZERO}


def test_a_gateway_that_nobody_scrapes_is_no_calm_one(made: Made) -> None:
    """No series at all: MetricsUnavailable, not zeros; nobody scrapes a gateway of Istio here."""
    with pytest.raises(MetricsUnavailable, match="no sample of Istio's gateway from the last three minutes"):
        made("istio").read_counters("digits", BOTH)


def test_evidence_that_lags_is_none(show: Show, made: Made, namespace: str) -> None:
    """The newest sample of one revision is 45 s old, of the other new: the look has no evidence, and says so."""
    show(pod(namespace, "digits-v1", 90, 0), pod(namespace, "digits-v2", 10, 0, at=time.time() - 45))
    metrics = made("pods")

    with pytest.raises(MetricsUnavailable, match=r"newest sample of digits-v2's pods is 4\d s old") as caught:
        metrics.read_counters("digits", BOTH)
    with pytest.raises(MetricsUnavailable, match="latencies of digits"):
        metrics.read_latencies("digits", BOTH)

    assert caught.value.do.startswith("see in Prometheus")


def test_arms_that_are_scraped_at_different_times_move_together(show: Show, made: Made, namespace: str) -> None:
    """One arm alone is newer: both stay as they were, latencies too; once both are, both move."""
    metrics, began = made("pods"), time.time() - 8
    read = []
    for number, (first, second) in enumerate([(0, 0), (2, 0), (4, 3), (5, 6)], start=1):
        pages = {"digits-v1": first, "digits-v2": second}
        show(*(pod(namespace, name, 10 * number, number, at=began + at) for name, at in pages.items()))
        read.append((metrics.read_counters("digits", BOTH), metrics.read_latencies("digits", BOTH)))

    counted = [[one[name].requests for name in BOTH] for one, _ in read]
    timed = [[one[name].requests for name in BOTH] for _, one in read]
    assert counted == [[11, 11], [11, 11], [33, 33], [44, 44]]
    assert timed == counted


def test_a_gateway_and_pods_that_are_scraped_at_different_times_move_together(
    show: Show, made: Made, namespace: str
) -> None:
    """What went wrong behind the gateway's 200 is never read without its requests, nor they without it."""
    metrics, began = made("traefik"), time.time() - 8
    read = []
    for number, at in enumerate([0, 0, 3], start=1):
        rescued = own(namespace, rescued={(HTTP, 500): 10 * number}, requests={(HTTP, 200): 0}).replace(
            "\n", f" {1000 * (began + at):.0f}\n"
        )
        show(traefik(namespace, {200: 10 * number}, v2={200: 10 * number}), rescued)
        read.append(metrics.read_counters("digits", ["digits-v2"])["digits-v2"])

    assert read == [
        Counters(requests=10, errors=10),
        Counters(requests=10, errors=10),
        Counters(requests=30, errors=30),
    ]


def test_a_target_that_stops_is_evidence_for_seconds_only(
    show: Show, exporters: list[Exporter], prometheus: OwnPrometheus, made: Made, namespace: str
) -> None:
    """A failed scrape changes nothing; after 15 s its last numbers are no evidence any more, never zeros."""
    show(*(pod(namespace, name, 10, 1) for name in BOTH))
    metrics = made("pods")
    samples = f'min(count_over_time(slipway_requests_total{{namespace="{namespace}"}}[1m]))'
    until(lambda: prometheus.value(samples) > [10], "they are scraped for two seconds")
    before, began = metrics.read_counters("digits", BOTH), time.monotonic()
    show(exporters[0].page, "no page of metrics")

    after = metrics.read_counters("digits", BOTH)
    until(lambda: _unavailable(lambda: metrics.read_counters("digits", BOTH)), "the gap is told", seconds=120)

    assert after == before
    assert time.monotonic() - began > 10


def test_requests_of_a_pod_that_went_away_stay_counted(show: Show, made: Made, namespace: str) -> None:
    """Scaled down: its requests were served. Also for the process that takes over, and when another pod comes."""
    first, second, third = (pod(namespace, "digits-v1", good, failed) for good, failed in ((100, 2), (40, 0), (7, 0)))
    show(first, second)
    metrics = made("pods")
    before = metrics.read_counters("digits", ["digits-v1"]), metrics.read_latencies("digits", ["digits-v1"])

    show("", second)
    after = metrics.read_counters("digits", ["digits-v1"]), metrics.read_latencies("digits", ["digits-v1"])
    show("", second, third)

    assert before == after
    assert before[0] == {"digits-v1": Counters(requests=142, errors=2)}
    for one in (metrics, made("pods")):
        assert one.read_counters("digits", ["digits-v1"]) == {"digits-v1": Counters(requests=149, errors=2)}
        assert one.read_latencies("digits", ["digits-v1"])["digits-v1"].requests == 149


def test_a_gateway_that_restarts_loses_one_interval(show: Show, made: Made, namespace: str) -> None:
    """Its counters begin anew: what came in between is not known; the look after goes on from there."""
    metrics, cursor, told = made(), Cursor(), []
    for good, failed in ((100, 8), (120, 9), (3, 1), (13, 2)):
        show(traefik(namespace, {200: good, 500: failed}, v1={200: good, 500: failed}))

        now = {name: Reading(requests=one) for name, one in metrics.read_counters("digits", ["digits-v1"]).items()}
        since, cursor = delta_since(cursor, now)
        told.append(since and since["digits-v1"].requests)

    assert told == [None, Counters(requests=21, errors=1), None, Counters(requests=11, errors=1)]


@pytest.mark.parametrize(
    ("empty", "expected"),
    [
        (("digits-v2",), {"digits-v1": (0, 0), "digits-v2": (6, 6)}),
        (("digits-v1",), {"digits-v1": (6, 6), "digits-v2": (0, 0)}),
        ((), {"digits-v1": (4, 4), "digits-v2": (2, 2)}),
        (("digits-v1", "digits-v2"), {"digits-v1": (4, 4), "digits-v2": (2, 2)}),
    ],
)
def test_failures_of_the_route_are_those_of_the_revision_without_a_pod(
    show: Show,
    made: Made,
    namespace: str,
    empty: tuple[str, ...],
    expected: dict[str, tuple[int, int]],
) -> None:
    """503 without a revision: who has no ready pod is charged; where that is not one, both are, as they were asked."""
    show(traefik(namespace, {200: 30, 503: 3}, v1={200: 20}, v2={200: 10}))
    metrics = made(empty=empty)
    before = metrics.read_counters("digits", BOTH)
    show(traefik(namespace, {200: 60, 503: 9}, v1={200: 40}, v2={200: 20}))

    after = metrics.read_counters("digits", BOTH)

    since = {name: (after[name].requests - before[name].requests, after[name].errors) for name in BOTH}
    assert {name: errors for name, (_requests, errors) in since.items()} == {n: e for n, (_r, e) in expected.items()}
    assert since["digits-v1"][0] == 20 + expected["digits-v1"][0]
    assert since["digits-v2"][0] == 10 + expected["digits-v2"][0]
    assert metrics.read_counters("digits", BOTH) == after


def test_failures_are_told_apart_after_a_service_vanished_from_the_gateway(
    show: Show, made: Made, namespace: str
) -> None:
    """Traefik forgets a backend that leaves the route, not the route's failures: those are not found a second time."""
    show(traefik(namespace, {200: 30, 502: 9}, v1={200: 20}, v2={200: 10, 502: 9}))
    metrics = made()
    before = metrics.read_counters("digits", BOTH)
    show(traefik(namespace, {200: 40, 502: 9}, v1={200: 30}))

    after = metrics.read_counters("digits", BOTH)

    assert after == {**before, "digits-v1": Counters(requests=30, errors=0)}


def test_a_gateway_that_counts_no_routes_is_refused(show: Show, made: Made, namespace: str) -> None:
    """Without them, requests that no pod could take would be nobody's: what would fix it is said."""
    show(traefik(namespace, {}, v1={200: 20}))

    with pytest.raises(MetricsUnavailable, match="addRoutersLabels"):
        made().read_counters("digits", BOTH)


def test_numbers_that_are_none_are_no_evidence(show: Show, made: Made, namespace: str) -> None:
    """NaN."""
    page = traefik(namespace, {200: 5}, v1={200: 5}).replace("} 5\n", "} NaN\n")
    show(page)

    with pytest.raises(MetricsUnavailable, match="answers of digits-v1: the number nan"):
        made().read_counters("digits", BOTH)


def test_a_prometheus_that_restarts_goes_on(tmp_path: Path) -> None:
    """Down: MetricsUnavailable. Up again with its data: the counters go on from where they were."""
    gateway = Exporter(traefik("here", {200: 5}, v1={200: 5}))
    own = OwnPrometheus(tmp_path, [gateway])
    metrics = PrometheusMetrics(
        own.address, "here", "traefik", known=lambda _: set(), pages=lambda *_: [], queries=lambda _: None
    )
    own.start()
    try:
        own.scraped(gateway)
        before = metrics.read_counters("digits", ["digits-v1"])
        own.stop()
        down = _unavailable(lambda: metrics.read_counters("digits", ["digits-v1"]))
        own.start()
        after = metrics.read_counters("digits", ["digits-v1"])
    finally:
        own.stop()
        gateway.stop()

    assert (before["digits-v1"].requests, down, after["digits-v1"].requests) == (5, True, 5)


def _unavailable(read: Callable[[], object]) -> bool:
    try:
        read()
    except MetricsUnavailable:
        return True
    return False
