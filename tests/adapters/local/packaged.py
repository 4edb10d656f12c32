"""Packages of the inference service as the packager lays them out, with small models, for a target that serves them."""

import json
import shutil
from pathlib import Path
from typing import Any, Literal

from onnx import TensorProto, helper

from slipway.domain.rollout.revision import Package, Revision

ROOT = Path(__file__).parents[3]


def packaged(folder: Path, model: str, version: int, columns: int) -> Revision:
    """Write a package whose model adds up a row of so many numbers; return the revision that serves it."""
    source = _with_service(folder / f"{model}-v{version}")
    (source / "model" / "model.onnx").write_bytes(_sum_of(columns))
    (source / "model" / "slipway.json").write_text(json.dumps(_manifest(model, version, columns)))
    return _revision(source, model, version, "onnx")


def packaged_pyfunc(folder: Path, model: str, version: int, mlflow_model: Path) -> Revision:
    """Write a package that serves an MLflow model with one input `x` as it is; return the revision that serves it."""
    source = _with_service(folder / f"{model}-v{version}")
    shutil.copytree(mlflow_model, source / "model" / "mlflow")
    columns = [{"name": "x", "kind": "float64"}]
    pyfunc = {"runtime": "pyfunc", "file": "mlflow", "columns": columns, "inputs": [], "outputs": []}
    manifest = {**_manifest(model, version, 1), **pyfunc, "single_matrix": False, "batchable": False}
    (source / "model" / "slipway.json").write_text(json.dumps(manifest))
    return _revision(source, model, version, "pyfunc")


def _with_service(package: Path) -> Path:
    source = package / "src"
    shutil.copytree(ROOT / "services" / "inference", source / "services" / "inference")
    shutil.copyfile(ROOT / "services" / "__init__.py", source / "services" / "__init__.py")
    shutil.copytree(ROOT / "src" / "slipway_interface", source / "slipway_interface")
    (source / "model").mkdir()
    return source


def _revision(source: Path, model: str, version: int, runtime: Literal["onnx", "pyfunc"]) -> Revision:
    package = Package(
        model=model,
        version=version,
        path=source.parent,
        digest=f"sha256:{version}",
        tag=f"{model}:v{version}",
        runtime=runtime,
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
