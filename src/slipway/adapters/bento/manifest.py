"""The package's description of itself, `model/slipway.json`, as services/inference reads it."""

from typing import Any

from slipway.domain.conversion import Converted
from slipway.domain.model import Artifact, Column, Signature
from slipway.errors import PackagingFailed

FOLDER = "model"
FILE = "slipway.json"
ONNX_FILE = "model.onnx"
PYFUNC_FOLDER = "mlflow"
_NUMBERS = frozenset(
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
)


def manifest(artifact: Artifact, signature: Signature, onnx: Converted | None, digest: str) -> dict[str, Any]:
    """Return the manifest's document; `digest` is that of the model as it ships. Raises PackagingFailed."""
    version = artifact.version
    return {
        "model": version.model,
        "version": str(version.version),
        "revision": version.name,
        "runtime": "pyfunc" if onnx is None else "onnx",
        "file": PYFUNC_FOLDER if onnx is None else ONNX_FILE,
        "columns": [_column(column, version.name) for column in signature.inputs],
        "inputs": [] if onnx is None else list(onnx.inputs),
        "single_matrix": onnx is not None and onnx.single_matrix,
        "outputs": [] if onnx is None else list(onnx.outputs),
        "digest": digest,
    }


def _column(column: Column, revision: str) -> dict[str, Any]:
    kind = "str" if column.kind in {"str", "object"} else column.kind
    if kind not in _NUMBERS | {"str"} or column.shape[:1] != (-1,) or any(size < 1 for size in column.shape[1:]):
        raise PackagingFailed(
            f"{revision}, input {column.name!r}",
            seen=f"type {column.kind}, shape {list(column.shape)}",
            expected="numbers, booleans or text, and a shape whose first size alone is open",
            do="log the model with such a signature; dates can be given as text or numbers",
        )
    return {"name": column.name, "kind": kind, "shape": list(column.shape)}
