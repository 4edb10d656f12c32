"""While revisions come and go, weights move and shadows look on, a client gets every answer."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.waiting import wait_until
from slipway.domain.rollout.revision import Traffic
from tests.adapters.local.place import Place

PER_SECOND = 50
CLIENTS = 4


class Load:
    """Several keep-alive clients at a steady rate; every answer and every failure is kept."""

    def __init__(self, url: str) -> None:
        """Ask nothing yet."""
        self.url, self.sent, self.answers, self.failures = url, 0, Counter(), []
        self._lock, self._over = threading.Lock(), threading.Event()

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Ask while the block runs; when it ends, every request has been answered or has failed."""
        threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def more(self, count: int = 40) -> None:
        """Wait until so many more requests were answered."""
        goal = sum(self.answers.values()) + count
        assert wait_until(lambda: sum(self.answers.values()) + len(self.failures) >= goal, 30)

    def _ask(self) -> None:
        with httpx.Client(timeout=10) as client:
            due = time.monotonic()
            while not self._over.wait(max(0.0, due - time.monotonic())):
                due += CLIENTS / PER_SECOND
                self._one(client)

    def _one(self, client: httpx.Client) -> None:
        try:
            answer = client.post(self.url, content=b"row")
            said = answer.json()["revision"] if answer.status_code == 200 else f"{answer.status_code} {answer.text}"
            failed = answer.status_code != 200
        except (httpx.HTTPError, ValueError, KeyError) as error:
            said, failed = repr(error), True
        with self._lock:
            self.sent += 1
            if failed:
                self.failures.append(said)
            else:
                self.answers[said] += 1


def test_a_whole_rollout_loses_no_request(place: Place) -> None:
    """Start, shadow, weights up, promotion, the old one stopped; then another one over it, and a rollback."""
    target, slow = place.target, 0.03
    one = place.running("steady", 1, delay_seconds=slow)
    target.set_traffic("steady", Traffic(stable=one.name))
    metrics = EnvoyMetrics(place.home, place.admin_port, place.host)

    with Load(f"{place.url}/steady/v2/models/steady/infer").running() as load:
        two = place.running("steady", 2, delay_seconds=slow)
        target.set_traffic("steady", Traffic(stable=one.name, shadow=two.name))
        load.more()
        for percent in (5, 25, 50, 100):
            target.set_traffic("steady", Traffic(stable=one.name, canary=two.name, canary_percent=percent))
            load.more(20)
        target.set_traffic("steady", Traffic(stable=two.name))
        target.stop("steady", one.name)
        three = place.running("steady", 3, delay_seconds=slow)
        target.set_traffic("steady", Traffic(stable=two.name, canary=three.name, canary_percent=50))
        load.more()
        target.set_traffic("steady", Traffic(stable=two.name))
        target.stop("steady", three.name)
        load.more()

    counted = metrics.read_counters("steady", [two.name])[two.name]
    assert load.failures == []
    assert sum(load.answers.values()) == load.sent
    assert set(load.answers) == {one.name, two.name, three.name}
    assert counted.requests == load.answers[two.name]


def test_a_shadow_gets_every_request_and_answers_nobody(place: Place) -> None:
    """Copies carry the id of their request and the mark to compare; they are not counted as live requests."""
    one, two = place.running("copied", 1), place.running("copied", 2)
    place.target.set_traffic("copied", Traffic(stable=one.name, shadow=two.name))
    metrics = EnvoyMetrics(place.home, place.admin_port, place.host)
    ids = [f"6a11ad37-3211-4c11-b203-{i:012}" for i in range(20)]
    with httpx.Client(base_url=place.url) as client:
        answers = [client.post("/copied/x", content=b"row", headers={"x-request-id": each}) for each in ids]

    assert wait_until(lambda: len(metrics.read_shadow_answers("copied", two.name)) == 20, 10)

    assert {answer.json()["revision"] for answer in answers} == {one.name}
    assert [answer.headers["x-request-id"] for answer in answers] == ids
    assert [answer.request_id for answer in metrics.read_shadow_answers("copied", one.name)] == ids
    assert {answer.request_id for answer in metrics.read_shadow_answers("copied", two.name)} == set(ids)
    assert {answer.values for answer in metrics.read_shadow_answers("copied", two.name)} == {(two.name,)}
    assert metrics.read_counters("copied", [one.name, two.name])[one.name].requests == 20
    assert metrics.read_counters("copied", [one.name, two.name])[two.name].requests == 0


def test_without_a_shadow_nobody_can_ask_for_comparison(place: Place) -> None:
    """The mark is taken off what clients send."""
    one = place.running("plain", 1)
    place.target.set_traffic("plain", Traffic(stable=one.name))

    answer = httpx.post(f"{place.url}/plain/x", content=b"row", headers={"x-slipway-compare": "1"})

    assert answer.json()["compare"] is False


def test_requests_without_an_id_get_one(place: Place) -> None:
    """Every answer says the id under which it can be found again."""
    one = place.running("named", 1)
    place.target.set_traffic("named", Traffic(stable=one.name))

    answers = [httpx.post(f"{place.url}/named/x", content=b"row") for _ in range(2)]

    assert len({answer.headers["x-request-id"] for answer in answers}) == 2


def test_stopping_waits_for_the_requests_under_way(place: Place) -> None:
    """A slow request that began before the route moved gets its answer."""
    one, two = place.running("drained", 1), place.running("drained", 2)
    place.target.set_traffic("drained", Traffic(stable=one.name))
    said = []
    slow = threading.Thread(
        target=lambda: said.append(httpx.post(f"{place.url}/drained/x", content=b"slow", timeout=10).json())
    )
    slow.start()
    assert wait_until(lambda: place.target.envoy.count_active_requests(one.name) == 1, 5)

    place.target.set_traffic("drained", Traffic(stable=two.name))
    place.target.stop("drained", one.name)
    slow.join()

    assert said == [{"revision": one.name, "path": "/x", "compare": False}]
