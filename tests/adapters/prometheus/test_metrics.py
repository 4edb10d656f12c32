"""What is concluded from Prometheus, when scrapes, gateways, pods and Prometheus itself come and go."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.adapters.prometheus.presets import PRESETS, Preset
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.readings import Cursor, Reading, delta_since
from slipway.domain.spec.serving import EvidenceSpec
from slipway.errors import MetricsUnavailable, SettingsError, SpecError
from tests.adapters.prometheus.conftest import Made, Show
from tests.adapters.prometheus.own import Exporter, OwnPrometheus, until

BOTH = ["digits-v1", "digits-v2"]


def traefik(namespace: str, route: dict[int, int], **served: dict[int, int]) -> str:
    """Return Traefik's page: requests by status, of the route and of revisions (`v1=`, `v2=`)."""
    lines = ["traefik_config_reloads_total 1"]
    router = f"httproute-{namespace}-digits-gw-{namespace}-main-ep-web-0-123@kubernetesgateway"
    lines += [
        f'traefik_router_requests_total{{code="{code}",router="{router}",service="wrr"}} {number}'
        for code, number in route.items()
    ]
    lines += [
        f'traefik_service_requests_total{{code="{code}",service="{namespace}-digits-{name}-http-3000@kubernetesgateway"}}'
        f" {number}"
        for name, counts in served.items()
        for code, number in counts.items()
    ]
    return "\n".join(lines) + "\n"


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


def own(namespace: str, **counts: dict[tuple[str, int], int]) -> str:
    """Return what pods of digits-v2 count by protocol and status: `requests=`, `rescued=`."""
    labels = f'namespace="{namespace}",revision="digits-v2"'
    return "".join(
        f'slipway_{name}_total{{{labels},protocol="{protocol}",code="{code}"}} {number}\n'
        for name, each in counts.items()
        for (protocol, code), number in each.items()
    )


GRPC, HTTP = "oip-grpc", "oip"
OWN = {
    "requests": {(GRPC, 200): 40, (GRPC, 400): 5, (GRPC, 429): 2, (GRPC, 500): 3, (HTTP, 200): 20, (HTTP, 400): 6}
    | {(HTTP, 500): 4, (HTTP, 503): 1},
    "rescued": {(GRPC, 400): 1, (HTTP, 400): 2, (HTTP, 500): 4},
}
"""What digits-v2 made of 81 requests; another revision answered seven of them."""


def traefik_grpc(namespace: str, counts: dict[int, int]) -> str:
    """Return more of Traefik's page: gRPC requests of digits-v2 by gRPC status, as Traefik 3.6 counts them."""
    service = f"{namespace}-digits-v2-3001-grpc@kubernetesgateway"
    return "".join(
        f'traefik_service_requests_total{{code="{code}",protocol="grpc",service="{service}"}} {number}\n'
        for code, number in counts.items()
    )


def nginx(namespace: str, counts: dict[int, int]) -> str:
    """Return ingress-nginx' page: a canary's requests by status."""
    labels = f'namespace="{namespace}",canary="{namespace}-digits-v2-http"'
    lines = [f'nginx_ingress_controller_requests{{{labels},status="{code}"}} {n}' for code, n in counts.items()]
    return "\n".join(["nginx_ingress_controller_config_last_reload_successful 1", *lines]) + "\n"


def istio(namespace: str, counts: dict[tuple[int, str], int]) -> str:
    """Return an Istio gateway's page: requests by HTTP status and gRPC status (empty: no gRPC)."""
    labels = f'reporter="source",destination_service_namespace="{namespace}",destination_service_name="digits-v2"'
    return "".join(
        f'istio_requests_total{{{labels},response_code="{code}",grpc_response_status="{status}"}} {number}\n'
        for (code, status), number in counts.items()
    )


def test_what_hides_behind_the_gateways_200_is_told_by_the_pods(show: Show, made: Made, namespace: str) -> None:
    """The status in gRPC's trailers, and requests that another revision answered: each once."""
    over_http, over_grpc = {200: 20 + 2 + 4, 400: 4, 503: 1}, {0: 41, 3: 4, 8: 2, 13: 3}
    all_as_http = {**over_http, 200: 50 + 26}
    showing = {
        "traefik": traefik(namespace, over_http, v2=over_http) + traefik_grpc(namespace, over_grpc),
        "nginx": nginx(namespace, all_as_http),
        "istio": istio(
            namespace,
            {(200, str(status)): number for status, number in over_grpc.items()}
            | {(status, ""): number for status, number in over_http.items()},
        ),
    }
    seen = {}
    for preset, page in showing.items():
        show(page, own(namespace, **OWN))
        seen[preset] = made(preset).read_counters("digits", ["digits-v2"])["digits-v2"]

    told = Counters(requests=81, errors=3 + 4 + 1, refused=5 + 6, shed=2)
    assert seen == dict.fromkeys(showing, told)


def test_pods_know_why_they_answer_503(show: Show, made: Made, namespace: str) -> None:
    """They are about to end and say when to come again; statuses that are not the version's count for nothing."""
    more = {(HTTP, 503): 2, (HTTP, 408): 1, (HTTP, 499): 3, (HTTP, 200): 10, (GRPC, 400): 1, (HTTP, 504): 1}
    show(own(namespace, requests=more))

    seen = made("pods").read_counters("digits", ["digits-v2"])

    assert seen == {"digits-v2": Counters(requests=18, errors=1, refused=1, shed=2)}


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


def test_queries_of_the_spec_are_asked_instead(show: Show, made: Made, namespace: str) -> None:
    """By revision, also where PromQL has a `$1` of its own; a revision without any has zeros."""
    lines = [
        f'mine{{ns="{namespace}",to="digits-v1 pod",code="{code}"}} {number}' for code, number in ((200, 8), (503, 2))
    ]
    lines += [
        f'slow_bucket{{ns="{namespace}",to="digits-v1 pod",le="{le}"}} {n}' for le, n in (("0.1", 4), ("+Inf", 10))
    ]
    show("\n".join(lines) + "\n")
    requests = 'sum by (who) (label_replace(mine{ns="$namespace",to="$revision pod"}, "who", "$1", "to", "(.+) pod"))'
    errors = 'sum(mine{ns="$namespace",to="$revision pod",code="503"})'
    buckets = 'sum by (le) (slow_bucket{ns="$namespace",to="$service pod"})'
    metrics = made(spec=EvidenceSpec(requests=requests, errors=errors, latency_buckets=buckets))

    timed = metrics.read_latencies("digits", BOTH)

    assert metrics.read_counters("digits", BOTH) == {"digits-v1": Counters(requests=10, errors=2), "digits-v2": ZERO}
    assert (timed["digits-v1"].slower, timed["digits-v2"].slower) == ((6,), (0,))
    assert metrics.asked == 2


@pytest.mark.parametrize(
    ("key", "query", "seen"),
    [
        ("requests", 'sum(mine{to="$revision"}', "parse error"),
        ("errors", "mine_by_revision{to=~'$revision.*'}", "2 series"),
        ("errors", "42 + $revisions", "Prometheus refuses it"),
    ],
)
def test_a_query_that_is_wrong_is_an_error_of_the_spec(
    show: Show, made: Made, *, key: str, query: str, seen: str
) -> None:
    """It names the key, and Prometheus' own words: waiting would not help."""
    show('mine{to="digits-v1"} 5\nmine_by_revision{to="digits-v1",c="5"} 1\nmine_by_revision{to="digits-v1",c="6"} 1\n')
    right = {"requests": 'sum(mine{to="$revision"})', "errors": 'sum(mine{to="$service"})'}
    metrics = made(spec=EvidenceSpec(**{**right, key: query}))

    with pytest.raises(SpecError, match=f"serving.evidence.{key} of digits-v1") as caught:
        metrics.read_counters("digits", ["digits-v1"])

    assert seen in caught.value.seen


@pytest.mark.parametrize("given", [(), ("refused",), ("shed",), ("refused", "shed")])
def test_what_a_spec_leaves_out_the_pods_tell(show: Show, made: Made, namespace: str, given: tuple[str, ...]) -> None:
    """Refused and shed: the spec's number where it has one and what was rescued beside it, else the pods' own."""
    codes = {"requests": 81, "errors": 1, "refused": 4, "shed": 3}
    show("".join(f'of_{key}{{to="digits-v2"}} {number}\n' for key, number in codes.items()), own(namespace, **OWN))
    asked = {key: f'sum(of_{key}{{to="$revision"}})' for key in ("requests", "errors", *given)}
    metrics = made(spec=EvidenceSpec(**asked))

    seen = metrics.read_counters("digits", ["digits-v2"])["digits-v2"]

    assert (seen.requests, seen.errors) == (81, 1 + 4)
    assert seen.refused == (4 + 3 if "refused" in given else 5 + 6)
    assert seen.shed == (3 if "shed" in given else 2)


def test_errors_are_among_the_requests(show: Show, made: Made, namespace: str) -> None:
    """Otherwise the queries speak of different things, and there is no evidence."""
    show(f'mine{{ns="{namespace}",to="digits-v1"}} 5\n')
    one = f'sum(mine{{ns="{namespace}",to="$revision"}})'
    metrics = made(spec=EvidenceSpec(requests=one, errors=f"{one} * 2"))

    with pytest.raises(MetricsUnavailable, match="10 errors of 5 requests of digits-v1"):
        metrics.read_counters("digits", ["digits-v1"])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_prometheus_takes_every_preset(preset: str, made: Made) -> None:
    """Evaluated by a real one: a refused query would say so."""
    metrics = made(preset, known={"digits-v9"})

    assert metrics.read_counters("digits", ["digits-v1"]) == {}
    assert metrics.read_latencies("digits", ["digits-v1"]) == {}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_the_documentation_shows_every_query(preset: Preset) -> None:
    """As it is asked: a person can run it."""
    page = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text()

    asked = (preset.alive, preset.answers, preset.hidden, preset.buckets, *preset.by_route.values())
    assert [query for query in asked if query not in page] == []


def test_an_unknown_preset_is_refused(made: Made) -> None:
    """With the names there are."""
    with pytest.raises(SettingsError, match="traefik, envoy-gateway, istio, nginx, pods"):
        made("haproxy")


def _unavailable(read: Callable[[], object]) -> bool:
    try:
        read()
    except MetricsUnavailable:
        return True
    return False
