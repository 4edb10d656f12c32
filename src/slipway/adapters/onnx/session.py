"""Running an ONNX file on rows with ONNX Runtime, one thread per session, in this process.

For files that our own workers made. The columns and their order come with the file (`read_columns`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipway.artifacts.rows import make_matrix, read_rows
from slipway.domain.gates.parity import Answers

if TYPE_CHECKING:
    import onnxruntime as ort
    import pandas as pd

COLUMNS_KEY = "slipway.columns"
"""Metadata of our ONNX files: JSON list of the input columns, in order."""
CPU = ("CPUExecutionProvider",)
_KINDS = {"tensor(int64)": np.int64, "tensor(bool)": np.bool_, "tensor(float)": np.float32}
_ERRORS_ONLY = 3
"""ONNX Runtime's log level: its warnings are about its own optimizer."""

Feed = dict[str, NDArray[np.generic]]


def open_session(path: Path, *, providers: Sequence[str] = CPU, optimize: bool = True) -> "ort.InferenceSession":
    """Load an ONNX file. `optimize` False: run the graph as it lies in the file."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options, providers=list(providers))


def read_columns(session: "ort.InferenceSession") -> list[str]:
    """Return the input columns that the file says it takes, in order."""
    return list(json.loads(session.get_modelmeta().custom_metadata_map[COLUMNS_KEY]))


def make_feed(session: "ort.InferenceSession", frame: "pd.DataFrame", *, single_matrix: bool) -> Feed:
    """Return a frame of rows as the session's inputs: one matrix, or one array of shape (rows, 1) per column."""
    inputs = session.get_inputs()
    if single_matrix:
        return {inputs[0].name: make_matrix(frame).astype(np.float32)}
    return {put.name: _convert_column(frame[name], put.type) for put, name in zip(inputs, frame.columns, strict=True)}


def _convert_column(series: "pd.Series", kind: str) -> NDArray[np.generic]:
    if kind == "tensor(string)":
        return np.asarray(series.astype(str), dtype=object).reshape(-1, 1)
    return np.asarray(series).astype(_KINDS[kind]).reshape(-1, 1)


def run_session(session: "ort.InferenceSession", inputs: Feed) -> Answers:
    """Run the session and return the prediction and, where the file gives them, the probabilities."""
    prediction, *rest = session.run(None, inputs)
    return Answers(predictions=convert_labels(prediction), probabilities=rest[0] if rest else None)


def convert_labels(values: object) -> NDArray[np.generic]:
    """Return predictions as an array without Python objects: text as unicode."""
    array: NDArray[np.generic] = np.asarray(values)
    return array.astype(np.str_) if array.dtype.kind == "O" else array


def run_onnx(path: Path, rows: Path, columns: Sequence[str], *, single_matrix: bool) -> NDArray[np.generic]:
    """Return an ONNX file's predictions for a rows file, shape (rows,) or (rows, outputs).

    Raises DataBroken when the rows can't be read or lack a column.
    """
    session = open_session(path)
    return run_session(
        session, make_feed(session, read_rows(path=rows, columns=columns), single_matrix=single_matrix)
    ).predictions
