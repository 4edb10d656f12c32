"""A flavor of weights in a JSON file: one number is predicted for each row."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipway.adapters.onnx.converter import OPSET, Converter
from slipway.domain.gates.parity import Answers

if TYPE_CHECKING:
    import pandas as pd
    from onnx import ModelProto

Weights = NDArray[np.float32]


def load(model: Path) -> Weights:
    """Return the weights, shape (columns, 1)."""
    return np.array(json.loads((model / "weights.json").read_text()), dtype=np.float32).reshape(-1, 1)


def ask(weights: Weights, frame: "pd.DataFrame") -> Answers:
    """Return the weighted sum of each row."""
    return Answers(predictions=(frame.to_numpy(np.float32) @ weights).ravel())


def convert(weights: Weights, kinds: dict[str, str]) -> tuple["ModelProto", bool]:
    """Return a graph of one product, that takes one matrix."""
    from onnx import TensorProto, helper, numpy_helper

    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, len(kinds)])]
    outputs = [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [None, 1])]
    product = helper.make_node("MatMul", ["input", "weights"], ["sum"])
    graph = helper.make_graph([product], "linear", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET[""])]), True


CONVERTER = Converter(expected="a linear model of weights", load=load, ask=ask, convert=convert)
