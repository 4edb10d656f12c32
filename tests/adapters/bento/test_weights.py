"""Large weights: in a file of their own, which the workers of a server share."""

import json
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from slipway.adapters.bento.weights import SHARED_FROM_BYTES, SUFFIX, lay_out_model
from tests.services.inference.serving import served, until

SIZE = 3072
WEIGHTS = 4 * SIZE * SIZE


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of one product with a large matrix: it gives its row back, doubled."""
    path = tmp_path_factory.mktemp("large") / "large.onnx"
    constant = numpy_helper.from_array(2 * np.eye(SIZE, dtype=np.float32), "w")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, SIZE])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, SIZE])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "large", inputs, outputs, initializer=[constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def weights(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return a model's one constant."""
    return numpy_helper.to_array(onnx.load(path).graph.initializer[0])


def test_a_large_model_has_its_weights_beside_it(large: Path, tmp_path: Path) -> None:
    """The same model in two files."""
    lay_out_model(large, tmp_path / "model.onnx")

    assert large.stat().st_size > SHARED_FROM_BYTES
    assert (tmp_path / f"model.onnx{SUFFIX}").stat().st_size == WEIGHTS
    assert (tmp_path / "model.onnx").stat().st_size < 4096
    assert np.array_equal(weights(tmp_path / "model.onnx"), weights(large))


def test_a_small_model_is_one_file(tmp_path: Path) -> None:
    """As it was, byte by byte."""
    (tmp_path / "small.onnx").write_bytes(b"any bytes")

    lay_out_model(tmp_path / "small.onnx", tmp_path / "model.onnx")

    assert (tmp_path / "model.onnx").read_bytes() == b"any bytes"
    assert not (tmp_path / f"model.onnx{SUFFIX}").exists()


def test_workers_share_the_weights(large: Path, tmp_path: Path) -> None:
    """Each maps the file, and has no page of it for itself."""
    folder = tmp_path / "model"
    folder.mkdir()
    lay_out_model(large, folder / "model.onnx")
    column = {"name": "x", "kind": "float32", "shape": [-1, SIZE]}
    names = {
        "model": "toy",
        "version": "3",
        "revision": "toy-v3",
        "runtime": "onnx",
        "file": "model.onnx",
        "digest": "d",
    }
    form = {"columns": [column], "inputs": ["x"], "outputs": ["y"], "single_matrix": True, "batchable": True}
    (folder / "slipway.json").write_text(json.dumps({**names, **form, "profile": []}))
    tensor = {"name": "x", "shape": [1, SIZE], "datatype": "FP32", "data": [1.5] * SIZE}

    with served(folder, tmp_path / "served", "--workers", "2") as service:
        until(lambda: service.logged("ready") == 2)
        answer = service.client.post("/v2/models/toy/infer", json={"inputs": [tensor]}).json()
        maps = [_weights(worker) for worker in service.workers()]

    assert set(answer["outputs"][0]["data"]) == {3.0}
    assert [mapped for mapped, _ in maps] == [WEIGHTS, WEIGHTS]
    assert [dirty for _, dirty in maps] == [0, 0]


def _weights(worker: psutil.Process) -> tuple[int, int]:
    """Return how many bytes of the file a process has mapped, rounded down to whole files, and those it changed."""
    own = [one for one in worker.memory_maps() if one.path.endswith(SUFFIX)]
    return sum(one.size for one in own) // WEIGHTS * WEIGHTS, sum(one.private_dirty for one in own)
