"""Paths and rows that the tests of TensorFlow Serving share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

Ask = Callable[..., httpx.Response]
Maker = Callable[..., dict[str, Any]]
MODEL = "/v1/models/toy"
PREDICT, CLASSIFY, REGRESS = f"{MODEL}:predict", f"{MODEL}:classify", f"{MODEL}:regress"
ROWS = [[0.5, -1.0, 2.0], [-0.5, 1.0, 0.0]]
NAMED = [dict(zip("abc", row, strict=True)) for row in ROWS]


def identity(folder: Path, inputs: dict[str, int], *, of: str, shape: tuple[int, ...] = (1,)) -> None:
    """Write an ONNX model that gives one of its inputs back."""
    from onnx import helper

    infos = [helper.make_tensor_value_info(name, kind, [None, *shape]) for name, kind in inputs.items()]
    output = helper.make_tensor_value_info("out", inputs[of], [None, *shape])
    graph = helper.make_graph([helper.make_node("Identity", [of], ["out"])], "identity", infos, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
