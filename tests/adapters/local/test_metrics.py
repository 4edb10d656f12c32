"""What Envoy counts and times, also when revisions misbehave, and what revisions say themselves."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from slipway.adapters.local.counting import ASKED, TRIED
from slipway.adapters.local.metrics import EnvoyMetrics, make_latencies
from slipway.adapters.local.ports import find_free_port
from slipway.adapters.local.waiting import wait_until
from slipway.domain.judge.counters import Counters
from slipway.domain.rollout.revision import Health, Traffic
from slipway.errors import MetricsUnavailable
from slipway_interface.metrics import EDGES_MILLISECONDS
from tests.adapters.local.place import Place
from tests.contract.metrics import counted, timed


@pytest.fixture
def metrics(place: Place) -> EnvoyMetrics:
    """Read the shared place's Envoy."""
    return EnvoyMetrics(place.home, place.admin_port, place.host)


def test_refused_connections_are_errors_of_their_revision(place: Place, metrics: EnvoyMetrics) -> None:
    """Nobody listens: 503, counted once although Envoy tried again; the answer names the revision it was meant for."""
    revision = place.running("refused", 1)
    place.target.set_traffic("refused", Traffic(stable=revision.name))
    place.target.supervisor.remove(revision.name)

    answers = [httpx.post(f"{place.url}/refused/x", content=b"row") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].headers["x-slipway-route"] == revision.name
    assert "x-slipway-revision" not in answers[0].headers
    assert counted(metrics, "refused", revision.name, 3) == Counters(requests=3, errors=3)
    assert metrics.read_latencies("refused", [revision.name])[revision.name].requests == 0
    with pytest.raises(MetricsUnavailable, match="summary of refused-v1"):  # on record, and down: not left out
        metrics.read_summaries("refused", [revision.name])


def test_broken_connections_are_errors_and_not_tried_again(place: Place, metrics: EnvoyMetrics) -> None:
    """The service took the request and hung up: one request, one error, asked once."""
    revision = place.running("broken", 1)
    place.target.set_traffic("broken", Traffic(stable=revision.name))

    answer = httpx.post(f"{place.url}/broken/x", content=b"break")

    seen = httpx.get(
        f"http://{place.host}:{place.records.read_model('broken')[revision.name].port}/slipway/seen"
    ).json()
    assert answer.status_code == 503
    assert seen == {"all": 1}
    assert counted(metrics, "broken", revision.name, 1) == Counters(requests=1, errors=1)


def test_answers_that_come_too_late_are_errors(new_place: Callable[[str], Place]) -> None:
    """504, counted with the revision that was too slow; slower than every edge."""
    place = new_place("impatient")
    place.target.envoy.request_timeout_seconds = 0.3
    revision = place.running("late", 1)
    place.target.set_traffic("late", Traffic(stable=revision.name))
    metrics = EnvoyMetrics(place.home, place.admin_port, place.host)

    answer = httpx.post(f"{place.url}/late/x", content=b"slow")

    assert answer.status_code == 504
    assert wait_until(lambda: metrics.read_counters("late", [revision.name])[revision.name].requests == 1, 5)
    assert metrics.read_counters("late", [revision.name])[revision.name].errors == 1
    seen = metrics.read_latencies("late", [revision.name])[revision.name]
    assert (seen.requests, set(seen.slower)) == (1, {1})


def test_what_the_service_does_not_know_is_refused(place: Place, metrics: EnvoyMetrics) -> None:
    """A 404 of the service is an answer that gave its client nothing."""
    revision = place.running("mistaken", 1)
    place.target.set_traffic("mistaken", Traffic(stable=revision.name))

    answer = httpx.get(f"{place.url}/mistaken/unknown")

    assert answer.status_code == 404
    assert counted(metrics, "mistaken", revision.name, 1) == Counters(requests=1, errors=0, refused=1)


def test_answers_that_break_off_have_failed(place: Place, metrics: EnvoyMetrics) -> None:
    """The first line said 200; the rest never came."""
    revision = place.running("cut", 1)
    place.target.set_traffic("cut", Traffic(stable=revision.name))

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{place.url}/cut/x", content=b"cut")

    assert counted(metrics, "cut", revision.name, 1) == Counters(requests=1, errors=1)


def test_who_says_when_to_come_again_sheds(place: Place, metrics: EnvoyMetrics) -> None:
    """503 is a failure, but with retry-after it says: too much to do, or about to end."""
    revision = place.running("busy", 1)
    place.target.set_traffic("busy", Traffic(stable=revision.name))

    for body in (b"status 503", b"status 503 later", b"status 429"):
        httpx.post(f"{place.url}/busy/x", content=body)

    assert counted(metrics, "busy", revision.name, 3) == Counters(requests=3, errors=1, shed=2)


def test_clients_that_go_away_are_nobodys_fault(place: Place, metrics: EnvoyMetrics) -> None:
    """They are no requests and no errors."""
    revision = place.running("left", 1)
    place.target.set_traffic("left", Traffic(stable=revision.name))

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{place.url}/left/x", content=b"slow", timeout=0.2)
    assert wait_until(lambda: place.target.envoy.count_active_requests(revision.name) == 0, 5)
    httpx.post(f"{place.url}/left/x", content=b"row")

    assert counted(metrics, "left", revision.name, 1) == Counters(requests=1, errors=0)


def test_no_envoy_is_no_evidence(tmp_path: Path) -> None:
    """MetricsUnavailable, never zeros."""
    metrics = EnvoyMetrics(tmp_path, find_free_port("127.0.0.1"), "127.0.0.1")

    with pytest.raises(MetricsUnavailable, match="counters of digits"):
        metrics.read_counters("digits", ["digits-v1"])


def test_an_envoy_that_counts_otherwise_is_no_evidence(new_place: Callable[[str], Place]) -> None:
    """One that another Slipway started goes on after an upgrade: its answers are never taken for none."""
    place = new_place("upgraded")
    bootstrap = place.home / "envoy" / "bootstrap.json"
    place.target.supervisor.remove("envoy")
    bootstrap.write_text(bootstrap.read_text().replace(TRIED, "tried_before").replace(ASKED, "asked_before"))
    place.target.supervisor.add(place.target.envoy.build_program(place.target.supervisor.logs))
    assert wait_until(place.target.envoy.is_ready, 20)
    revision = place.running("counted", 1)
    place.target.set_traffic("counted", Traffic(stable=revision.name))
    metrics = EnvoyMetrics(place.home, place.admin_port, place.host)

    for _ in range(12):
        httpx.post(f"{place.url}/counted/x", content=b"row")

    with pytest.raises(MetricsUnavailable, match=r"answered 12 requests and counts none .* run `slipway down`"):
        metrics.read_counters("counted", [revision.name])


def test_answers_of_nobody_are_unavailable(place: Place, metrics: EnvoyMetrics) -> None:
    """A revision that is not there, or does not answer, has no answers to compare: not an empty list."""
    revision = place.revision("mute", 1, never_ready=True)
    place.target.start(revision)
    place.expect(revision, Health.STARTING)

    for name in (revision.name, "mute-v9"):
        with pytest.raises(MetricsUnavailable, match=name):
            metrics.read_shadow_answers("mute", name)
    place.target.remove("mute")


def test_times_agree_with_what_clients_saw(place: Place, metrics: EnvoyMetrics) -> None:
    """At every edge: at least what the service waited, at most what the client did."""
    revision = place.running("patient", 1)
    place.target.set_traffic("patient", Traffic(stable=revision.name))
    waits = [0.001, 0.0031, 0.012, 0.012, 0.03, 0.05, 0.11, 0.155, 0.6]
    with httpx.Client(base_url=place.url) as client:
        answers = [client.post("/patient/x", content=f"wait {wait}".encode()) for wait in waits]
    elapsed = [answer.elapsed.total_seconds() for answer in answers]

    seen = timed(metrics, "patient", revision.name, len(waits))

    assert seen.requests == len(waits)
    for edge, slower in zip(seen.edges_milliseconds, seen.slower, strict=True):
        assert sum(wait * 1000 >= edge for wait in waits) <= slower <= sum(took * 1000 >= edge for took in elapsed)


def test_shadow_copies_are_not_timed(place: Place, metrics: EnvoyMetrics) -> None:
    """The canary of a shadow answers copies; no client waits for them."""
    one, two = place.running("copying", 1), place.running("copying", 2)
    place.target.set_traffic("copying", Traffic(stable=one.name, shadow=two.name))
    for _ in range(5):
        httpx.post(f"{place.url}/copying/x", content=b"row")

    assert wait_until(lambda: len(metrics.read_shadow_answers("copying", two.name)) == 5, 5)
    stable = timed(metrics, "copying", one.name, 5)

    assert stable.requests == 5
    assert metrics.read_latencies("copying", [two.name])[two.name].requests == 0


@pytest.mark.parametrize(
    "page",
    ['{"classes": {}, "inputs": {}}', '{"scores": null, "classes": {"a": -1}, "inputs": {}}', '"no JSON object"',
     '{"scores": {"count": 1, "total": NaN, "squares": 1}, "classes": {}, "inputs": {}}',
     '{"scores": {"count": 1, "total": 1, "squares": -1}, "classes": {}, "inputs": {}}',
     '{"scores": null, "classes": {}, "inputs": {"age": ["1"]}}', None],
)  # fmt: skip
def test_a_summary_that_is_none_is_unavailable(place: Place, metrics: EnvoyMetrics, page: str | None) -> None:
    """Something missing, negative, or no number; or no such page: never an empty summary."""
    revision = place.running("mistaken", 1)
    path = revision.package.path / "summary.json"
    path.unlink(missing_ok=True) if page is None else path.write_text(page)

    with pytest.raises(MetricsUnavailable, match="summary of mistaken-v1"):
        metrics.read_summaries("mistaken", [revision.name])


def test_no_envoy_is_no_latency(tmp_path: Path) -> None:
    """MetricsUnavailable, never zeros."""
    metrics = EnvoyMetrics(tmp_path, find_free_port("127.0.0.1"), "127.0.0.1")

    with pytest.raises(MetricsUnavailable, match="latencies of digits"):
        metrics.read_latencies("digits", ["digits-v1"])


def test_counts_lie_at_the_edges_where_bins_begin() -> None:
    """A bin counts as slower than each edge below its middle; timeouts as slower than all."""
    seen = make_latencies([(0.0, 7), (5.05, 2), (155.0, 4), (60500.0, 1)], timeouts=3)

    slower = dict(zip(seen.edges_milliseconds, seen.slower, strict=True))
    assert seen.requests == 17
    assert [slower[edge] for edge in (1, 5, 6, 150, 200, 60000)] == [10, 10, 8, 8, 4, 4]


def test_edges_are_where_bins_of_envoy_begin() -> None:
    """Two digits that count, whole milliseconds: anything else would cut a bin in two."""
    assert all(edge == int(edge) and float(f"{edge:.1e}") == edge for edge in EDGES_MILLISECONDS)
