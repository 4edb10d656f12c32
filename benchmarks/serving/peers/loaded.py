"""A model as every peer opens it: ONNX Runtime with one thread, and the tensors' names on the wire.

The peers run in environments of their own, so this needs no more than numpy and onnxruntime.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

KINDS = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(string)": "object"}
DATATYPES = {"float32": "FP32", "float64": "FP64", "int64": "INT64", "object": "BYTES"}
DTYPES = {"FP32": np.dtype("float32"), "FP64": np.dtype("float64"), "INT64": np.dtype("int64")}
ANSWERS = ("prediction", "probabilities")


class Loaded:
    """A session, and how requests become its feeds."""

    def __init__(self, folder: Path) -> None:
        """Open the model that `folder/slipway.json` describes."""
        said = json.loads((folder / "slipway.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = str(folder / said["file"])
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        entries = {entry.name: entry for entry in self._session.get_inputs()}
        self.name: str = said["model"]
        self.outputs: list[str] = said["outputs"]
        columns = [column["name"] for column in said["columns"]]
        self.is_table = not said["single_matrix"]
        wire = columns if self.is_table else [columns[0] if len(columns) == 1 else "input"]
        self.inputs: dict[str, str] = dict(zip(wire, said["inputs"], strict=True))
        """The model's names of inputs, by their names on the wire."""
        self.kinds = {name: np.dtype(KINDS[entries[own].type]) for name, own in self.inputs.items()}
        self.shapes = {name: tuple(entries[own].shape[1:]) for name, own in self.inputs.items()}
        """Of one row."""

    def run(self, tensors: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the answers by their names on the wire."""
        feeds = {
            own: np.asarray(tensors[name], dtype=self.kinds[name]).reshape(-1, *self.shapes[name])
            for name, own in self.inputs.items()
        }
        return dict(zip(ANSWERS, self._session.run(self.outputs, feeds), strict=True))
