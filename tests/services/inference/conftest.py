"""A small ONNX model behind the real application, and a way to ask it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.inference.application import build_application
from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package's model folder: three float columns, classes 0 and 1, with probabilities."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("classifier")
    rows = np.random.default_rng(7).normal(size=(200, 3))
    model = LogisticRegression().fit(rows, (rows[:, 0] > 0).astype(np.int64))
    onnx = to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    document = manifest_of(inputs=["X"], outputs=["label", "probabilities"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def tree_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model like the classifier that has an answer to any numbers: nothing overflows in a tree."""
    from skl2onnx import to_onnx
    from sklearn.tree import DecisionTreeClassifier

    folder = tmp_path_factory.mktemp("tree")
    rows = np.random.default_rng(7).normal(size=(200, 3))
    model = DecisionTreeClassifier(max_depth=3, random_state=7).fit(rows, (rows[:, 0] > 0).astype(np.int64))
    onnx = to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    document = manifest_of(inputs=["X"], outputs=["label", "probabilities"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def table_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that looks a number up in a table of three, and fails on any other: 0, 1, 2 give 10, 20, NaN."""
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("table")
    table = numpy_helper.from_array(np.array([[10.0], [20.0], [np.nan]], dtype=np.float32), "table")
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["y"], axis=0),
    ]
    flat = numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "table", inputs, outputs, initializer=[table, flat])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    document = manifest_of(columns=[{"name": "x", "kind": "float32"}], inputs=["x"], outputs=["y"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


def manifest_of(**changes: object) -> dict[str, Any]:
    """Return a good manifest, with some keys changed."""
    columns = [{"name": name, "kind": "float64"} for name in "abc"]
    good = {"model": "toy", "version": "3", "revision": "toy-v3", "runtime": "onnx", "file": "model.onnx"}
    return {
        **good,
        "columns": columns,
        "inputs": ["X"],
        "single_matrix": True,
        "outputs": ["y"],
        "digest": "d",
        "profile": [],
        "batchable": True,
    } | changes


@pytest.fixture(scope="session")
def manifest_document() -> Callable[..., dict[str, Any]]:
    """Return the maker of manifests."""
    return manifest_of


@pytest.fixture(scope="session")
def ask() -> Callable[[Path], Ask]:
    """Return a maker of clients: `ask(folder)(method, path, **request)` gives the application's answer."""
    return _client


def _client(folder: Path) -> Ask:
    manifest = parse_manifest(json.loads((folder / "slipway.json").read_text()))
    model = Model(manifest=manifest, runtime=open_runtime(manifest, folder))
    asyncio.run(model.start())
    transport = httpx.ASGITransport(app=build_application(model, OperationsPages(model, Siblings(model, None, ""))))

    def send(method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own arguments
        async def exchange() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
                return await client.request(method, path, **request)

        return asyncio.run(exchange())

    return send


@pytest.fixture(scope="session")
def toy(classifier: Path) -> Ask:
    """Ask the classifier."""
    return _client(classifier)


@pytest.fixture(scope="session")
def table(table_model: Path) -> Ask:
    """Ask the table."""
    return _client(table_model)
