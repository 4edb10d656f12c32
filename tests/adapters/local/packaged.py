"""Packages of the inference service as the packager lays them out, with small models, for a target that serves them."""

import json
import shutil
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper

from slipway.domain.revision import Package, Revision

ROOT = Path(__file__).parents[3]


def packaged(folder: Path, model: str, version: int, columns: int) -> Revision:
    """Write a package whose model adds up a row of so many numbers; return the revision that serves it."""
    source = folder / f"{model}-v{version}" / "src"
    shutil.copytree(ROOT / "services" / "inference", source / "services" / "inference")
    shutil.copyfile(ROOT / "services" / "__init__.py", source / "services" / "__init__.py")
    (source / "model").mkdir()
    (source / "model" / "model.onnx").write_bytes(_sum_of(columns))
    (source / "model" / "slipway.json").write_text(json.dumps(_manifest(model, version, columns)))
    package = Package(
        model=model,
        version=version,
        path=source.parent,
        digest=f"sha256:{version}",
        tag=f"{model}:v{version}",
        runtime="onnx",
    )
    return Revision(name=f"{model}-v{version}", model=model, version=version, package=package)


def _sum_of(columns: int) -> bytes:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, columns])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=1)
    graph = helper.make_graph([node], "sum", inputs, outputs, initializer=[axis])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    written: bytes = made.SerializeToString()
    return written


def _manifest(model: str, version: int, columns: int) -> dict[str, Any]:
    return {
        "model": model,
        "version": str(version),
        "revision": f"{model}-v{version}",
        "runtime": "onnx",
        "file": "model.onnx",
        "columns": [{"name": f"column_{number}", "kind": "float32"} for number in range(columns)],
        "inputs": ["x"],
        "single_matrix": True,
        "outputs": ["y"],
        "digest": "d",
        "profile": [],
        "batchable": True,
    }
