"""The gRPC server: deadlines, overload, health, endings, and what travels beside the messages."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import grpc
import numpy as np
import psutil
import pytest

from services.inference.bodies import BODY_LIMIT
from services.inference.messages import get_message_class
from tests.services.inference.grpc_serving import INFER, PREDICT, GrpcServed, oip, served_grpc, slow_model, tf, unary
from tests.services.inference.serving import until

ANSWER = "inference.ModelInferResponse"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
STREAMED = "inference.ModelStreamInferResponse"
HEALTH = "grpc.health.v1.HealthCheckResponse"
ROW = oip(np.array([[2, 0, 0]], dtype=np.float32).tobytes()).SerializeToString()
WRONG = oip(b"short").SerializeToString()
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
LONG = 3_000_000
"""Counted to by the slow model: it takes a second or so."""


@pytest.fixture(scope="module")
def service(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcServed]:
    """Serve the classifier."""
    with served_grpc(classifier, tmp_path_factory.mktemp("service")) as served:
        served.wait_ready()
        yield served


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model that counts."""
    return slow_model(tmp_path_factory.mktemp("slow"))


def counting(number: int) -> bytes:
    """Return a request that has the slow model count."""
    return bytes(oip(np.array([[number]], dtype=np.float32).tobytes(), shape=(1, 1)).SerializeToString())


def requests(service: GrpcServed, protocol: str, code: int) -> float:
    """Return how many requests were answered so."""
    return service.counted("slipway_requests_total", protocol=protocol, code=str(code))


def test_every_answer_names_the_revision_and_echoes_the_requests_id(service: GrpcServed) -> None:
    """Answers, refusals and health alike; what is no id is not echoed."""
    sent = [("x-request-id", "abc")]

    with service.channel() as channel:
        asked = [
            (INFER, ROW, sent),
            (INFER, WRONG, sent),
            (CHECK, b"", sent),
            (INFER, ROW, [("x-request-id", "a" * 300)]),
        ]
        calls = [channel.unary_unary(method).future(body, metadata=more) for method, body, more in asked]
        trailing = [dict(call.trailing_metadata()) for call in calls]

    said = {"x-slipway-revision": "toy-v3"}
    assert trailing == [said | dict(sent)] * 3 + [said]


def test_requests_are_counted_by_door_and_status(service: GrpcServed) -> None:
    """Those refused too."""
    bodies = {("oip-grpc", 200): ROW, ("oip-grpc", 400): WRONG, ("tensorflow-grpc", 400): tf().SerializeToString()}
    before = {key: requests(service, *key) for key in bodies}

    with service.channel() as channel:
        for (protocol, _), body in bodies.items():
            channel.unary_unary(INFER if protocol == "oip-grpc" else PREDICT).future(body).exception()

    assert {key: requests(service, *key) - before[key] for key in bodies} == dict.fromkeys(bodies, 1)


def test_answers_to_compared_requests_are_remembered(service: GrpcServed) -> None:
    """By request id, so that a judge finds the same request's answer of another revision."""
    with service.channel() as channel:
        for name, body in (("compared-1", ROW), ("compared-2", WRONG)):
            more = [("x-request-id", name), ("x-slipway-compare", "1")]
            channel.unary_unary(INFER).future(body, metadata=more).exception()
        channel.unary_unary(INFER)(ROW, metadata=[("x-request-id", "compared-3")])

    answers = service.served.client.get("/slipway/answers").json()["answers"]
    kept = {one["request_id"]: (one["status"], one["values"]) for one in answers}
    assert kept == {"compared-1": (200, [1]), "compared-2": (400, [])}


def test_health_tells_of_the_server_and_of_each_service(service: GrpcServed) -> None:
    """Kubernetes asks for the empty name; a service that is not here is not found."""
    asked = [get_message_class("grpc.health.v1.HealthCheckRequest")(service=name).SerializeToString() for name in NAMES]

    with service.channel() as channel:
        statuses = [unary(channel, CHECK, body, HEALTH).status for body in asked[:-1]]
        refusal = channel.unary_unary(CHECK).future(asked[-1]).exception()
        first = next(iter(channel.unary_stream(WATCH)(asked[-1])))

    assert statuses == [SERVING] * 3
    assert (refusal.code(), refusal.details()[:22]) == (grpc.StatusCode.NOT_FOUND, "service: got 'nobody',")
    assert get_message_class(HEALTH).FromString(first).status == SERVICE_UNKNOWN


NAMES = ("", "inference.GRPCInferenceService", "tensorflow.serving.PredictionService", "nobody")


def test_what_is_not_offered_is_unimplemented(service: GrpcServed) -> None:
    """Other methods of the services, and other services."""
    with service.channel() as channel:
        methods = ("/inference.GRPCInferenceService/ModelConfig", "/tensorflow.serving.ModelService/GetModelStatus")
        codes = [channel.unary_unary(method).future(b"").exception().code() for method in methods]

    assert codes == [grpc.StatusCode.UNIMPLEMENTED] * 2


def test_messages_are_bounded_packed_or_not(service: GrpcServed) -> None:
    """A gigabyte that comes as a megabyte does not become one here."""
    whole = oip(bytes(BODY_LIMIT)).SerializeToString()
    (worker,) = service.served.workers()
    before = peak(worker)

    with service.channel() as channel:
        ask = channel.unary_unary(INFER)
        plain = ask.future(whole).exception()
        packed = ask.future(bytes(1 << 29), compression=grpc.Compression.Gzip).exception()

    assert [plain.code(), packed.code()] == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    assert peak(worker) - before < 4 * BODY_LIMIT


def peak(process: psutil.Process) -> int:
    """Return the most memory that a process ever had, in bytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_packed_messages_are_read(service: GrpcServed) -> None:
    """By gRPC's own gzip."""
    with service.channel() as channel:
        answer = unary(channel, INFER, ROW, ANSWER, compression=grpc.Compression.Gzip)

    assert [one.name for one in answer.outputs] == ["prediction", "probabilities"]


def test_workers_share_the_port(classifier: Path, tmp_path: Path) -> None:
    """Connections are spread over them."""
    with served_grpc(classifier, tmp_path, "--workers", "2") as service, contextlib.ExitStack() as channels:
        service.wait_ready()
        until(lambda: min(connections(worker, service, psutil.CONN_LISTEN) for worker in service.served.workers()) > 0)

        opened = [channels.enter_context(service.channel()) for _ in range(24)]
        sizes = [len(unary(channel, INFER, ROW, ANSWER).outputs) for channel in opened]
        shares = [connections(worker, service, psutil.CONN_ESTABLISHED) for worker in service.served.workers()]

    assert (sizes, sum(shares)) == ([2] * 24, 24)
    assert min(shares) > 0


def connections(worker: psutil.Process, service: GrpcServed, status: str) -> int:
    """Return how many connections of the port for gRPC a worker has in a state."""
    port = int(service.grpc.rpartition(":")[2])
    return sum(one.laddr.port == port and one.status == status for one in worker.net_connections("tcp"))


@contextlib.contextmanager
def busy(slow: Path, folder: Path) -> Iterator[tuple[GrpcServed, grpc.Channel, grpc.Future]]:
    """Serve the slow model, which is known to be slow, and has begun to count; yield its answer to come as well."""
    with served_grpc(slow, folder) as service:
        service.wait_ready()
        with service.channel() as channel:
            channel.unary_unary(INFER)(counting(LONG), timeout=60)
            running = channel.unary_unary(INFER).future(counting(LONG), timeout=60)
            until(lambda: in_flight(service) == 1)
            yield service, channel, running


def in_flight(service: GrpcServed) -> float:
    """Return the requests under way."""
    return service.counted("slipway_requests_in_flight")


def test_work_past_its_deadline_is_not_done(slow: Path, tmp_path: Path) -> None:
    """What waits behind a long run until its deadline is never run; what can't be answered by then may be refused."""
    with busy(slow, tmp_path) as (service, channel, running):
        late = [channel.unary_unary(INFER).future(counting(1), timeout=0.2) for _ in range(3)]
        codes = [call.exception().code() for call in late]
        running.result()
        until(lambda: in_flight(service) == 0)
        runs = service.counted("slipway_inference_seconds_count")
        counted = [requests(service, "oip-grpc", code) for code in (504, 429)]

    assert set(codes) <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert (runs, sum(counted)) == (2, 3)


def test_nothing_is_done_for_a_client_that_stopped_waiting(slow: Path, tmp_path: Path) -> None:
    """It is counted, and what waited to be run for it is not."""
    with busy(slow, tmp_path) as (service, channel, running):
        waiting = [channel.unary_unary(INFER).future(counting(LONG), timeout=60) for _ in range(3)]
        until(lambda: in_flight(service) == 4)
        for call in waiting:
            call.cancel()
        until(lambda: in_flight(service) == 1)
        running.result()
        channel.unary_unary(INFER)(counting(1), timeout=60)
        runs, counted = service.counted("slipway_inference_seconds_count"), requests(service, "oip-grpc", 499)

    assert (runs, counted) == (3, 3)


def test_overload_is_refused_at_once(slow: Path, tmp_path: Path) -> None:
    """With RESOURCE_EXHAUSTED, and when to come again; what was accepted is answered."""
    with busy(slow, tmp_path) as (_, channel, running):
        calls = [channel.unary_unary(INFER).future(counting(1), timeout=60) for _ in range(900)]
        errors = [error for call in calls if (error := call.exception()) is not None]
        outputs = get_message_class(ANSWER).FromString(running.result()).outputs

    assert 0 < len(errors) < 900
    assert {error.code() for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert "requests wait already" in errors[0].details()
    assert len(outputs) == 1


def test_an_ending_server_says_so_and_cuts_nothing(slow: Path, tmp_path: Path) -> None:
    """After SIGTERM: health turns, what is under way is answered, streams and watches end, and the process with 0."""
    with busy(slow, tmp_path) as (service, channel, running):
        watch = channel.unary_stream(WATCH)(b"")
        sent: SimpleQueue[bytes | None] = SimpleQueue()
        stream = channel.stream_stream(STREAM)(iter(sent.get, None))
        sent.put(counting(1))
        seen = [get_message_class(HEALTH).FromString(next(watch)).status]
        until(lambda: in_flight(service) == 2)
        service.served.process.send_signal(signal.SIGTERM)
        seen.append(get_message_class(HEALTH).FromString(next(watch)).status)
        streamed = get_message_class(STREAMED).FromString(next(stream))
        ends = [ended(watch), ended(stream)]
        outputs = get_message_class(ANSWER).FromString(running.result()).outputs
        sent.put(None)
        code = service.served.process.wait(60)

    assert seen == [SERVING, NOT_SERVING]
    assert (len(outputs), len(streamed.infer_response.outputs), streamed.error_message) == (1, 1, "")
    assert ends == [grpc.StatusCode.UNAVAILABLE] * 2
    assert code == 0


def ended(answers: Iterator[bytes]) -> grpc.StatusCode:
    """Return how a stream ends, which has no more answers."""
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    return caught.value.code()


def test_a_failing_model_fails_its_request_alone(table_model: Path, tmp_path: Path) -> None:
    """With INTERNAL and the model's own words; in a stream too, which goes on."""
    bodies = [oip(np.array([[number]], dtype=np.float32).tobytes(), shape=(1, 1)) for number in (7, 1)]
    for number, body in enumerate(bodies):
        body.id = f"request-{number}"
    wrong, good = (body.SerializeToString() for body in bodies)

    with served_grpc(table_model, tmp_path) as service:
        service.wait_ready()
        with service.channel() as channel:
            refusal = channel.unary_unary(INFER).future(wrong).exception()
            streamed = [
                get_message_class(STREAMED).FromString(one)
                for one in channel.stream_stream(STREAM)(iter([wrong, good]))
            ]

    assert (refusal.code(), refusal.details()[:20]) == (grpc.StatusCode.INTERNAL, "model toy-v3 failed:")
    assert [one.infer_response.id for one in streamed] == ["request-0", "request-1"]
    assert [one.error_message[:20] for one in streamed] == ["model toy-v3 failed:", ""]


def test_a_port_that_is_taken_ends_the_server_with_a_reason(
    service: GrpcServed, classifier: Path, tmp_path: Path
) -> None:
    """Also where another server shares it among its workers: clients would get either's answers."""
    port = service.grpc.rpartition(":")[2]

    with served_grpc(classifier, tmp_path, "--grpc-port", port) as second:
        code = second.served.process.wait(60)

    assert code == 1
    assert f"127.0.0.1:{port} can't be listened on for gRPC: Address already in use" in second.served.log.read_text()
