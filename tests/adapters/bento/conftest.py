"""Real Bentos, built once: one of ONNX, one of MLflow's pyfunc, one that fails on some rows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipway.adapters.bento.packager import BentoPackager
from slipway.artifacts.store import compute_tree_digest
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, ModelVersion, Signature
from slipway.domain.rollout.revision import Package
from slipway.domain.verdict import Outcome, Verdict

ROOT = Path(__file__).parents[3]
PIXELS = tuple(f"pixel_{i}" for i in range(64))
SIGNATURE = Signature(inputs=tuple(Column(name=name, kind="float64") for name in PIXELS), outputs=())
EDGES = (1.0, 4.0, 8.0, 12.0, 15.0)
Pack = Callable[..., Package]
Profile = tuple[ColumnProfile, ...]


@pytest.fixture(scope="session")
def artifact(digits_model: Path) -> Artifact:
    """Return the digits model as the registry's download would be."""
    version = ModelVersion(model="digits", version=7, source="models:/m-1")
    return Artifact(version=version, path=digits_model, digest=compute_tree_digest(digits_model))


def converted(path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Converted:
    """Return an ONNX file as the optimizer hands it over."""
    parity = Verdict(check="parity", outcome=Outcome.PASS, reason="not of interest here")
    return Converted(
        path=path,
        digest="",
        parity=parity,
        inputs=inputs,
        outputs=outputs,
        single_matrix=True,
        rows_independent=True,
    )


@pytest.fixture(scope="session")
def onnx(digits_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Return the digits model as ONNX."""
    import mlflow
    from skl2onnx import to_onnx

    model = mlflow.sklearn.load_model(str(digits_model))
    path = tmp_path_factory.mktemp("onnx") / "digits.onnx"
    graph = to_onnx(model, np.zeros((1, 64), dtype=np.float32), options={"zipmap": False})
    path.write_bytes(graph.SerializeToString())
    return converted(path, ("X",), ("label", "probabilities"))


@pytest.fixture(scope="session")
def packager(tmp_path_factory: pytest.TempPathFactory) -> BentoPackager:
    """Return a packager of this checkout's service."""
    return BentoPackager(tmp_path_factory.mktemp("bentoml"), ROOT)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store that the session's packages lie in."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def profile() -> Profile:
    """Return the bins of every pixel; how many validation rows lie in them is of no interest here."""
    counts = (0,) * (len(EDGES) + 2)
    return tuple(ColumnProfile(name=name, edges=EDGES, counts=counts) for name in PIXELS)


@pytest.fixture(scope="session")
def onnx_package(
    packager: BentoPackager, artifact: Artifact, onnx: Converted, store: Path, profile: Profile
) -> Package:
    """Return digits 7 packaged as ONNX."""
    return packager.build_package(artifact, SIGNATURE, onnx, {"commit": "4f1c"}, store, profile=profile)


@pytest.fixture(scope="session")
def pyfunc_package(packager: BentoPackager, artifact: Artifact, store: Path, profile: Profile) -> Package:
    """Return digits 7 packaged as it is."""
    return packager.build_package(artifact, SIGNATURE, None, {"commit": "4f1c"}, store, profile=profile)


@pytest.fixture(scope="session")
def fragile_package(packager: BentoPackager, artifact: Artifact, store: Path) -> Package:
    """Return a package that answers 0 and 1 with 10 and 20, and fails on every other number."""
    from onnx import TensorProto, helper, numpy_helper

    path = store / "fragile.onnx"
    constants = [
        numpy_helper.from_array(np.array([[10.0], [20.0]], dtype=np.float32), "table"),
        numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat"),
    ]
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["y"], axis=0),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "table", inputs, outputs, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    signature = Signature(inputs=(Column(name="x", kind="float32"),), outputs=())
    return packager.build_package(artifact, signature, converted(path, ("x",), ("y",)), {}, store)


@pytest.fixture(scope="session")
def expected(digits_model: Path, digits_rows: Path) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the original model's predictions for the rows."""
    import mlflow

    frame = pd.read_csv(digits_rows)
    predictions: np.ndarray[tuple[int], np.dtype[np.int64]]
    predictions = mlflow.sklearn.load_model(str(digits_model)).predict(frame[list(PIXELS)])
    return predictions
