"""Closed-loop load over gRPC by `h2load`: so many connections, each of which asks again when it was answered."""

import re
import resource
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving.asking import DATATYPES, NEAR, Answers
from benchmarks.serving.models import ROWS, Model
from benchmarks.serving.processes import HOST, Process, ServerFailed, pinned
from services.inference.messages import get_message_class

METHOD = "/inference.GRPCInferenceService/ModelInfer"
UNDER_WAY = 0.001
"""Share of the answers that may be cut by the end of a measurement."""
ModelInferRequest = get_message_class("inference.ModelInferRequest")
ModelInferResponse = get_message_class("inference.ModelInferResponse")


def messages(model: Model) -> list[bytes]:
    """Return requests of one row, their values as bytes, one per row."""
    return [_message(model, number).SerializeToString() for number in range(ROWS)]


def _message(model: Model, number: int) -> Any:  # noqa: ANN401 - a message
    request = ModelInferRequest(model_name=model.name)
    for name, values in model.rows.items():
        row = values[number : number + 1]
        shape = row.shape if row.ndim > 1 else (1, 1)
        request.inputs.add(name=name, datatype=DATATYPES[values.dtype.name], shape=shape)
        request.raw_input_contents.append(row.tobytes())
    return request


def check(server: str, port: int, bodies: list[bytes], right: Answers) -> int:
    """Ask for every row once, and return an answer's bytes; raise ServerFailed where one is not ONNX Runtime's."""
    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        answers = [channel.unary_unary(METHOD)(body, timeout=30) for body in bodies]
    for number, answer in enumerate(answers):
        seen = _values(answer)
        for name, values in right.items():
            if not np.allclose(seen[name], np.ravel(values[number]), atol=NEAR, rtol=NEAR):
                raise ServerFailed(f"{server}, gRPC: {name} of row {number} is {seen[name]}, not {values[number]}")
    sizes = {len(answer) for answer in answers}
    if len(sizes) != 1:
        raise ServerFailed(
            f"{server}, gRPC: answers of {sorted(sizes)} bytes, expected one size: load is checked by it"
        )
    return sizes.pop()


def _values(answer: bytes) -> dict[str, NDArray[np.generic]]:
    response = ModelInferResponse.FromString(answer)
    kinds: dict[str, type[np.generic]] = {"FP32": np.float32, "INT64": np.int64}
    return {
        entry.name: np.frombuffer(raw, kinds[entry.datatype])
        for entry, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcLoad:
    """One message on disk, sent from one core."""

    port: int
    file: Path
    """The first row's message, as it stands in a body."""
    answer_size: int
    """Bytes of an answer that is right: an error has other ones, and HTTP's 200 as well."""
    core: int

    def run(self, process: Process, connections: int, seconds: int) -> dict[str, Any]:
        """Ask for some seconds; return the rate, latencies in ms, and what server and client computed meanwhile.

        `refused` counts answers that were not a prediction. Raises ServerFailed where a connection broke.
        """
        log = self.file.with_suffix(".log")
        command = [
            *(*pinned([self.core]), "h2load", "-t1", "-m1", f"-c{connections}", f"-D{seconds}", f"--log-file={log}"),
            *("-d", str(self.file), "-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{HOST}:{self.port}{METHOD}",
        ]
        log.unlink(missing_ok=True)
        before, children = process.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        after, now = process.cpu_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
        answered, wrong = self._counted(done.stdout)
        tails = _percentiles(log)
        used = sum(after[pid] - before.get(pid, 0.0) for pid in after)
        return {
            "rps": answered / seconds,
            **tails,
            "cpu_us": 1e6 * used / answered,
            "refused": wrong,
            "server_cores": used / seconds,
            "client_cores": (now.ru_utime + now.ru_stime - children.ru_utime - children.ru_stime) / seconds,
        }

    def _counted(self, said: str) -> tuple[int, int]:
        """Return how many answers came, and how many of them have not the size of a right one."""
        counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", said)
        data = re.search(r"\(\d+\) headers .*?\((\d+)\) data", said)
        if counts is None or data is None or not int(counts[1]) or int(counts[2]) or int(counts[3]):
            raise ServerFailed(f"h2load on port {self.port}: {said[-600:]}; expected answers, and no failure")
        answered = int(counts[1])
        missing = answered - int(data[1]) / (5 + self.answer_size)
        return answered, 0 if abs(missing) <= UNDER_WAY * answered + 1 else max(1, round(abs(missing)))


def _percentiles(log: Path) -> dict[str, float]:
    """Return p50, p90 and p99 in ms of the requests that h2load noted."""
    times = sorted(int(line.split("\t")[2]) / 1000 for line in log.read_text(encoding="utf-8").splitlines())
    cuts = statistics.quantiles(times, n=100)
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98]}
