"""A request that the new version can't answer is answered by the old one: a real Envoy, small real services."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.waiting import wait_until
from slipway.domain.judge.counters import Counters
from slipway.domain.rollout.revision import Rescue, Revision, Traffic
from tests.adapters.local.place import Place
from tests.contract.metrics import counted, timed

SHARE = 30
Rollout = Callable[..., tuple[Revision, Revision]]


@pytest.fixture
def metrics(place: Place) -> EnvoyMetrics:
    """Read the shared place's Envoy."""
    return EnvoyMetrics(place.home, place.admin_port, place.host)


@pytest.fixture
def rollout(place: Place) -> Rollout:
    """Give a function that routes a share to version 2, which version 1 rescues."""

    def rollout(
        model: str, share: int = SHARE, *, at_once: int = 16, after_seconds: float = 10, **behaviour: object
    ) -> tuple[Revision, Revision]:
        one, two = place.running(model, 1, **behaviour), place.running(model, 2, **behaviour)
        rescue = Rescue(of=two.name, by=one.name, at_once=at_once, after_seconds=after_seconds)
        traffic = Traffic(stable=one.name, canary=two.name, canary_percent=share, rescue=rescue)
        place.target.set_traffic(model, traffic)
        assert place.target.read_traffic(model) == traffic
        return one, two

    return rollout


@pytest.mark.parametrize(
    ("does", "as_what"),
    [("fail", "errors"), ("status 400", "refused"), ("status 429 later", "shed"), ("status 503 later", "shed"),
     ("break", "errors"), ("wait 2", "errors"), ("status 404", "refused"), ("status 302", "refused")],
)  # fmt: skip
def test_clients_see_right_answers_only(
    place: Place, metrics: EnvoyMetrics, rollout: Rollout, does: str, as_what: str
) -> None:
    """Whatever the canary does wrong at 30 %: it counts against the canary, and stable's counters are as without."""
    one, two = rollout("rescued", after_seconds=0.2)
    before = metrics.read_counters("rescued", [one.name, two.name])
    body = f"{two.name}! {does}".encode()

    with httpx.Client(base_url=place.url) as client:
        answers = [client.post("/rescued/x", content=body) for _ in range(30)]

    asked = Counter(answer.headers["x-slipway-route"] for answer in answers)
    canary = counted(metrics, "rescued", two.name, before[two.name].requests + asked[two.name])
    stable = counted(metrics, "rescued", one.name, before[one.name].requests + asked[one.name])
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["x-slipway-revision"] for answer in answers} == {one.name}
    assert {(a.headers["x-slipway-route"], a.headers.get("x-slipway-rescued")) for a in answers} <= {
        (one.name, None),
        (two.name, two.name),
    }
    assert asked[two.name] > 0
    assert canary.requests - before[two.name].requests == asked[two.name]
    assert getattr(canary, as_what) - getattr(before[two.name], as_what) == asked[two.name]
    assert stable == before[one.name] + Counters(requests=asked[one.name], errors=0)


def test_good_answers_are_the_canarys_own(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """Nothing is rescued that needs no rescue; rights and the like are not asked for again."""
    one, two = rollout("well", 100)

    answers = [httpx.post(f"{place.url}/well/x", content=body) for body in (b"row", b"status 403", b"status 201")]

    assert [answer.status_code for answer in answers] == [200, 403, 201]
    assert {answer.headers["x-slipway-revision"] for answer in answers} == {two.name}
    assert not any("x-slipway-rescued" in answer.headers for answer in answers)
    assert counted(metrics, "well", two.name, 3) == Counters(requests=3, errors=0)
    assert metrics.read_counters("well", [one.name])[one.name].requests == 0


def test_the_share_is_as_it_was_told(place: Place, rollout: Rollout) -> None:
    """A quarter is asked of the canary, whatever it answers and whatever id requests come with."""
    _, two = rollout("quarter", 25)
    body = f"{two.name}! fail".encode()

    with httpx.Client(base_url=place.url, headers={"x-request-id": "the-same"}) as client:
        answers = [client.post("/quarter/x", content=body) for _ in range(400)]

    asked = [answer.headers["x-slipway-route"] for answer in answers].count(two.name)
    assert 60 <= asked <= 145  # 100 expected, 5 standard deviations either side
    assert {answer.status_code for answer in answers} == {200}


def test_stable_is_never_rescued_by_the_canary(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """Its failures are its own, asked once; and what both refuse is refused."""
    one, two = rollout("oneway", 50)

    with httpx.Client(base_url=place.url) as client:
        answers = [client.post("/oneway/x", content=f"{one.name}! fail".encode()) for _ in range(20)]
        both = [client.post("/oneway/x", content=b"status 422") for _ in range(20)]

    asked = Counter(answer.headers["x-slipway-route"] for answer in [*answers, *both])
    failed = Counter(answer.headers["x-slipway-route"] for answer in answers if answer.status_code == 500)
    assert set(failed) == {one.name}
    assert {answer.status_code for answer in both} == {422}
    assert {answer.headers["x-slipway-revision"] for answer in both} == {one.name}
    stable = counted(metrics, "oneway", one.name, asked[one.name])
    assert (stable.requests, stable.errors) == (asked[one.name], failed[one.name])
    assert counted(metrics, "oneway", two.name, asked[two.name]).errors == 0


def test_a_canary_that_is_down_is_rescued(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """Nobody listens: an error of the canary, and an answer for the client."""
    one, two = rollout("down", 100)
    place.target.supervisor.remove(two.name)

    answers = [httpx.post(f"{place.url}/down/x", content=b"row") for _ in range(3)]

    assert [answer.json()["revision"] for answer in answers] == [one.name] * 3
    assert counted(metrics, "down", two.name, 3) == Counters(requests=3, errors=3)


def test_an_answer_that_began_is_not_rescued(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """The client has its first line: nothing can be done, and it counts against the canary."""
    _, two = rollout("begun", 100)

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{place.url}/begun/x", content=b"cut")

    assert counted(metrics, "begun", two.name, 1) == Counters(requests=1, errors=1)


def test_rescues_stop_at_their_bound(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """Stable is slow: no more than so many at a time wait for it, the others get the canary's own answer at once."""
    one, two = rollout("bounded", 100, at_once=2, delay_seconds=1.0)
    body = f"{two.name}! fail now".encode()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx.post(f"{place.url}/bounded/x", content=body, timeout=20), range(8)))

    seen = Counter((answer.status_code, answer.headers["x-slipway-revision"]) for answer in answers)
    assert set(seen) == {(200, one.name), (500, two.name)}
    assert seen[200, one.name] >= 2
    assert counted(metrics, "bounded", two.name, 8) == Counters(requests=8, errors=8)


def test_large_requests_are_kept_whole(place: Place, rollout: Rollout) -> None:
    """Sixteen MiB, which is all that a service takes, reach stable as they came."""
    one, two = rollout("large", 100)
    body = f"{two.name}! status 500 ".encode().ljust(16 * 2**20, b"x")

    answer = httpx.post(f"{place.url}/large/x", content=body, timeout=30)

    assert (answer.status_code, answer.json()["revision"]) == (200, one.name)


def test_what_a_rescue_takes_is_the_canarys_time(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """The judge sees what clients waited for: the canary's own time and stable's together."""
    one, two = rollout("timed", 100)

    answers = [httpx.post(f"{place.url}/timed/x", content=f"{two.name}! wait 0.2 fail".encode()) for _ in range(4)]

    seen = timed(metrics, "timed", two.name, 4)
    assert {answer.json()["revision"] for answer in answers} == {one.name}
    assert seen.requests == 4
    assert seen.slower[seen.edges_milliseconds.index(200)] == 4
    assert metrics.read_latencies("timed", [one.name])[one.name].requests == 0


def test_the_old_version_rescues_while_it_is_warm(place: Place, metrics: EnvoyMetrics, rollout: Rollout) -> None:
    """After promotion: the new version has all requests, and the old one answers what it can't; then it may stop."""
    one, two = rollout("warm", 50)
    rescue = Rescue(of=two.name, by=one.name, at_once=4, after_seconds=5)
    place.target.set_traffic("warm", Traffic(stable=two.name, canary=one.name, rescue=rescue))

    answers = [httpx.post(f"{place.url}/warm/x", content=f"{two.name}! fail".encode()) for _ in range(10)]
    place.target.set_traffic("warm", Traffic(stable=two.name))
    place.target.stop("warm", one.name)

    assert {answer.json()["revision"] for answer in answers} == {one.name}
    assert counted(metrics, "warm", two.name, 10).errors == 10
    assert httpx.post(f"{place.url}/warm/x", content=f"{two.name}! fail".encode()).status_code == 500


def test_the_rescued_version_may_be_the_one_with_most_requests(
    place: Place, metrics: EnvoyMetrics, rollout: Rollout
) -> None:
    """Hold-back: a few requests stay with the old version, and it answers what the new one can't."""
    one, two = rollout("backed", 50)
    rescue = Rescue(of=two.name, by=one.name, at_once=4, after_seconds=5)
    place.target.set_traffic("backed", Traffic(stable=two.name, canary=one.name, canary_percent=20, rescue=rescue))

    with httpx.Client(base_url=place.url) as client:
        answers = [client.post("/backed/x", content=f"{two.name}! status 400".encode()) for _ in range(40)]

    asked = Counter(answer.headers["x-slipway-route"] for answer in answers)
    assert {(answer.status_code, answer.json()["revision"]) for answer in answers} == {(200, one.name)}
    assert asked[two.name] > asked[one.name]
    assert counted(metrics, "backed", two.name, asked[two.name]).refused == asked[two.name]
    assert counted(metrics, "backed", one.name, asked[one.name]) == Counters(requests=asked[one.name], errors=0)


def test_stopping_waits_for_what_is_being_rescued(place: Place, rollout: Rollout) -> None:
    """Whoever answers in another one's place is at work."""
    one, two = rollout("working", 100)
    body = f"{one.name}! wait 1".encode()
    place.target.supervisor.remove(two.name)
    said: list[int] = []
    slow = threading.Thread(
        target=lambda: said.append(httpx.post(f"{place.url}/working/x", content=body, timeout=10).status_code)
    )
    slow.start()

    assert wait_until(lambda: place.target.envoy.count_active_requests(one.name) == 1, 5)
    slow.join()
    assert said == [200]
