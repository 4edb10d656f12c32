"""Messages of the gRPC protocols: where their classes come from, and what is said of those that are wrong."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from hypothesis import given
from hypothesis import strategies as st

from services.inference.grpc.methods import GrpcMethod
from services.inference.grpc.open_inference import OpenInferenceGrpc
from services.inference.grpc.tensorflow import PredictionService
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.messages import get_message_class
from services.inference.model import Model
from services.inference.refusals import Refused
from services.inference.request import Request
from tests.protos import DESCRIPTORS, compile_to
from tests.services.inference.grpc_serving import INFER, PREDICT, GrpcServed, oip, served_grpc, tf, unary

HUGE = (1 << 63) - 1
ROW = np.array([[2, 0, 0]], dtype=np.float32).tobytes()
Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def service(classifier: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GrpcServed]:
    """Serve the classifier."""
    with served_grpc(classifier, tmp_path_factory.mktemp("service")) as served:
        served.wait_ready()
        yield served


@pytest.fixture(scope="module")
def methods(classifier: Path) -> tuple[GrpcMethod, GrpcMethod]:
    """Return both protocols' methods that run the model, without a server."""
    manifest = parse_manifest(json.loads((classifier / "slipway.json").read_text()))
    model = Model(manifest=manifest, runtime=open_runtime(manifest, classifier))
    return OpenInferenceGrpc(model).list_methods()["ModelInfer"], PredictionService(model, ["champion"]).list_methods()[
        "Predict"
    ]


def refused(service: GrpcServed, method: str, body: bytes) -> tuple[str, str]:
    """Return the status and message of a refusal."""
    with service.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(body, timeout=30)
    return caught.value.code().name, caught.value.details()


def test_the_descriptors_are_those_of_the_proto_files(tmp_path: Path) -> None:
    """Who changes a .proto file runs `python -m tests.protos`."""
    compile_to(tmp_path / "fresh")

    sets = [
        descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()) for path in (tmp_path / "fresh", DESCRIPTORS)
    ]
    assert sets[0] == sets[1]


def test_the_messages_leave_the_default_pool_alone() -> None:
    """TensorFlow's and tritonclient's own messages of these names can be imported into the same process."""
    get_message_class("inference.ModelInferRequest")

    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("inference.ModelInferRequest")


def test_a_server_without_a_port_for_grpc_imports_nothing_of_it() -> None:
    """Cold starts don't pay for what nobody asked for."""
    late = ("grpc", "google.protobuf")
    code = f"import sys, services.inference.processes.worker; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


OIP_WRONG: dict[str, tuple[Change, str]] = {
    "too few bytes": (lambda r: r.raw_input_contents.__setitem__(0, ROW[:-1]), "input 'input': binary data: got 11"),
    "more bytes": (lambda r: r.raw_input_contents.__setitem__(0, ROW * 2), "input 'input': binary data: got 24"),
    "contents too": (lambda r: r.inputs[0].contents.fp32_contents.append(1), "input 'input': contents: got both"),
    "one entry more": (lambda r: r.raw_input_contents.append(ROW), "raw_input_contents: got 2 entries, expected 1"),
    "one entry less": (
        lambda r: r.inputs.add(name="b", datatype="FP32", shape=[1, 3]),
        "input 'b': raw_input_contents",
    ),
    "no values": (
        lambda r: r.ClearField("raw_input_contents"),
        "input 'input': fp32_contents: got 0 values, expected 3",
    ),
    "no inputs": (lambda r: r.ClearField("inputs"), "inputs: got none"),
    "no name": (lambda r: r.inputs[0].ClearField("name"), "inputs[0]: name"),
    "a name twice": (lambda r: r.inputs.append(r.inputs[0]), "input 'input': got the name twice"),
    "unknown type": (lambda r: setattr(r.inputs[0], "datatype", "BF16"), "input 'input': datatype: got BF16"),
    "no type": (lambda r: r.inputs[0].ClearField("datatype"), "input 'input': datatype: got , expected one of"),
    "no shape": (lambda r: r.inputs[0].ClearField("shape"), "input 'input': shape: got []"),
    "no rows": (lambda r: r.inputs[0].shape.__setitem__(0, 0), "input 'input': shape: got [0, 3]"),
    "negative": (lambda r: r.inputs[0].shape.__setitem__(0, -1), "input 'input': shape: got [-1, 3]"),
    "huge": (
        lambda r: r.inputs[0].shape.__setitem__(0, HUGE),
        f"input 'input': binary data: got 12 bytes, expected {HUGE * 12}",
    ),
    "huge and empty": (lambda r: r.inputs[0].shape.extend([0, HUGE, HUGE]), "input 'input': shape: got [1, 3, 0"),
    "deep": (lambda r: r.inputs[0].shape.extend([1] * 99_999), "input 'input': shape: got [1, 3, 1"),
    "other rank": (lambda r: r.inputs[0].shape.append(1), "input 'input': shape: got [1, 3, 1], expected [rows, 3]"),
    "shared memory": (
        lambda r: setattr(r.inputs[0].parameters["shared_memory_region"], "string_param", "x"),
        "input 'input': parameter 'shared_memory_region'",
    ),
    "classification": (
        lambda r: setattr(r.outputs.add(name="prediction").parameters["classification"], "int64_param", 2),
        "output 'prediction': parameter 'classification'",
    ),
}


@pytest.mark.parametrize("what", OIP_WRONG)
def test_a_wrong_request_is_refused_by_the_open_inference_protocol(service: GrpcServed, what: str) -> None:
    """With INVALID_ARGUMENT, naming the input, what was seen and what is expected."""
    change, expected = OIP_WRONG[what]
    request = oip(ROW)
    change(request)

    code, text = refused(service, INFER, request.SerializeToString())

    assert (code, text[: len(expected)]) == ("INVALID_ARGUMENT", expected)


TYPED_WRONG = {
    "of another type": ("FP32", {"fp64_contents": [1, 2, 3]}, "input 'input': contents: got fp64_contents"),
    "of two types": (
        "FP32",
        {"fp32_contents": [1, 2, 3], "bool_contents": [True]},
        "input 'input': contents: got bool",
    ),
    "too few": ("FP32", {"fp32_contents": [1, 2]}, "input 'input': fp32_contents: got 2 values, expected 3"),
    "out of range": ("INT8", {"int_contents": [1, 2, 128]}, "input 'input': int_contents: got 128"),
    "without a field": ("FP16", {}, "input 'input': contents: got datatype FP16, expected raw_input_contents"),
    "no texts": ("BYTES", {"bytes_contents": [b"\xff", b"", b""]}, "input 'input': bytes_contents: got text 0 that is"),
    "texts for numbers": ("BYTES", {"bytes_contents": [b"a", b"", b""]}, "input 'input'"),
}


@pytest.mark.parametrize("what", TYPED_WRONG)
def test_wrong_typed_contents_are_refused(service: GrpcServed, what: str) -> None:
    """Values must be in the field of their type, as many as the shape says."""
    datatype, contents, expected = TYPED_WRONG[what]
    request = oip(datatype=datatype, **contents)

    code, text = refused(service, INFER, request.SerializeToString())

    assert (code, text[: len(expected)]) == ("INVALID_ARGUMENT", expected)


@pytest.mark.parametrize(
    ("datatype", "field"),
    [
        ("FP32", "fp32_contents"),
        ("FP64", "fp64_contents"),
        ("INT8", "int_contents"),
        ("INT64", "int64_contents"),
        ("UINT16", "uint_contents"),
        ("UINT64", "uint64_contents"),
    ],
)
def test_typed_contents_get_typed_contents(service: GrpcServed, datatype: str, field: str) -> None:
    """Who sends values by their type gets them so, as from KServe."""
    request = oip(datatype=datatype, **{field: [2, 0, 0]})

    with service.channel() as channel:
        answer = unary(channel, INFER, request.SerializeToString(), "inference.ModelInferResponse")

    outputs = {one.name: one for one in answer.outputs}
    assert (list(answer.raw_output_contents), outputs["prediction"].datatype) == ([], "INT64")
    assert list(outputs["prediction"].contents.int64_contents) == [1]
    assert sum(outputs["probabilities"].contents.fp32_contents) == pytest.approx(1)


TF_WRONG: dict[str, tuple[Change, str]] = {
    "no dtype": (lambda t: t.ClearField("dtype"), "input 'input': dtype: got 0, expected one of"),
    "unknown dtype": (lambda t: setattr(t, "dtype", 14), "input 'input': dtype: got 14"),
    "unknown rank": (lambda t: setattr(t.tensor_shape, "unknown_rank", True), "input 'input': tensor_shape"),
    "no shape": (lambda t: t.ClearField("tensor_shape"), "input 'input': shape: got []"),
    "negative": (lambda t: setattr(t.tensor_shape.dim[0], "size", -1), "input 'input': shape: got [-1, 3]"),
    "huge": (lambda t: setattr(t.tensor_shape.dim[0], "size", HUGE), "input 'input': binary data: got 12 bytes"),
    "too few bytes": (lambda t: setattr(t, "tensor_content", ROW[:-1]), "input 'input': binary data: got 11 bytes"),
    "both": (lambda t: t.float_val.append(1), "input 'input': got both tensor_content and float_val"),
    "texts as bytes": (lambda t: setattr(t, "dtype", 7), "input 'input': tensor_content"),
    "no values": (lambda t: t.ClearField("tensor_content"), "input 'input': float_val: got 0 values, expected 3"),
}


@pytest.mark.parametrize("what", TF_WRONG)
def test_a_wrong_tensor_is_refused_by_predict(service: GrpcServed, what: str) -> None:
    """With INVALID_ARGUMENT, naming the input, what was seen and what is expected."""
    change, expected = TF_WRONG[what]
    request = tf(tensor_content=ROW)
    change(request.inputs["input"])

    code, text = refused(service, PREDICT, request.SerializeToString())

    assert (code, text[: len(expected)]) == ("INVALID_ARGUMENT", expected)


@pytest.mark.parametrize(
    ("dtype", "field", "values"),
    [
        (1, "float_val", [2.0, 0.0, 0.0]),
        (2, "double_val", [2.0, 0.0, 0.0]),
        (3, "int_val", [2, 0, 0]),
        (9, "int64_val", [2, 0, 0]),
        (10, "bool_val", [True, False, False]),
        (17, "int_val", [2, 0, 0]),
        (19, "half_val", np.array([2, 0, 0], dtype=np.float16).view(np.uint16).tolist()),
        (22, "uint32_val", [2, 0, 0]),
        (23, "uint64_val", [2, 0, 0]),
        (1, "float_val", [2.0]),
    ],
)
def test_predict_takes_values_of_every_type(service: GrpcServed, dtype: int, field: str, values: list[float]) -> None:
    """In the field of their type; one alone stands for all, as in TensorFlow."""
    request = tf(dtype, **{field: values})

    with service.channel() as channel:
        answer = unary(channel, PREDICT, request.SerializeToString(), "tensorflow.serving.PredictResponse")

    assert list(answer.outputs["prediction"].int64_val) == [1]


def test_one_value_does_not_stand_for_gigabytes(service: GrpcServed) -> None:
    """A small message makes no large array."""
    request = tf(1, float_val=[1.0])
    request.inputs["input"].tensor_shape.dim[0].size = 10**9

    code, text = refused(service, PREDICT, request.SerializeToString())

    assert (code, text) == (
        "INVALID_ARGUMENT",
        "input 'input': float_val: got 1 values, expected 3000000000, as its shape [1000000000, 3] says",
    )


@pytest.mark.parametrize("method", [INFER, PREDICT, "/grpc.health.v1.Health/Check"])
def test_bytes_that_are_no_message_are_refused(service: GrpcServed, method: str) -> None:
    """As the client's fault, not the server's."""
    code, text = refused(service, method, b"\x0a\xff")

    assert (code, text[:46]) == ("INVALID_ARGUMENT", "message: got 2 bytes that are none of its kind")


def told(method: GrpcMethod, body: bytes) -> bool:
    """Read a request; return whether it was taken or refused, with a message. Anything else is raised."""
    try:
        assert method.codec is not None
        method.codec.parse(Request("POST", "", b"", {}, body))
    except Refused as refusal:
        return refusal.status in {400, 404} and ": got " in str(refusal)
    return True


@given(noise=st.binary(max_size=64))
def test_any_bytes_are_taken_or_refused(methods: tuple[GrpcMethod, GrpcMethod], noise: bytes) -> None:
    """Nothing that comes ends in a failure of ours."""
    assert all(told(method, noise) for method in methods)


SIZES = st.lists(st.integers(-2, 5) | st.sampled_from([HUGE, 1 << 62, 1 << 32]), max_size=40)


@given(
    datatype=st.sampled_from(["FP32", "FP16", "INT8", "BOOL", "BYTES", "UINT64", "X"]),
    shape=SIZES,
    raw=st.lists(st.binary(max_size=40), max_size=2),
    numbers=st.lists(st.integers(-(1 << 31), (1 << 31) - 1), max_size=6),
)
def test_any_tensor_is_taken_or_refused(
    methods: tuple[GrpcMethod, GrpcMethod], datatype: str, shape: list[int], raw: list[bytes], numbers: list[int]
) -> None:
    """Whatever its type, shape and values say of one another, over both methods."""
    request = oip(*raw, datatype=datatype, int_contents=numbers)
    request.inputs[0].ClearField("shape")
    request.inputs[0].shape.extend(shape)
    predict = tf(len(numbers), int_val=numbers, half_val=numbers, tensor_content=b"".join(raw))
    del predict.inputs["input"].tensor_shape.dim[:]
    for size in shape:
        predict.inputs["input"].tensor_shape.dim.add(size=size)

    bodies = [request.SerializeToString(), predict.SerializeToString()]

    assert all(told(method, body) for method, body in zip(methods, bodies, strict=True))
