"""What Envoy counts when revisions misbehave."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.ports import free_port
from slipway.adapters.local.waiting import until
from slipway.domain.counters import Counters
from slipway.domain.revision import Health, Traffic
from slipway.errors import MetricsUnavailable
from tests.adapters.local.place import Place


@pytest.fixture
def metrics(place: Place) -> EnvoyMetrics:
    """Read the shared place's Envoy."""
    return EnvoyMetrics(place.home, place.admin_port, place.host)


def test_refused_connections_are_errors_of_their_revision(place: Place, metrics: EnvoyMetrics) -> None:
    """Nobody listens: 503, counted once although Envoy tried again; the answer names the revision it was meant for."""
    revision = place.running("refused", 1)
    place.target.route("refused", Traffic(stable=revision.name))
    place.target.supervisor.remove(revision.name)

    answers = [httpx.post(f"{place.url}/refused/x", content=b"row") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].headers["x-slipway-route"] == revision.name
    assert "x-slipway-revision" not in answers[0].headers
    assert metrics.counters("refused", [revision.name])[revision.name] == Counters(requests=3, errors=3)


def test_broken_connections_are_errors_and_not_tried_again(place: Place, metrics: EnvoyMetrics) -> None:
    """The service took the request and hung up: one request, one error, asked once."""
    revision = place.running("broken", 1)
    place.target.route("broken", Traffic(stable=revision.name))

    answer = httpx.post(f"{place.url}/broken/x", content=b"break")

    seen = httpx.get(f"http://{place.host}:{place.records.of('broken')[revision.name].port}/slipway/seen").json()
    assert answer.status_code == 503
    assert seen == {"all": 1}
    assert metrics.counters("broken", [revision.name])[revision.name] == Counters(requests=1, errors=1)


def test_answers_that_come_too_late_are_errors(new_place: Callable[[str], Place]) -> None:
    """504, counted with the revision that was too slow."""
    place = new_place("impatient")
    place.target.envoy.request_timeout_seconds = 0.3
    revision = place.running("late", 1)
    place.target.route("late", Traffic(stable=revision.name))
    metrics = EnvoyMetrics(place.home, place.admin_port, place.host)

    answer = httpx.post(f"{place.url}/late/x", content=b"slow")

    assert answer.status_code == 504
    assert until(lambda: metrics.counters("late", [revision.name])[revision.name].requests == 1, 5)
    assert metrics.counters("late", [revision.name])[revision.name].errors == 1


def test_client_errors_are_no_errors(place: Place, metrics: EnvoyMetrics) -> None:
    """A 404 of the service is an answer."""
    revision = place.running("mistaken", 1)
    place.target.route("mistaken", Traffic(stable=revision.name))

    answer = httpx.get(f"{place.url}/mistaken/unknown")

    assert answer.status_code == 404
    assert metrics.counters("mistaken", [revision.name])[revision.name] == Counters(requests=1, errors=0)


def test_no_envoy_is_no_evidence(tmp_path: Path) -> None:
    """MetricsUnavailable, never zeros."""
    metrics = EnvoyMetrics(tmp_path, free_port("127.0.0.1"), "127.0.0.1")

    with pytest.raises(MetricsUnavailable, match="counters of digits"):
        metrics.counters("digits", ["digits-v1"])


def test_answers_of_nobody_are_unavailable(place: Place, metrics: EnvoyMetrics) -> None:
    """A revision that is not there, or does not answer, has no answers to compare: not an empty list."""
    revision = place.revision("mute", 1, never_ready=True)
    place.target.start(revision)
    place.expect(revision, Health.STARTING)

    for name in (revision.name, "mute-v9"):
        with pytest.raises(MetricsUnavailable, match=name):
            metrics.answers("mute", name)
    place.target.remove("mute")
