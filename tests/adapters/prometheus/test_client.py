"""What is not Prometheus, or not well: told in words, without a password."""

import base64
import socket
from collections.abc import Callable, Iterator

import pytest

from slipway.adapters.prometheus.client import PrometheusClient, QueryRefused
from slipway.errors import MetricsUnavailable, SettingsError
from tests.adapters.prometheus.own import HOST, Reply, WebServer

JSON = "application/json"
EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
Serving = Callable[[Reply], WebServer]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Start web servers that are no Prometheus; they end with the test."""
    started: list[WebServer] = []

    def start(reply: Reply) -> WebServer:
        started.append(WebServer(reply))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        ((200, "text/html; charset=utf-8", b"<html>Sign in</html>"), "status 200 with text/html, which is no answer"),
        ((302, "text/html", b""), "status 302"),
        ((401, "text/plain", b"Unauthorized"), "status 401 with text/plain"),
        ((503, "text/plain", b"Service Unavailable"), "status 503"),
        ((503, JSON, b'{"status":"error","errorType":"timeout","error":"too slow"}'), "timeout: too slow"),
        ((200, JSON, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'), "no answer"),
        ((200, JSON, b'{"status":"success"}'), "expected an answer"),
        ((200, JSON, EMPTY[:-1] + b',"warnings":["store-2 is away"]}'), "warnings: store-2 is away"),
        ((200, JSON, EMPTY.replace(b"[]", b'[{"metric":{},"value":[1,"many"]}]')), "no answer of Prometheus"),
    ],
)
def test_what_is_no_answer_is_no_evidence(serving: Serving, reply: tuple[int, str, bytes], seen: str) -> None:
    """A log-in page, a proxy's error, a store that is away: MetricsUnavailable with what was seen."""
    client = PrometheusClient(f"http://{serving(lambda _: reply).address}")

    with pytest.raises(MetricsUnavailable, match=seen):
        client.query("up")


def test_a_query_that_prometheus_refuses_is_told_apart(serving: Serving) -> None:
    """Its own words."""
    refused = b'{"status":"error","errorType":"bad_data","error":"parse error: unexpected }"}'
    client = PrometheusClient(f"http://{serving(lambda _: (400, JSON, refused)).address}")

    with pytest.raises(QueryRefused, match="parse error: unexpected }"):
        client.query("}")


def test_a_password_in_the_address_is_sent_and_never_shown(serving: Serving) -> None:
    """As basic authentication, below the address's own path."""
    seen: list[tuple[str, str]] = []

    def reply(request: object) -> tuple[int, str, bytes]:
        seen.append((request.path, request.headers["authorization"]))
        return 200, JSON, EMPTY

    server = serving(reply)
    client = PrometheusClient(f"http://me:secret@{server.address}/prometheus/")
    client.query("up")
    server.stop()

    with pytest.raises(MetricsUnavailable, match="refused") as caught:
        client.query("up")

    token = base64.b64encode(b"me:secret").decode()
    assert seen == [("/prometheus/api/v1/query", f"Basic {token}")]
    assert "secret" not in str(caught.value)
    assert "secret" not in client.name


def test_a_prometheus_that_does_not_answer_is_not_waited_for() -> None:
    """It takes the connection and says nothing: the look has no evidence, and the rollout goes on."""
    with socket.create_server((HOST, 0)) as silent:
        client = PrometheusClient(f"http://{HOST}:{silent.getsockname()[1]}", timeout_seconds=0.3)

        with pytest.raises(MetricsUnavailable, match=r"no answer within 0\.3 s"):
            client.query("up")


@pytest.mark.parametrize("address", ["", "prometheus:9090", "ftp://prometheus", "http://", "http://[::1"])
def test_an_address_that_is_none_is_an_error_of_the_settings(address: str) -> None:
    """SettingsError with the setting's name and an example."""
    with pytest.raises(SettingsError, match="SLIPWAY_PROMETHEUS"):
        PrometheusClient(address)
