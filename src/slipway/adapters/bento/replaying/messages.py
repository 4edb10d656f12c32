"""The gRPC requests, with the message types from the package's own descriptors: nothing of the service is imported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from numpy.typing import NDArray

from slipway.adapters.bento.replaying.requests import (
    OUTPUTS,
    ReplayProtocol,
    ReplayRequest,
    describe_form,
    encode_raw,
    list_tensors,
    list_variants,
    name_datatype,
)
from slipway.adapters.bento.replaying.samples import RequestRows

DESCRIPTORS = Path("src", "services", "inference", "messages", "messages.binpb")
"""Their path in a package."""
INFER = "/inference.GRPCInferenceService/ModelInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
TENSORFLOW = {"FP16": "HALF", "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING"}
"""TensorFlow's names of types (without DT_) that differ from ours."""
Message = Any
"""Its class is created at run time."""


class Messages:
    """Requests and answers of the two services."""

    def __init__(self, descriptors: bytes) -> None:
        """Read a set of descriptors."""
        self._pool = descriptor_pool.DescriptorPool()  # in the default pool they would conflict with TensorFlow's
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._dtypes = self._pool.FindEnumTypeByName("tensorflow.DataType")

    def get_class(self, name: str) -> Message:
        """Return the class of a message by its full name."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))

    def make_requests(self, model: str, sample: RequestRows) -> Iterator[ReplayRequest]:
        """Yield the same rows in every form of both services."""
        forms = [*list_tensors(sample), *((form, other.values) for form, other in list_variants(sample))]
        for form, arrays in forms:
            said = describe_form(form, sample)
            yield _make_infer_request(
                describe_form(f"{form}, as bytes", sample), self._make_oip_message(model, arrays, as_bytes=True)
            )
            if not any(name_datatype(values) == "FP16" for values in arrays.values()):  # no field can hold them
                yield _make_infer_request(said, self._make_oip_message(model, arrays, as_bytes=False))
            yield _make_predict_request(said, self._make_tensorflow_message(model, arrays))
        asked = self._make_oip_message(model, sample.values, as_bytes=True)
        for name in OUTPUTS:
            asked.outputs.add(name=name)
            yield _make_infer_request(describe_form(f"output {name} asked for", sample), asked)
        yield _make_predict_request(
            describe_form("output prediction asked for", sample),
            self._make_tensorflow_message(model, sample.values, OUTPUTS[0]),
        )

    def _make_oip_message(self, model: str, arrays: dict[str, NDArray[np.generic]], *, as_bytes: bool) -> Message:
        request = self.get_class("inference.ModelInferRequest")(model_name=model)
        for name, values in arrays.items():
            entry = request.inputs.add(name=name, datatype=name_datatype(values), shape=values.shape)
            if as_bytes:
                request.raw_input_contents.append(encode_raw(values))
            else:
                getattr(entry.contents, _name_field(name_datatype(values))).extend(_list_values(values))
        return request

    def _make_tensorflow_message(self, model: str, arrays: dict[str, NDArray[np.generic]], *outputs: str) -> Message:
        request = self.get_class("tensorflow.serving.PredictRequest")(output_filter=outputs)
        request.model_spec.name = model
        for name, values in arrays.items():
            tensor = request.inputs[name]
            tensor.dtype = self._dtypes.values_by_name[
                f"DT_{TENSORFLOW.get(name_datatype(values), name_datatype(values))}"
            ].number
            for size in values.shape:
                tensor.tensor_shape.dim.add(size=size)
            if values.dtype == object:
                tensor.string_val.extend(_list_values(values))
            else:
                tensor.tensor_content = values.tobytes()
        return request

    def get_dtype(self, number: int) -> str:
        """Return TensorFlow's name of a type: `INT64`, `FLOAT`, `STRING`."""
        return str(self._dtypes.values_by_number[number].name).removeprefix("DT_")


def _name_field(datatype: str) -> str:
    """Return the field of the Open Inference Protocol's contents that holds values of a type; small integers share one.

    >>> [_name_field(name) for name in ("INT8", "UINT32", "INT64", "FP32", "BOOL", "BYTES")]
    ['int_contents', 'uint_contents', 'int64_contents', 'fp32_contents', 'bool_contents', 'bytes_contents']
    """
    small = datatype.removesuffix("8").removesuffix("16").removesuffix("32")
    return f"{(small if small in {'INT', 'UINT'} else datatype).lower()}_contents"


def _list_values(values: NDArray[np.generic]) -> list[Any]:
    return [str(value).encode() for value in values.ravel()] if values.dtype == object else values.ravel().tolist()


def _make_infer_request(form: str, message: Message) -> ReplayRequest:
    return ReplayRequest(
        protocol=ReplayProtocol.OIP_GRPC, form=form, path=INFER, body=message.SerializeToString(), headers={}
    )


def _make_predict_request(form: str, message: Message) -> ReplayRequest:
    return ReplayRequest(
        protocol=ReplayProtocol.TENSORFLOW_GRPC, form=form, path=PREDICT, body=message.SerializeToString(), headers={}
    )
