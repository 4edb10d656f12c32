"""Rows as requests of the Open Inference Protocol, and its answers as predictions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from slipway.errors import RevisionFailed

if TYPE_CHECKING:
    import pandas as pd

MATRIX = 2
"""Dimensions of an input that takes all columns at once."""


def make_payloads(frame: "pd.DataFrame", metadata: dict[str, Any]) -> list[bytes]:
    """Return one request per row, in the form that the service's own metadata asks for."""
    inputs = metadata["inputs"]
    if len(inputs) == 1 and len(inputs[0]["shape"]) >= MATRIX:
        return _make_matrix_payloads(frame, inputs[0])
    typed = [(entry, _restore_integers(frame[entry["name"]].to_numpy(), entry["datatype"])) for entry in inputs]
    return [
        _encode_body([_make_tensor(entry, [1], [values[row]]) for entry, values in typed]) for row in range(len(frame))
    ]


def _make_matrix_payloads(frame: "pd.DataFrame", entry: dict[str, Any]) -> list[bytes]:
    matrix = np.column_stack([_restore_integers(frame[name].to_numpy(), entry["datatype"]) for name in frame.columns])
    shape = [1, *entry["shape"][1:]]
    return [_encode_body([_make_tensor(entry, shape, row)]) for row in matrix]


def _make_tensor(entry: dict[str, Any], shape: list[int], data: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON array
    return {"name": entry["name"], "datatype": entry["datatype"], "shape": shape, "data": data}


def _encode_body(inputs: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"inputs": inputs}, option=orjson.OPT_SERIALIZE_NUMPY)


def _restore_integers(values: NDArray[Any], datatype: str) -> NDArray[Any]:
    """Convert integers that a file holds as floats back to their type; the service refuses values that do not fit."""
    if datatype == "BYTES":
        return values.astype(str).astype(object)
    if "INT" in datatype and values.dtype.kind == "f" and np.all(values == np.floor(values)):
        return values.astype(np.int64)
    return values


def read_prediction(answer: dict[str, Any]) -> NDArray[np.generic]:
    """Return the prediction for the one row sent; shape () or (outputs,). Raises RevisionFailed."""
    for output in answer.get("outputs", ()):
        if output.get("name") == "prediction":
            values: NDArray[np.generic] = np.asarray(output["data"]).reshape(output["shape"])
            return np.asarray(values[0])
    raise RevisionFailed(
        "the service's answer",
        seen=f"keys {', '.join(answer)}",
        expected="an output called `prediction`",
        do="package the model again with this version of Slipway",
    )


def stack_predictions(predictions: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    """Return predictions as one array, first axis the requests."""
    return np.stack([np.asarray(one) for one in predictions])
