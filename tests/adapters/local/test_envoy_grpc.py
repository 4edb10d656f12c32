"""gRPC through the front door: shared out, copied, counted and rescued like HTTP; Envoy and grpcio are real."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import grpc
import httpx
import pytest

from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.waiting import wait_until
from slipway.domain.judge.counters import Counters
from slipway.domain.rollout.revision import Health, Rescue, Traffic
from tests.adapters.local.place import Place
from tests.contract.metrics import counted, timed

INFER = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one RPC gave."""

    status: grpc.StatusCode
    body: bytes
    details: str
    route: str
    rescued: str


@pytest.fixture
def metrics(place: Place) -> EnvoyMetrics:
    """Read the shared place's Envoy."""
    return EnvoyMetrics(place.home, place.admin_port, place.host)


def ask(channel: grpc.Channel, body: bytes, model: str | None = None, timeout: float = 10) -> Answer:
    """Send one RPC, with the model's name beside it."""
    metadata = [("x-slipway-model", model)] if model else []
    call = channel.unary_unary(INFER).future(body, metadata=metadata, timeout=timeout)
    failure = call.exception()
    head = dict([*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())])
    return Answer(
        status=call.code(),
        body=b"" if failure else call.result(),
        details=call.details() or "",
        route=head.get("x-slipway-route", ""),
        rescued=head.get("x-slipway-rescued", ""),
    )


def channel_to(place: Place, host: str | None = None) -> grpc.Channel:
    """Open a connection of its own to the front door, by a host's name if one is given."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    options += [("grpc.default_authority", host)] if host else []
    return grpc.insecure_channel(f"{place.host}:{place.front_door_port}", options=options)


@pytest.fixture
def channel(place: Place) -> Iterator[grpc.Channel]:
    """Open a connection to the front door of the shared place."""
    with channel_to(place) as one:
        yield one


def test_requests_are_shared_out_by_the_same_weights(
    place: Place, metrics: EnvoyMetrics, channel: grpc.Channel
) -> None:
    """A quarter to the canary, over one connection; counted and timed with whoever answered."""
    one, two = place.running("shared", 1, grpc=True), place.running("shared", 2, grpc=True)
    place.target.set_traffic("shared", Traffic(stable=one.name, canary=two.name, canary_percent=25))

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda _: ask(channel, b"row", "shared").body.decode(), range(400)))

    assert set(answers) == {one.name, two.name}
    assert 60 <= answers[two.name] <= 145  # 100 expected, 5 standard deviations either side
    for name in (one.name, two.name):
        assert counted(metrics, "shared", name, answers[name]) == Counters(requests=answers[name], errors=0)
        assert timed(metrics, "shared", name, answers[name]).requests == answers[name]


def test_answers_are_counted_by_their_own_status(place: Place, metrics: EnvoyMetrics, channel: grpc.Channel) -> None:
    """All are 200 to HTTP; trailers say what they are."""
    one = place.running("trailing", 1, grpc=True)
    place.target.set_traffic("trailing", Traffic(stable=one.name))
    statuses = [3, 5, 9, 11, 12, 8, 13, 2, 4, 14, 15, 7, 16]  # five refused, one shed, five failed, two not its own

    answers = [ask(channel, f"status {status}".encode(), "trailing") for status in statuses]
    answers += [ask(channel, b"status 14 later", "trailing"), ask(channel, b"row", "trailing")]

    assert [answer.status.value[0] for answer in answers] == [*statuses, 14, 0]
    assert {answer.route for answer in answers} == {one.name}
    assert counted(metrics, "trailing", one.name, 15) == Counters(requests=15, errors=5, refused=5, shed=2)


def test_answers_that_break_off_have_failed(place: Place, metrics: EnvoyMetrics, channel: grpc.Channel) -> None:
    """A message came, its status never did: the process died."""
    one = place.running("dying", 1, grpc=True)
    place.target.set_traffic("dying", Traffic(stable=one.name))
    call = channel.unary_stream(INFER)(b"cut", metadata=[("x-slipway-model", "dying")], timeout=20)
    assert next(call) == one.name.encode()

    place.target.supervisor.remove(one.name)

    assert call.code() is grpc.StatusCode.INTERNAL
    assert counted(metrics, "dying", one.name, 1) == Counters(requests=1, errors=1)


def test_deadlines_that_pass_are_failures_and_cancelled_calls_are_not(
    place: Place, metrics: EnvoyMetrics, channel: grpc.Channel
) -> None:
    """Envoy gives up just before the client does, so that it is known whose failure it was."""
    one = place.running("waiting", 1, grpc=True)
    place.target.set_traffic("waiting", Traffic(stable=one.name))

    late = ask(channel, b"wait 3", "waiting", timeout=0.3)
    gone = channel.unary_unary(INFER).future(b"wait 1", metadata=[("x-slipway-model", "waiting")])
    assert wait_until(lambda: place.target.envoy.count_active_requests(one.name) == 1, 5)
    gone.cancel()
    assert wait_until(lambda: place.target.envoy.count_active_requests(one.name) == 0, 5)

    assert late.status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert counted(metrics, "waiting", one.name, 1) == Counters(requests=1, errors=1)


@pytest.mark.parametrize("status", [3, 8, 13, 14])
def test_what_the_canary_cant_answer_is_rescued(
    place: Place, metrics: EnvoyMetrics, channel: grpc.Channel, status: int
) -> None:
    """Refused, shed, failed: stable answers, and it counts against the canary."""
    one, two = place.running("saved", 1, grpc=True), place.running("saved", 2, grpc=True)
    rescue = Rescue(of=two.name, by=one.name, at_once=4, after_seconds=0.3)
    place.target.set_traffic("saved", Traffic(stable=one.name, canary=two.name, canary_percent=100, rescue=rescue))
    before = metrics.read_counters("saved", [one.name, two.name])

    answers = [ask(channel, f"{two.name}! {does}".encode(), "saved") for does in (f"status {status}", "wait 2", "row")]

    assert [answer.body.decode() for answer in answers] == [one.name, one.name, two.name]
    assert [answer.rescued for answer in answers] == [two.name, two.name, ""]
    seen = counted(metrics, "saved", two.name, before[two.name].requests + 3)
    bad = [(each.errors, each.refused, each.shed) for each in (before[two.name], seen)]
    assert sum(bad[1]) - sum(bad[0]) == 2
    assert metrics.read_counters("saved", [one.name]) == {one.name: before[one.name]}


def test_a_deadline_before_the_rescue_counts_against_the_canary(
    place: Place, metrics: EnvoyMetrics, channel: grpc.Channel
) -> None:
    """It hangs, and its client does not wait until stable is asked: its failure, counted once; stable has nothing."""
    one, two = place.running("hanging", 1, grpc=True), place.running("hanging", 2, grpc=True)
    rescue = Rescue(of=two.name, by=one.name, at_once=4, after_seconds=10)
    place.target.set_traffic("hanging", Traffic(stable=one.name, canary=two.name, canary_percent=100, rescue=rescue))

    late = ask(channel, f"{two.name}! wait 3".encode(), "hanging", timeout=0.3)
    own = ask(channel, b"status 4", "hanging")
    ask(channel, b"row", "hanging")

    assert [late.status, own.status] == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2
    assert counted(metrics, "hanging", two.name, 3) == Counters(requests=3, errors=2)
    assert metrics.read_counters("hanging", [one.name])[one.name].requests == 0


def test_copies_reach_the_comparison(place: Place, metrics: EnvoyMetrics, channel: grpc.Channel) -> None:
    """A shadow sees every gRPC request; both versions keep their answers under the same id."""
    one, two = place.running("mirrored", 1, grpc=True), place.running("mirrored", 2, grpc=True)
    place.target.set_traffic("mirrored", Traffic(stable=one.name, canary=two.name, shadow=two.name))

    answers = [ask(channel, b"row", "mirrored") for _ in range(10)]

    assert {answer.body.decode() for answer in answers} == {one.name}
    assert wait_until(lambda: len(metrics.read_shadow_answers("mirrored", two.name)) == 10, 10)
    ids = {answer.request_id for answer in metrics.read_shadow_answers("mirrored", one.name)}
    assert len(ids) == 10
    assert {answer.request_id for answer in metrics.read_shadow_answers("mirrored", two.name)} == ids
    assert metrics.read_counters("mirrored", [two.name])[two.name].requests == 0


@pytest.mark.parametrize("host", ["byhost", "byhost.localhost", "byhost.localhost:8780"])
def test_a_model_is_named_by_its_host(place: Place, host: str) -> None:
    """Clients that can't send metadata name it as the host they ask."""
    one = place.running("byhost", 1, grpc=True)
    place.target.set_traffic("byhost", Traffic(stable=one.name))

    with channel_to(place, host) as channel:
        answer = ask(channel, b"row")

    assert (answer.status, answer.body.decode()) == (grpc.StatusCode.OK, one.name)


def test_a_model_alone_needs_no_name(new_place: Callable[[str], Place]) -> None:
    """Where one model is there it is meant; another name than its own is refused, with what is there."""
    place = new_place("alone")
    one = place.running("only", 1, grpc=True)
    with channel_to(place) as channel:
        nobody = ask(channel, b"row")
        place.target.set_traffic("only", Traffic(stable=one.name))

        answers = ask(channel, b"row"), ask(channel, b"row", "other")

    assert nobody.status is grpc.StatusCode.UNIMPLEMENTED
    assert nobody.details == "no such model over gRPC; models here: none; release one"
    assert answers[0].body.decode() == one.name
    assert answers[1].status is grpc.StatusCode.UNIMPLEMENTED
    assert answers[1].details.startswith("no such model over gRPC; models here: only; name one with")


def test_questions_after_health_are_no_requests(place: Place, metrics: EnvoyMetrics, channel: grpc.Channel) -> None:
    """They go to the stable version, may last, and count for nobody."""
    one = place.running("asked", 1, grpc=True)
    place.target.set_traffic("asked", Traffic(stable=one.name))
    check = channel.unary_unary("/grpc.health.v1.Health/Check")

    said: bytes = check(b"row", metadata=[("x-slipway-model", "asked")], timeout=10)
    ask(channel, b"row", "asked")

    assert said == one.name.encode()
    assert counted(metrics, "asked", one.name, 1) == Counters(requests=1, errors=0)


def test_a_revision_from_before_grpc_was_shared_out_goes_on(new_place: Callable[[str], Place]) -> None:
    """It is left running without a port for gRPC, and gets one when it is started again."""
    place = new_place("older")
    one = place.running("old", 1, grpc=True)
    place.records.write(replace(place.records.read_model("old")[one.name], grpc_port=None))
    place.target.start(one)
    place.expect(one, Health.READY)
    place.target.set_traffic("old", Traffic(stable=one.name))
    with channel_to(place) as channel:
        before = ask(channel, b"row", "old")
        pid = place.target.supervisor.read_states()[one.name].pid
        place.target.resume_revisions()
        same = place.target.supervisor.read_states()[one.name].pid
        place.target.supervisor.remove(one.name)

        place.target.resume_revisions()
        place.expect(one, Health.READY)
        after = [ask(channel, b"row", "old")]
        assert wait_until(lambda: after.append(ask(channel, b"row", "old")) or after[-1].body == one.name.encode(), 20)

    assert before.status is grpc.StatusCode.UNIMPLEMENTED
    assert httpx.post(f"{place.url}/old/x", content=b"row").json()["revision"] == one.name
    assert same == pid


def test_http_goes_on_beside_it(place: Place, channel: grpc.Channel) -> None:
    """Both doors of one revision, on one port of the front door."""
    one = place.running("both", 1, grpc=True)
    place.target.set_traffic("both", Traffic(stable=one.name))

    assert ask(channel, b"row", "both").body.decode() == one.name
    assert httpx.post(f"{place.url}/both/x", content=b"row").json()["revision"] == one.name
    assert httpx.get(f"{place.url}/both/slipway/answers").status_code == 404
