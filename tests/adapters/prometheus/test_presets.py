"""Presets and a spec's own queries: what they ask, and what the pods tell beside them."""

from pathlib import Path

import pytest

from slipway.adapters.prometheus.presets import PRESETS, Preset
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.spec.serving import EvidenceSpec
from slipway.errors import MetricsUnavailable, SettingsError, SpecError
from tests.adapters.prometheus.conftest import Made, Show
from tests.adapters.prometheus.exported import BOTH, GRPC, HTTP, istio, own, traefik

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
