"""Models of mixed columns, words and pixels, and servers to ask of them."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.inference.protocols.mlflow_asking import Ask, real_server, saved
from tests.services.inference.protocols.tensorflow_asking import Maker, identity

ECHO = """
import mlflow.pyfunc

class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["word"].to_numpy()

mlflow.models.set_model(Echo())
"""


@pytest.fixture(scope="session")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return MLflow's server of the toy model, saved with a signature of columns: it takes columns by name."""
    return real_server(saved(tmp_path_factory.mktemp("mlflow"), signature=True))


@pytest.fixture(scope="session")
def mixed_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return an ONNX model of a number, a word and a truth value, which gives the word back."""
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("mixed")
    kinds = {"number": TensorProto.INT64, "word": TensorProto.STRING, "flag": TensorProto.BOOL}
    inputs = [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in kinds.items()]
    output = helper.make_tensor_value_info("out", TensorProto.STRING, [None, 1])
    graph = helper.make_graph([helper.make_node("Identity", ["word"], ["out"])], "mixed", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": "number", "kind": "int64"}, {"name": "word", "kind": "str"}, {"name": "flag", "kind": "bool"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=list(kinds), outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def mixed(ask: Callable[[Path], Ask], mixed_model: Path) -> Ask:
    """Ask the model of mixed columns."""
    return ask(mixed_model)


@pytest.fixture(scope="session")
def real_mixed(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return MLflow's server of a model of the same columns, which gives the word back too."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    folder = tmp_path_factory.mktemp("real-mixed")
    (folder / "code.py").write_text(ECHO)
    specs = [ColSpec("long", "number"), ColSpec("string", "word"), ColSpec("boolean", "flag")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about type hints
        mlflow.pyfunc.save_model(
            folder / "model",
            python_model=str(folder / "code.py"),
            signature=ModelSignature(Schema(specs)),
            pip_requirements=["mlflow"],
        )
        return real_server(folder / "model")


@pytest.fixture(scope="session")
def pixels(tmp_path_factory: pytest.TempPathFactory, ask: Callable[[Path], Ask], manifest_document: Maker) -> Ask:
    """Ask a model of one tensor of 2 x 2 pixels, which gives it back."""
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("pixels")
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2, 2]) for name in ("pixels", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["pixels"], ["out"])], "pixels", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": "pixels", "kind": "float32", "shape": [-1, 2, 2]}]
    document = manifest_document(columns=columns, inputs=["pixels"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return ask(folder)


@pytest.fixture(scope="session")
def echo_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model of a number and a word, which gives the word back."""
    from onnx import TensorProto

    folder = tmp_path_factory.mktemp("echo")
    identity(folder, {"number": TensorProto.INT64, "word": TensorProto.STRING}, of="word")
    columns = [{"name": "number", "kind": "int64"}, {"name": "word", "kind": "str"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=["number", "word"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def words_model(tmp_path_factory: pytest.TempPathFactory, manifest_document: Maker) -> Path:
    """Return a model of one column of words, which gives them back."""
    from onnx import TensorProto

    folder = tmp_path_factory.mktemp("words")
    identity(folder, {"word": TensorProto.STRING}, of="word")
    columns = [{"name": "word", "kind": "str"}]
    document = manifest_document(columns=columns, single_matrix=False, inputs=["word"], outputs=["out"])
    (folder / "slipway.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def echo(ask: Callable[[Path], Ask], echo_model: Path) -> Ask:
    """Ask the model of numbers and words."""
    return ask(echo_model)


@pytest.fixture(scope="session")
def words(ask: Callable[[Path], Ask], words_model: Path) -> Ask:
    """Ask the model of words."""
    return ask(words_model)
