"""The inference service as a real process with a port for gRPC, and models for it."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from services.inference.messages import get_message_class, parse_message
from tests.services.inference.conftest import manifest_of
from tests.services.inference.serving import Served, free_port, served

INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcServed:
    """A process of the service, and where it is asked over gRPC."""

    served: Served
    grpc: str

    @property
    def http(self) -> str:
        """Where it is asked over HTTP."""
        return f"127.0.0.1:{self.served.port}"

    def wait_ready(self) -> None:
        """Wait for the first ready answer."""
        self.served.wait_ready()

    def counted(self, name: str, **labels: str) -> float:
        """Return a sample of its metrics page."""
        words = [f'{key}="{value}"' for key, value in labels.items()]
        page = self.served.client.get("/metrics").raise_for_status().text
        lines = [line for line in page.splitlines() if line.partition("{")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(word in line for word in words))

    @contextlib.contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """Open a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(self.grpc, options=options) as channel:
            yield channel


@contextlib.contextmanager
def served_grpc(model: Path, folder: Path, *more: str) -> Iterator[GrpcServed]:
    """Serve a model over gRPC too; `more` are further words of the command line."""
    port = str(free_port())
    with served(model, folder, "--grpc-port", port, *more) as one:
        yield GrpcServed(served=one, grpc=f"127.0.0.1:{port}")


def unary(channel: grpc.Channel, method: str, body: bytes, answer: str, **how: Any) -> Any:  # noqa: ANN401 - a message
    """Return the answer to one RPC, as a message of the kind that is named."""
    return parse_message(get_message_class(answer), channel.unary_unary(method)(body, **how))


def oip(*raw: bytes, datatype: str = "FP32", name: str = "input", shape: tuple[int, ...] = (1, 3), **typed: Any) -> Any:  # noqa: ANN401 - a message
    """Return a request of the Open Inference Protocol with one input, its values as bytes or by type."""
    request = get_message_class("inference.ModelInferRequest")(model_name="toy", raw_input_contents=raw)
    entry = request.inputs.add(name=name, datatype=datatype, shape=shape)
    for field, values in typed.items():
        getattr(entry.contents, field).extend(values)
    return request


def tf(dtype: int = 1, **values: Any) -> Any:  # noqa: ANN401 - a message
    """Return a request of Predict with one input of one row."""
    request = get_message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "toy"
    tensor = get_message_class("tensorflow.TensorProto")(dtype=dtype, **values)
    for size in (1, 3):
        tensor.tensor_shape.dim.add(size=size)
    request.inputs["input"].CopyFrom(tensor)
    return request


def words_model(folder: Path) -> Path:
    """Write a model that gives back its texts, one input per column."""
    from onnx import TensorProto, helper

    tensors = [("number", TensorProto.INT64), ("word", TensorProto.STRING)]
    inputs = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in tensors]
    outputs = [helper.make_tensor_value_info("out", TensorProto.STRING, [None, 1])]
    graph = helper.make_graph([helper.make_node("Identity", ["word"], ["out"])], "g", inputs, outputs)
    columns = [{"name": "number", "kind": "int64"}, {"name": "word", "kind": "str"}]
    return _written(folder, graph, columns=columns, single_matrix=False, inputs=["number", "word"], outputs=["out"])


def slow_model(folder: Path) -> Path:
    """Write a model that counts to the largest number it is given, some millions a second, and gives that back."""
    from onnx import TensorProto, helper, numpy_helper

    inner = [helper.make_tensor_value_info("step", TensorProto.INT64, [])]
    inner += [helper.make_tensor_value_info("go", TensorProto.BOOL, [])]
    inner += [helper.make_tensor_value_info("before", TensorProto.INT64, [])]
    after = [helper.make_tensor_value_info("on", TensorProto.BOOL, [])]
    after += [helper.make_tensor_value_info("after", TensorProto.INT64, [])]
    one = numpy_helper.from_array(np_int(1), "one")
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["before", "one"], ["after"])],
        "body",
        inner,
        after,
        initializer=[one],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["times"], to=TensorProto.INT64),
        helper.make_node("Loop", ["times", "yes", "zero"], ["counted"], body=body),
        helper.make_node("Sub", ["counted", "counted"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["nil"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "nil"], ["y"]),
    ]
    start = [numpy_helper.from_array(np_int(0), "zero"), numpy_helper.from_array(np_int(1).astype(bool), "yes")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "slow", inputs, outputs, initializer=start)
    columns = [{"name": "x", "kind": "float32"}]
    return _written(folder, graph, columns=columns, inputs=["x"], outputs=["y"], batchable=False)


def np_int(number: int) -> Any:  # noqa: ANN401 - an array
    """Return a whole number as ONNX takes it."""
    import numpy as np

    return np.array(number, dtype=np.int64)


def _written(folder: Path, graph: Any, **manifest: object) -> Path:  # noqa: ANN401 - ONNX' own
    from onnx import helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "slipway.json").write_text(json.dumps(manifest_of(**manifest)))
    return folder
