"""TensorFlow Serving's own client against the service over gRPC, unchanged: `ask_tensorflow.py MODEL GRPC`.

Runs in an environment of its own; what it saw goes to standard output as JSON.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

ROWS = np.array([[2, 0, 0], [-2, 0, 0]], dtype=np.float32)
SECONDS = 30


def main(model: str, address: str) -> dict[str, Any]:
    """Ask everything of a model: `numbers` classifies three numbers, `words` gives texts back."""
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return numbers(stub) if model == "numbers" else words(stub)


def request(tensor: Any = None, **spec: Any) -> predict_pb2.PredictRequest:  # noqa: ANN401 - TensorFlow's own
    """Return a request of two rows to the classifier."""
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = spec.get("name", "toy")
    if "version" in spec:
        asked.model_spec.version.value = spec["version"]
    if "label" in spec:
        asked.model_spec.version_label = spec["label"]
    asked.model_spec.signature_name = spec.get("signature", "")
    asked.inputs["input"].CopyFrom(tf.make_tensor_proto(ROWS) if tensor is None else tensor)
    return asked


def numbers(stub: prediction_service_pb2_grpc.PredictionServiceStub) -> dict[str, Any]:
    """Ask for predictions with values in each form, by version and label, and for what is not there."""
    content = request()
    by_type = tf.make_tensor_proto(ROWS)
    by_type.ClearField("tensor_content")
    by_type.float_val.extend(ROWS.ravel().tolist())
    answer = stub.Predict(content, SECONDS)
    one = request()
    one.output_filter.append("probabilities")
    return {
        "content": bool(content.inputs["input"].tensor_content),
        "classes": classes(answer),
        "by_type": classes(stub.Predict(request(by_type), SECONDS)),
        "values": list(answer.outputs["prediction"].int64_val),
        "probabilities": list(tf.make_ndarray(answer.outputs["probabilities"]).shape),
        "spec": [
            answer.model_spec.name,
            answer.model_spec.version.value,
            answer.model_spec.signature_name,
        ],
        "versions": [
            classes(stub.Predict(asked, SECONDS))
            for asked in (request(version=3), request(label="champion"), request(signature="serving_default"))
        ],
        "filtered": list(stub.Predict(one, SECONDS).outputs),
        "metadata": metadata(stub),
        "errors": {
            "model": refused(lambda: stub.Predict(request(name="joy"), SECONDS)),
            "version": refused(lambda: stub.Predict(request(version=4), SECONDS)),
            "label": refused(lambda: stub.Predict(request(label="canary"), SECONDS)),
            "signature": refused(lambda: stub.Predict(request(signature="other"), SECONDS)),
            "width": refused(lambda: stub.Predict(request(tf.make_tensor_proto(ROWS[:, :2])), SECONDS)),
            "field": refused(lambda: metadata(stub, "other")),
        },
    }


def classes(answer: predict_pb2.PredictResponse) -> list[int]:
    """Return predicted classes as TensorFlow reads them."""
    return list(tf.make_ndarray(answer.outputs["prediction"]).tolist())


def metadata(stub: prediction_service_pb2_grpc.PredictionServiceStub, field: str = "signature_def") -> dict[str, Any]:
    """Ask for the signature."""
    asked = get_model_metadata_pb2.GetModelMetadataRequest()
    asked.model_spec.name = "toy"
    asked.metadata_field.append(field)
    said = stub.GetModelMetadata(asked, SECONDS)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    unpacked = said.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    return {
        "unpacked": unpacked,
        "method": signature.method_name,
        "inputs": {name: shown(info) for name, info in signature.inputs.items()},
        "outputs": {name: shown(info) for name, info in signature.outputs.items()},
    }


def shown(info: Any) -> list[Any]:  # noqa: ANN401 - TensorInfo
    """Return a tensor's type and shape."""
    return [tf.dtypes.as_dtype(info.dtype).name, [dim.size for dim in info.tensor_shape.dim]]


def words(stub: prediction_service_pb2_grpc.PredictionServiceStub) -> dict[str, Any]:
    """Ask the model of texts."""
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = "toy"
    asked.inputs["number"].CopyFrom(tf.make_tensor_proto(np.arange(2)))
    asked.inputs["word"].CopyFrom(tf.make_tensor_proto(["hello", "w\u00f6rld"]))
    texts = tf.make_ndarray(stub.Predict(asked, SECONDS).outputs["prediction"])
    return {"words": [text.decode() for text in texts.ravel()]}


def refused(ask: Callable[[], object]) -> list[str]:
    """Return the error: status and message."""
    try:
        ask()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return ["none", "none"]


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
