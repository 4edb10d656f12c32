"""What happens when models don't load, mix kinds of columns, or run in MLflow's child process."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from services.inference.loading import open_runtime
from services.inference.manifest import parse_manifest
from services.inference.protocols.oip_json import parse_request
from services.inference.refusals import ModelFailed
from services.inference.runtime.model_runtime import make_warm_up_rows
from services.inference.runtime.pyfunc import PyfuncRuntime

Maker = Callable[..., dict[str, Any]]
MODEL = """
import os
import mlflow.pyfunc

class Odd(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        print("models may print what they like")
        numbers, words = model_input["number"], model_input["word"]
        if (words == "hole").any():
            return [1.5, None][-len(words):]
        if (words == "die").any():
            os._exit(3)
        if (numbers < 0).any():
            raise ValueError("negative numbers confuse me")
        return [f"{word}{number}" for word, number in zip(words, numbers)]

mlflow.models.set_model(Odd())
"""
COLUMNS = [{"name": "number", "kind": "int64"}, {"name": "word", "kind": "str"}]


@pytest.fixture(scope="session")
def odd_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow model of numbers and words that has its moods."""
    import mlflow

    folder = tmp_path_factory.mktemp("odd")
    (folder / "code.py").write_text(MODEL)
    mlflow.pyfunc.save_model(folder / "mlflow", python_model=str(folder / "code.py"), pip_requirements=["mlflow"])
    return folder


def body(number: int, word: str) -> bytes:
    """Return a request of one row."""
    inputs = [
        {"name": "number", "shape": [1], "datatype": "INT64", "data": [number]},
        {"name": "word", "shape": [1], "datatype": "BYTES", "data": [word]},
    ]
    return json.dumps({"inputs": inputs}).encode()


def test_a_pyfunc_model_answers_fails_dies_and_comes_back(odd_model: Path, manifest_document: Maker) -> None:
    """Its errors and its death fail one request each; the child ends with the service, SIGTERM or not."""
    document = manifest_document(
        runtime="pyfunc", file="mlflow", columns=COLUMNS, single_matrix=False, inputs=[], outputs=[]
    )
    manifest = parse_manifest(document)
    runtime = open_runtime(manifest, odd_model)
    assert isinstance(runtime, PyfuncRuntime)

    async def story() -> list[object]:
        await runtime.start()
        (first,) = runtime.child_pids
        os.kill(first, signal.SIGTERM)
        said: list[object] = []
        for number, word in ((4, "a"), (-1, "b"), (2, "hole"), (1, "die"), (5, "c")):
            rows = parse_request(body(number, word), None, manifest).rows
            (result,) = await runtime.run_in_background([runtime.make_feeds(rows)])
            said.append(str(result) if isinstance(result, ModelFailed) else result["prediction"].tolist())
        (second,) = runtime.child_pids
        await runtime.stop()
        return [*said, first != second, psutil.pid_exists(second)]

    good, failed, hole, died, again, replaced, left = asyncio.run(story())

    assert (good, again) == (["a4"], ["c5"])
    assert failed == "ValueError: negative numbers confuse me"
    assert hole == "output 'prediction' is not a finite number in row 0"
    assert died == "the model's process ended with code 3; see the service's log"
    assert (replaced, left) == (True, False)


def test_a_pyfunc_model_that_does_not_load_says_why(tmp_path: Path, manifest_document: Maker) -> None:
    """The child's reason comes through."""
    (tmp_path / "mlflow").mkdir()
    manifest = parse_manifest(manifest_document(runtime="pyfunc", file="mlflow", single_matrix=False))

    with pytest.raises(ModelFailed, match="can't be loaded"):
        asyncio.run(open_runtime(manifest, tmp_path).start())


def test_a_truncated_onnx_file_says_so(classifier: Path, tmp_path: Path, manifest_document: Maker) -> None:
    """It never becomes ready."""
    (tmp_path / "model.onnx").write_bytes((classifier / "model.onnx").read_bytes()[:100])
    manifest = parse_manifest(manifest_document())

    with pytest.raises(ModelFailed, match=r"'model.onnx' can't be loaded"):
        asyncio.run(open_runtime(manifest, tmp_path).start())


def test_an_onnx_file_with_other_inputs_is_refused(classifier: Path, manifest_document: Maker) -> None:
    """The manifest and the model must speak of the same inputs and outputs."""
    manifest = parse_manifest(manifest_document(inputs=["Z"], outputs=["label"]))

    with pytest.raises(ModelFailed, match=r"the model has inputs \['X'\]"):
        asyncio.run(open_runtime(manifest, classifier).start())


def test_an_onnx_model_with_one_input_per_column(tmp_path: Path, manifest_document: Maker) -> None:
    """Numbers and text reach it each in its own kind; it is warmed up with zeros and empty text."""
    from onnx import TensorProto, helper

    tensors = [("number", TensorProto.INT64), ("word", TensorProto.STRING)]
    inputs = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in tensors]
    outputs = [helper.make_tensor_value_info("out", TensorProto.STRING, [None, 1])]
    graph = helper.make_graph([helper.make_node("Identity", ["word"], ["out"])], "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    document = manifest_document(columns=COLUMNS, single_matrix=False, inputs=["number", "word"], outputs=["out"])
    manifest = parse_manifest(document)
    runtime = open_runtime(manifest, tmp_path)

    async def both() -> list[np.ndarray[Any, Any]]:
        await runtime.start()
        requests = (make_warm_up_rows(manifest), parse_request(body(3, "hello"), None, manifest).rows)
        results = await runtime.run_in_background([runtime.make_feeds(rows) for rows in requests])
        return [result["prediction"] for result in results if not isinstance(result, ModelFailed)]

    empty, word = asyncio.run(both())

    assert (empty.tolist(), word.tolist()) == ([""], ["hello"])
