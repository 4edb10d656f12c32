"""Packages of the inference service behind Envoy, asked over both protocols with the clients that people have."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from services.inference.messages import get_message_class, parse_message
from slipway.adapters.bento.serving import serve_command
from slipway.adapters.local.metrics import EnvoyMetrics
from slipway.adapters.local.recorded import LoggedRequests
from slipway.adapters.local.target import LocalTarget
from slipway.adapters.local.waiting import wait_until
from slipway.domain.gates.contract.recorded import RecordedSample
from slipway.domain.rollout.revision import Health, Rescue, Revision, Traffic
from slipway.domain.spec.serving import KubernetesServingSpec
from tests.adapters.local.packaged import packaged
from tests.adapters.local.place import Place
from tests.contract.metrics import counted
from tests.services.inference.environments import CLIENTS, environment
from tests.services.inference.grpc_serving import INFER, oip

ROW = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Version 1 takes two columns, version 2 three: it refuses what version 1's clients send."""

    place: Place
    target: LocalTarget
    one: Revision
    two: Revision

    @property
    def metrics(self) -> EnvoyMetrics:
        """Read its Envoy."""
        return EnvoyMetrics(self.place.home, self.place.admin_port, self.place.host)

    def ask(self) -> tuple[grpc.StatusCode, float | None, dict[str, str]]:
        """Ask over gRPC for the sum of 1 and 2; return the status, the sum, and what came beside it."""
        metadata = [("x-slipway-model", self.one.model)]
        with grpc.insecure_channel(f"{self.place.host}:{self.place.front_door_port}") as channel:
            values = oip(name="x", shape=(1, 2), fp32_contents=[1.0, 2.0])
            values.model_name = self.one.model
            call = channel.unary_unary(INFER).future(values.SerializeToString(), metadata=metadata, timeout=20)
            failed = call.exception()
            beside = dict([*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())])
            if failed:
                return call.code(), None, beside
            answer = get_message_class("inference.ModelInferResponse")()
            answer.ParseFromString(call.result())
            contents = answer.outputs[0].contents.fp32_contents
            value = contents[0] if contents else memoryview(answer.raw_output_contents[0]).cast("f")[0]
            return call.code(), value, beside


@pytest.fixture(scope="module")
def both(new_place: Callable[[str], Place], tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Start both versions as packages are started."""
    place = new_place("packaged")
    target = LocalTarget(place.home, place.host, place.front_door_port, place.admin_port, serve_command)
    folder = tmp_path_factory.mktemp("packages")
    one, two = packaged(folder, "sum", 1, columns=2), packaged(folder, "sum", 2, columns=3)
    for revision in (one, two):
        target.start(revision)
    for revision in (one, two):
        assert wait_until(lambda name=revision.name: target.observe("sum")[name].health is Health.READY, 60)
    return Served(place=place, target=target, one=one, two=two)


@pytest.fixture
def served(both: Served) -> Iterator[Served]:
    """Give both with version 1 alone in traffic."""
    both.target.set_traffic("sum", Traffic(stable=both.one.name))
    return both


def test_a_model_answers_on_both_doors_of_one_port(served: Served) -> None:
    """HTTP by its path, gRPC by its name beside the request."""
    over_http = httpx.post(f"{served.place.url}/sum/v2/models/sum/infer", json=ROW)
    status, value, beside = served.ask()

    assert over_http.json()["outputs"][0]["data"] == [3.0]
    assert (status, value) == (grpc.StatusCode.OK, 3.0)
    assert (beside["x-slipway-revision"], beside["x-slipway-route"]) == ("sum-v1", "sum-v1")


def test_a_version_that_refuses_over_grpc_is_counted_so(served: Served) -> None:
    """INVALID_ARGUMENT, in answers that are 200 to HTTP."""
    before = served.metrics.read_counters("sum", [served.two.name])[served.two.name]
    served.target.set_traffic("sum", Traffic(stable=served.one.name, canary=served.two.name, canary_percent=100))

    status, _, _ = served.ask()

    after = counted(served.metrics, "sum", served.two.name, before.requests + 1)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert (after.refused - before.refused, after.errors) == (1, before.errors)


def test_nobody_sees_what_a_version_refuses(served: Served) -> None:
    """The clients of version 1 go on while version 2 has all requests and refuses them."""
    rescue = Rescue(of=served.two.name, by=served.one.name, at_once=8, after_seconds=10)
    traffic = Traffic(stable=served.one.name, canary=served.two.name, canary_percent=100, rescue=rescue)
    served.target.set_traffic("sum", traffic)
    before = served.metrics.read_counters("sum", [served.two.name])[served.two.name]

    over_http = httpx.post(f"{served.place.url}/sum/v2/models/sum/infer", json=ROW)

    assert (over_http.status_code, over_http.headers["x-slipway-rescued"]) == (200, served.two.name)
    assert over_http.json()["outputs"][0]["data"] == [3.0]
    assert counted(served.metrics, "sum", served.two.name, before.requests + 1).refused == before.refused + 1


def test_nobody_sees_what_a_version_refuses_over_grpc(served: Served) -> None:
    """INVALID_ARGUMENT comes as trailers alone: the other version answers, and it counts as refused."""
    rescue = Rescue(of=served.two.name, by=served.one.name, at_once=8, after_seconds=10)
    traffic = Traffic(stable=served.one.name, canary=served.two.name, canary_percent=100, rescue=rescue)
    served.target.set_traffic("sum", traffic)
    before = served.metrics.read_counters("sum", [served.two.name])[served.two.name]

    status, value, beside = served.ask()

    assert (status, value) == (grpc.StatusCode.OK, 3.0)
    assert (beside["x-slipway-revision"], beside["x-slipway-rescued"]) == (served.one.name, served.two.name)
    assert counted(served.metrics, "sum", served.two.name, before.requests + 1).refused == before.refused + 1


def test_live_requests_are_recorded_where_a_release_asks_for_it(served: Served, tmp_path: Path) -> None:
    """In its log, for programs, and in the one before it; of a version that records nothing the log is not read."""
    told = replace(packaged(tmp_path, "told", 1, columns=2), serving=KubernetesServingSpec(capture_share=1.0))
    served.target.start(told)
    assert wait_until(lambda: served.target.observe("told")[told.name].health is Health.READY, 60)
    served.target.set_traffic("told", Traffic(stable=told.name))
    logs = LoggedRequests(served.place.home)
    assert logs.read_newest("told", told.name).missing == "no live request was recorded yet"

    httpx.post(f"{served.place.url}/told/v2/models/told/infer", json=ROW)
    httpx.post(f"{served.place.url}/sum/v2/models/sum/infer", json=ROW)

    assert wait_until(lambda: bool(logs.read_newest("told", told.name).requests), 10)
    rotated = served.target.supervisor.logs / f"{told.name}.log.1"
    line = {"logger": "slipway.inference.samples", "time": "2026-01-01T00:00:00Z", "inputs": {"": [7, 8]}}
    rotated.write_text(f"{json.dumps(line)}\n{json.dumps(line)[:-9]}")
    assert logs.read_newest("told", told.name) == RecordedSample(
        requests=({"": [7, 8]}, {"": [1.0, 2.0]}), unreadable=1
    )
    assert logs.read_newest("sum", served.one.name) == logs.read_newest("sum", "sum-v9") == RecordedSample()
    served.target.remove("told")


def test_copies_over_grpc_are_compared(served: Served) -> None:
    """Both versions keep their answers under the same id."""
    traffic = Traffic(stable=served.one.name, canary=served.two.name, shadow=served.two.name)
    served.target.set_traffic("sum", traffic)

    assert served.ask()[:2] == (grpc.StatusCode.OK, 3.0)

    assert wait_until(lambda: len(served.metrics.read_shadow_answers("sum", served.two.name)) == 1, 10)
    stable, canary = (
        served.metrics.read_shadow_answers("sum", name)[-1] for name in (served.one.name, served.two.name)
    )
    assert stable.request_id == canary.request_id
    assert (stable.status, stable.values, canary.status) == (200, (3.0,), 400)


def test_its_health_is_asked_over_grpc(served: Served) -> None:
    """The health service that gRPC has, by the same name beside it."""
    with grpc.insecure_channel(f"{served.place.host}:{served.place.front_door_port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")

        said: bytes = check(b"", metadata=[("x-slipway-model", "sum")], timeout=20)

    assert said == b"\x08\x01"  # SERVING


def test_nvidias_client_asks_through_the_front_door(served: Served, tmp_path: Path) -> None:
    """tritonclient, unchanged, over gRPC: the model is named as its client can, beside each request."""
    programs = environment("triton", tmp_path / "env")
    address = f"{served.place.host}:{served.place.front_door_port}"
    command = [programs / "python", CLIENTS / "ask_triton_routed.py", address, "sum"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen == {"live": True, "ready": True, "sum": [[3.0]]}


def test_streams_go_through_while_the_canary_is_rescued(served: Served) -> None:
    """Each message gets its answer while the stream is open, from one version: the stream is one request."""
    rescue = Rescue(of=served.two.name, by=served.one.name, at_once=8, after_seconds=10)
    traffic = Traffic(stable=served.two.name, canary=served.one.name, rescue=rescue)
    served.target.set_traffic("sum", traffic)
    values = oip(name="x", shape=(1, 3), fp32_contents=[1.0, 2.0, 3.0])
    values.model_name = "sum"
    answered = threading.Semaphore(0)

    def messages() -> Iterator[bytes]:
        for number in range(3):
            assert number == 0 or answered.acquire(timeout=20)  # one after the other's answer
            yield values.SerializeToString()

    with grpc.insecure_channel(f"{served.place.host}:{served.place.front_door_port}") as channel:
        stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        answers = stream(messages(), metadata=[("x-slipway-model", "sum")], timeout=60)
        seen = []
        for answer in answers:
            seen.append(parse_message(get_message_class("inference.ModelStreamInferResponse"), answer))
            answered.release()

    assert [one.error_message for one in seen] == [""] * 3
