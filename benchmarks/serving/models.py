"""The models that are served: made from fixed seeds, each laid out as a package has it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]
SEED = 7
ROWS = 16
"""Different rows that are asked for in turn."""
TREES = 100
LAYERS = (940, 940)
"""Of the MLP: about a million weights, 4 MB."""
PIXELS = tuple(f"pixel_{number}" for number in range(64))
BINS = 10
"""Bins of each column that the service counts."""
NUMBERS = ("age", "income", "balance", "rate", "tenure", "score")
COUNTS = ("children", "visits")
CATEGORIES = {"plan": ("basic", "family", "business"), "region": ("north", "east", "south", "west")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on disk, and the rows that it is asked for."""

    name: str
    folder: Path
    """Holds `model.onnx` and `slipway.json`."""
    rows: Arrays
    """`ROWS` rows by the name that a tensor has on the wire: one matrix (`input`), or the columns."""
    about: str

    @property
    def kilobytes(self) -> int:
        """The size of its file."""
        return round((self.folder / "model.onnx").stat().st_size / 1000)


def make(name: str, folder: Path) -> Model:
    """Make one of `MODELS` in a folder of its own below `folder`."""
    place = folder / name
    place.mkdir(parents=True)
    rows, about = MODELS[name](place)
    return Model(name=name, folder=place, rows=rows, about=about)


def _digits(folder: Path) -> tuple[Arrays, str]:
    from sklearn.ensemble import RandomForestClassifier

    values, labels = _digit_rows()
    model = RandomForestClassifier(TREES, random_state=SEED).fit(values, labels)
    _write_classifier(folder, model, values)
    return {"input": values[:ROWS]}, f"random forest, {TREES} trees, one matrix of 64 numbers"


def _mlp(folder: Path) -> tuple[Arrays, str]:
    import warnings

    from sklearn.neural_network import MLPClassifier

    values, labels = _digit_rows()
    with warnings.catch_warnings(action="ignore"):  # not converged: nobody needs its predictions to be good
        model = MLPClassifier(LAYERS, max_iter=1, random_state=SEED).fit(values, labels)
    _write_classifier(folder, model, values)
    return {"input": values[:ROWS]}, f"two layers of {LAYERS[0]}, one matrix of 64 numbers"


def _digit_rows() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return values.astype(np.float32), labels.astype(np.int64)


def _write_classifier(folder: Path, model: object, values: NDArray[np.float32]) -> None:
    from skl2onnx import to_onnx

    graph = to_onnx(model, values[:1], options={"zipmap": False})
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    columns = [{"name": name, "kind": "float64"} for name in PIXELS]
    profile = [_bins(name, values[:, number]) for number, name in enumerate(PIXELS)]
    _describe(folder, columns, [graph.graph.input[0].name], ["label", "probabilities"], profile)


def _cnn(folder: Path) -> tuple[Arrays, str]:
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(SEED)
    shapes = {"k1": (16, 1, 3, 3), "k2": (32, 16, 3, 3), "w1": (1568, 30), "b1": (30,), "w2": (30, 10), "b2": (10,)}
    weights = [
        numpy_helper.from_array(random.normal(0, 0.1, shape).astype(np.float32), name) for name, shape in shapes.items()
    ]
    half: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["image", "k1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], **half),
        helper.make_node("Conv", ["p1", "k2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], **half),
        helper.make_node("Flatten", ["p2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["g1"]),
        helper.make_node("Relu", ["g1"], ["r3"]),
        helper.make_node("Gemm", ["r3", "w2", "b2"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 1, 28, 28])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 10]),
    ]
    graph = helper.make_graph(nodes, "cnn", inputs, outputs, initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    columns = [{"name": "image", "kind": "float32", "shape": [-1, 1, 28, 28]}]
    _describe(folder, columns, ["image"], ["label", "probabilities"], [])
    images = random.random((ROWS, 1, 28, 28)).round(4).astype(np.float32)
    return {"image": images}, "two convolutions over 28 x 28, then two layers"


def _mixed(folder: Path) -> tuple[Arrays, str]:
    import pandas as pd
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = pd.DataFrame(_table(2000))
    good = (table["age"] + 0.5 * table["visits"] + (table["plan"] == "business") > 1).astype(np.int64)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), list(NUMBERS)),
            ("counts", StandardScaler(), list(COUNTS)),
            ("texts", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), list(CATEGORIES)),
        ]
    )
    model = make_pipeline(columns, GradientBoostingClassifier(n_estimators=TREES, random_state=SEED)).fit(table, good)
    kinds = dict.fromkeys(NUMBERS, FloatTensorType) | dict.fromkeys(COUNTS, Int64TensorType)
    kinds |= dict.fromkeys(CATEGORIES, StringTensorType)
    types = [(name, kind([None, 1])) for name, kind in kinds.items()]
    options = {id(model): {"zipmap": False}}
    graph = to_onnx(model, initial_types=types, options=options)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    _describe(folder, *_mixed_columns(table), ["label", "probabilities"], _mixed_profile(table))
    return {name: table[name].to_numpy()[:ROWS] for name in kinds}, (
        f"gradient boosting, {TREES} trees, {len(NUMBERS)} numbers, {len(COUNTS)} counts and {len(CATEGORIES)} texts"
    )


def _table(rows: int) -> Arrays:
    random = np.random.default_rng(SEED)
    numbers = {name: random.normal(size=rows).round(4).astype(np.float32) for name in NUMBERS}
    counts = {name: random.integers(0, 5, rows) for name in COUNTS}
    texts = {name: random.choice(words, rows).astype(object) for name, words in CATEGORIES.items()}
    return {**numbers, **counts, **texts}


def _mixed_columns(table: Any) -> tuple[list[dict[str, str]], list[str]]:  # noqa: ANN401 - pandas is imported late
    kinds = dict.fromkeys(NUMBERS, "float32") | dict.fromkeys(COUNTS, "int64") | dict.fromkeys(CATEGORIES, "str")
    return [{"name": name, "kind": kinds[name]} for name in table], list(table)


def _mixed_profile(table: Any) -> list[dict[str, object]]:  # noqa: ANN401 - pandas is imported late
    numbers = [_bins(name, table[name].to_numpy()) for name in (*NUMBERS, *COUNTS)]
    return [*numbers, *({"name": name, "categories": list(words)} for name, words in CATEGORIES.items())]


def _bins(name: str, values: NDArray[np.generic]) -> dict[str, object]:
    edges = np.unique(np.quantile(values.astype(np.float64), np.linspace(0, 1, BINS + 1)[1:-1]))
    return {"name": name, "edges": edges.tolist()}


def _describe(
    folder: Path,
    columns: Sequence[dict[str, Any]],
    inputs: list[str],
    outputs: list[str],
    profile: Sequence[dict[str, object]],
) -> None:
    """Write the manifest that packages have."""
    manifest = {
        "model": folder.name,
        "version": "1",
        "revision": f"{folder.name}-v1",
        "runtime": "onnx",
        "file": "model.onnx",
        "digest": "sha256:0",
        "batchable": True,
        "single_matrix": len(inputs) == 1,
        "columns": list(columns),
        "inputs": inputs,
        "outputs": outputs,
        "profile": list(profile),
    }
    (folder / "slipway.json").write_text(json.dumps(manifest), encoding="utf-8")


MODELS: dict[str, Callable[[Path], tuple[Arrays, str]]] = {
    "digits": _digits,
    "mlp": _mlp,
    "cnn": _cnn,
    "mixed": _mixed,
}
