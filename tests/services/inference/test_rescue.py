"""What this revision can't answer the one before it answers: both as real processes, as packages start them."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import grpc
import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from prometheus_client.parser import text_string_to_metric_families

from services.inference.messages import get_message_class, parse_message
from services.inference.request import Request, Response
from services.inference.rescue import RescueAttempt, Rescuer, find_rule
from services.inference.telemetry.meter import Meter
from tests.services.inference.conftest import manifest_of
from tests.services.inference.serving import Served, free_port, served

INFER = "/v2/models/toy/infer"
CALL = "/inference.GRPCInferenceService/ModelInfer"


def body(number: float) -> bytes:
    """Return a request for what a table has at that number."""
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [number]}
    return json.dumps({"inputs": [tensor]}).encode()


def order(by: int, *, at_once: int = 16, after: float = 10.0, of: str = "toy-v3") -> dict[str, str]:
    """Return the header of a route by which whoever listens on that port answers in the place of toy-v3."""
    return {"x-slipway-rescue": f"of={of}; by=127.0.0.1:{by}; at-once={at_once}; after={after}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A canary whose table has three numbers, and the version before it, whose table has ten."""

    stable: Served
    canary: Served
    grpc: str
    """Where the canary is asked over gRPC."""

    def ask(self, content: bytes, **headers: str) -> httpx.Response:
        """Ask the canary, by a route that says who answers in its place."""
        return self.canary.client.post(INFER, content=content, headers={**order(self.stable.port), **headers})

    def counted(self) -> dict[str, dict[tuple[str, str], float]]:
        """Return what both count, by the series' name and version, and by protocol and status."""
        found: dict[str, dict[tuple[str, str], float]] = {}
        for service, version in ((self.stable, "v2"), (self.canary, "v3")):
            page = service.client.get("/metrics").raise_for_status().text
            for sample in (one for family in text_string_to_metric_families(page) for one in family.samples):
                if sample.name in {"slipway_requests_total", "slipway_rescued_total", "slipway_helped_total"}:
                    key = (sample.labels["protocol"], sample.labels["code"])
                    found.setdefault(f"{sample.name} {version}", {})[key] = sample.value
        return found

    def came(self, before: dict[str, dict[tuple[str, str], float]]) -> dict[str, dict[tuple[str, str], float]]:
        """Return what was counted since, without zeros."""
        since = {
            name: {key: number - before.get(name, {}).get(key, 0) for key, number in counts.items()}
            for name, counts in self.counted().items()
        }
        return {name: some for name, each in since.items() if (some := {key: n for key, n in each.items() if n})}


@pytest.fixture(scope="module")
def pair(table_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Serve both."""
    older = tmp_path_factory.mktemp("older") / "model"
    shutil.copytree(table_model, older)
    made = onnx.load(older / "model.onnx")
    made.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.arange(10, dtype=np.float32)[:, None] * 10, "table"))
    (older / "model.onnx").write_bytes(made.SerializeToString())
    changes = {"columns": [{"name": "x", "kind": "float32"}], "inputs": ["x"], "outputs": ["y"]}
    (older / "slipway.json").write_text(json.dumps(manifest_of(**changes, version="2", revision="toy-v2")))
    homes = [tmp_path_factory.mktemp(name) for name in ("stable", "canary")]
    ports = [str(free_port()) for _ in homes]
    with (
        served(older, homes[0], "--grpc-port", ports[0], SLIPWAY_RESCUE="route") as stable,
        served(table_model, homes[1], "--grpc-port", ports[1], SLIPWAY_RESCUE="route") as canary,
    ):
        stable.wait_ready()
        canary.wait_ready()
        yield Pair(stable=stable, canary=canary, grpc=f"127.0.0.1:{ports[1]}")


def test_what_the_canary_fails_the_stable_version_answers(pair: Pair) -> None:
    """The client gets a right answer, and who gave it and who did not; each side counts it apart from its own."""
    before = pair.counted()

    answer = pair.ask(body(7), **{"x-request-id": "seven"})

    assert (answer.status_code, answer.json()["outputs"][0]["data"]) == (200, [70.0])
    said = {name: answer.headers.get_list(name) for name in ("x-slipway-revision", "x-slipway-rescued", "x-request-id")}
    assert said == {"x-slipway-revision": ["toy-v2"], "x-slipway-rescued": ["toy-v3"], "x-request-id": ["seven"]}
    assert pair.came(before) == {
        "slipway_requests_total v3": {("oip", "500"): 1},
        "slipway_rescued_total v3": {("oip", "500"): 1},
        "slipway_helped_total v2": {("oip", "200"): 1},
    }


def test_what_the_canary_can_answer_it_answers(pair: Pair) -> None:
    """Nobody else is asked."""
    before = pair.counted()

    answer = pair.ask(body(1))

    assert answer.headers["x-slipway-revision"] == "toy-v3"
    assert "x-slipway-rescued" not in answer.headers
    assert pair.came(before) == {"slipway_requests_total v3": {("oip", "200"): 1}}


def test_what_neither_can_answer_is_the_canarys_own_answer(pair: Pair) -> None:
    """A number that neither has: failed by both, in the words of who was asked first, and rescued by nobody."""
    before = pair.counted()

    answer = pair.ask(body(99))

    assert (answer.status_code, answer.headers["x-slipway-revision"]) == (500, "toy-v3")
    assert "model toy-v3 failed" in answer.json()["error"]
    assert "x-slipway-rescued" not in answer.headers
    assert pair.came(before) == {
        "slipway_requests_total v3": {("oip", "500"): 1},
        "slipway_helped_total v2": {("oip", "500"): 1},
    }


def test_other_protocols_and_long_ways_are_rescued_too(pair: Pair) -> None:
    """A packed answer, a query, MLflow's and TensorFlow's forms; what the stable version predicts comes as it is."""
    rows = {"dataframe_split": {"columns": ["x"], "data": [[7.0]] * 20_000}}

    csv = pair.canary.client.post(
        "/invocations", content="x\n7\n", headers={**order(pair.stable.port), "content-type": "text/csv"}
    )
    packed = pair.canary.client.post(
        "/invocations", json=rows, headers={**order(pair.stable.port), "accept-encoding": "gzip"}
    )
    tensorflow = pair.canary.client.post(
        "/v1/models/toy:predict", json={"instances": [{"x": 7.0}]}, headers=order(pair.stable.port)
    )

    assert csv.json() == {"predictions": [70.0]}
    assert packed.json() == {"predictions": [70.0] * 20_000}
    assert packed.headers["content-encoding"] == "gzip"
    assert tensorflow.is_success
    assert {one.headers["x-slipway-revision"] for one in (csv, packed, tensorflow)} == {"toy-v2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of a call of gRPC."""

    status: str
    value: float | None
    trailers: dict[str, list[str]]
    announced: list[str]


def called(pair: Pair, number: float, metadata: dict[str, str]) -> Called:
    """Ask the canary over gRPC."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 1], "contents": {"fp32_contents": [number]}}
    asked = get_message_class("inference.ModelInferRequest")(model_name="toy", id="7", inputs=[tensor])
    with grpc.insecure_channel(pair.grpc) as channel:
        call = channel.unary_unary(CALL)
        answer, came = None, None
        try:
            answer, came = call.with_call(asked.SerializeToString(), metadata=tuple(metadata.items()), timeout=20)
        except grpc.RpcError as error:
            came = error
    trailers: dict[str, list[str]] = {}
    for name, value in came.trailing_metadata():
        trailers.setdefault(name, []).append(value)
    announced = dict(came.initial_metadata() or ()).get("trailer", "")
    read = answer and parse_message(get_message_class("inference.ModelInferResponse"), answer)
    value = read.outputs[0].contents.fp32_contents[0] if read else None
    return Called(status=came.code().name, value=value, trailers=trailers, announced=announced.split(", "))


def test_what_the_canary_fails_over_grpc_is_answered_too(pair: Pair) -> None:
    """Message for message; the answer says who gave it and who did not, and each side counts it apart."""
    before = pair.counted()

    answer = called(pair, 7, {**order(pair.stable.port), "x-request-id": "seven"})

    assert (answer.status, answer.value) == ("OK", 70.0)
    said = {"x-slipway-revision": ["toy-v2"], "x-slipway-rescued": ["toy-v3"], "x-request-id": ["seven"]}
    assert said.items() <= answer.trailers.items()
    assert pair.came(before) == {
        "slipway_requests_total v3": {("oip-grpc", "500"): 1},
        "slipway_rescued_total v3": {("oip-grpc", "500"): 1},
        "slipway_helped_total v2": {("oip-grpc", "200"): 1},
    }


def test_what_neither_answers_over_grpc_is_the_canarys_own_status(pair: Pair) -> None:
    """As if there were no other."""
    answer = called(pair, 99, order(pair.stable.port))

    assert (answer.status, answer.value) == ("INTERNAL", None)
    assert answer.trailers["x-slipway-revision"] == ["toy-v3"]


def test_routers_are_told_of_the_trailers_before_a_message(pair: Pair) -> None:
    """All of them: a router that reads only what was announced sees gRPC's own status."""
    answers = [called(pair, number, {**order(pair.stable.port), "x-request-id": "n"}) for number in (1, 7)]

    for answer in answers:
        assert {"grpc-status", "grpc-message", *answer.trailers} <= {*answer.announced}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-slipway-rescue": "of=toy-v3; by=stable; at-once=16; after=10"},
        {"x-slipway-rescue": "of=toy-v3; by=8.8.8.8:80; at-once=16; after=10"},
        {"x-slipway-rescue": "nonsense"},
        order(free_port()),
        order(free_port(), of="toy-v4"),
        order(free_port(), at_once=0),
        {**order(free_port()), "x-slipway-compare": "1"},
        {**order(free_port()), "x-slipway-rescued-from": "toy-v4"},
    ],
)
def test_without_anybody_to_ask_the_canarys_own_answer_goes_back(pair: Pair, headers: dict[str, str]) -> None:
    """No order, one that can't be understood or is not for it, nobody there; a copy; one that was handed on already."""
    answer = pair.canary.client.post(INFER, content=body(7), headers=headers)

    assert (answer.status_code, answer.headers["x-slipway-revision"]) == (500, "toy-v3")


def test_a_client_that_asks_alone_is_believed_nothing(table_model: Path, tmp_path: Path) -> None:
    """Where no route sets them, these headers mean nothing: the request is counted like any other."""
    with served(table_model, tmp_path) as alone:
        alone.wait_ready()
        answer = alone.client.post(INFER, content=body(7), headers=order(alone.port))
        alone.client.post(INFER, content=body(1), headers={"x-slipway-rescued-from": "toy-v4"})

        counted = alone.requests()

    assert answer.status_code == 500
    assert (counted["200"], counted["500"]) == (1, 1)


@dataclass(frozen=True, slots=True)
class Watched:
    """A request for toy-v3 that the stable version can answer, and what its client got."""

    rescue: RescueAttempt
    replies: "asyncio.Queue[Response]"


def watched(pair: Pair, rescuer: Rescuer, seconds: float = 20.0, **said: float) -> Watched:
    """Begin with one, whose client waits for so many seconds."""
    asked = order(pair.stable.port, at_once=int(said.get("at_once", 16)), after=said.get("after", 10.0))
    headers = {name.encode(): value.encode() for name, value in asked.items()}
    replies: asyncio.Queue[Response] = asyncio.Queue()
    call = Request("POST", INFER, b"", headers, body(7))
    rescue = rescuer.start_rescue(call, "oip", perf_counter() + seconds, replies.put_nowait)
    assert rescue is not None
    return Watched(rescue, replies)


def test_a_request_that_is_held_for_long_is_answered_by_the_stable_version(pair: Pair) -> None:
    """The client does not wait for the first one, whose own answer is counted when it comes."""
    meter = Meter()

    async def hold() -> tuple[int, bool]:
        rescuer = Rescuer("toy-v3", meter, trusts_headers=True)
        one = watched(pair, rescuer, after=0.01)
        answer = await one.replies.get()
        before = meter.read().get_rescued()["oip", 504]
        taken = one.rescue.offer(Response(504, b"late"))
        await rescuer.close()
        assert before == 0
        return answer.status, taken

    assert asyncio.run(hold()) == (200, True)
    assert meter.read().get_rescued()["oip", 504] == 1


def test_no_more_are_handed_on_at_once_than_the_route_allows(pair: Pair) -> None:
    """Beyond it the own answer goes back; a place that is free again is taken again."""
    meter = Meter()

    async def crowd() -> list[bool]:
        rescuer = Rescuer("toy-v3", meter, trusts_headers=True)
        ones = [watched(pair, rescuer, at_once=2) for _ in range(4)]
        taken = [one.rescue.offer(Response(500, b"")) for one in ones[:3]]
        for one in ones[:2]:
            await one.replies.get()
        await asyncio.sleep(0)  # the second one's place is given back
        taken.append(ones[3].rescue.offer(Response(500, b"")))
        await ones[3].replies.get()
        await rescuer.close()
        return taken

    assert asyncio.run(crowd()) == [True, True, False, True]
    assert meter.read().get_rescued()["oip", 500] == 3


def test_a_right_answer_of_its_own_ends_the_asking(pair: Pair) -> None:
    """It came while the other one was asked already: the client gets it, and nothing more."""

    async def overtaken() -> tuple[bool, bool]:
        rescuer = Rescuer("toy-v3", Meter(), trusts_headers=True)
        one = watched(pair, rescuer, after=0.001)
        while not rescuer.under_way:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        taken = one.rescue.offer(Response(200, b""))
        await rescuer.close()
        return taken, one.replies.empty()

    assert asyncio.run(overtaken()) == (False, True)


def test_what_its_client_waits_for_no_more_is_handed_on_to_nobody(pair: Pair) -> None:
    """The rest of the client's time is the bound."""

    async def too_late() -> bool:
        return watched(pair, Rescuer("toy-v3", Meter(), trusts_headers=True), seconds=0).rescue.offer(
            Response(504, b"")
        )

    assert asyncio.run(too_late()) is False


@pytest.mark.parametrize("after", ["0", "-1", "nan", "inf", "1e9", "soon"])
def test_an_order_with_a_time_that_is_none_is_no_order(after: str) -> None:
    """Whoever wrote it sees it in the log."""
    assert find_rule(f"of=a; by=10.0.0.1:3000; at-once=1; after={after}".encode(), "a") is None
