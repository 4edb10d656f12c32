"""The model's one signature as TensorFlow Serving describes it, and whether it can classify or regress."""

from collections.abc import Mapping, Sequence

from services.inference.manifest import Manifest
from services.inference.model import TensorType
from services.inference.tensors import get_datatype

SIGNATURE = "serving_default"
METHOD = "tensorflow/serving/predict"
TYPES = {
    "BOOL": "DT_BOOL",
    "UINT8": "DT_UINT8",
    "UINT16": "DT_UINT16",
    "UINT32": "DT_UINT32",
    "UINT64": "DT_UINT64",
    "INT8": "DT_INT8",
    "INT16": "DT_INT16",
    "INT32": "DT_INT32",
    "INT64": "DT_INT64",
    "FP16": "DT_HALF",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BYTES": "DT_STRING",
}
"""TensorFlow's names of the Open Inference Protocol's types."""
FLOATS = frozenset(["FP16", "FP32", "FP64"])
Described = dict[str, object]


def describe_signature(manifest: Manifest, name: str, outputs: Mapping[str, TensorType]) -> Described:
    """Return the signature's definition; `name` is that of the whole input, if the model takes one matrix."""
    kind = manifest.matrix_kind
    if kind is not None and (manifest.single_matrix or len(manifest.columns) > 1):
        inputs = {name: _describe_tensor(name, get_datatype(kind), (-1, *manifest.inner_shape))}
    else:
        columns = manifest.columns
        inputs = {
            column.name: _describe_tensor(column.name, get_datatype(column.kind), column.shape) for column in columns
        }
    given = {name: _describe_output(name, outputs.get(name)) for name in manifest.output_names}
    return {"inputs": inputs, "outputs": given, "method_name": METHOD}


def _describe_output(name: str, kind: TensorType | None) -> Described:
    """Describe an output; the type of one that was never seen is unknown."""
    if kind is not None:
        return _describe_tensor(name, kind.datatype, kind.shape)
    return {"dtype": "DT_INVALID", "tensor_shape": {"dim": [], "unknown_rank": True}, "name": f"{name}:0"}


def _describe_tensor(name: str, datatype: str, shape: Sequence[int]) -> Described:
    sizes = [{"size": str(size), "name": ""} for size in shape]
    return {
        "dtype": TYPES[datatype],
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
        "name": f"{name}:0",
    }


def explain_no_classes(manifest: Manifest, outputs: Mapping[str, TensorType]) -> str | None:
    """Return why the model returns no classes; None: it does."""
    kind = outputs.get("prediction")
    if "probabilities" in manifest.output_names:
        return None
    if kind is None:
        return "a model whose answers were never seen"
    if kind.datatype in FLOATS or len(kind.shape) > 1:
        return f"predictions of type {TYPES[kind.datatype]} and shape {list(kind.shape)}"
    return None


def explain_no_regression(outputs: Mapping[str, TensorType]) -> str | None:
    """Return why the model returns no number per row; None: it does."""
    kind = outputs.get("prediction")
    if kind is None:
        return "a model whose answers were never seen"
    if kind.datatype not in FLOATS or len(kind.shape) > 1:
        return f"predictions of type {TYPES[kind.datatype]} and shape {list(kind.shape)}"
    return None
