"""The Optimizer port on real model folders, each step in its own process."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.adapters.onnx.session import run_onnx
from slipway.domain.optimize.conversion import Converted, name_columns
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import ConversionSpec, OptimizationSpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import ArtifactBroken, ConversionRefused, DataBroken

Compared = Callable[..., tuple[Verdict, dict[str, Any]]]


def save(model: object, path: Path, *, trusted: list[str] | None = None) -> Path:
    """Save an estimator as MLflow does by default."""
    import mlflow

    mlflow.sklearn.save_model(model, path, skops_trusted_types=trusted)
    return path


def test_digits_convert_and_agree(converted: Converted, digits_rows: Path, signature: Signature) -> None:
    """The file answers as the original, says so in one sentence, and runs with what the port returned."""
    predictions = run_onnx(converted.path, digits_rows, signature.columns, single_matrix=converted.single_matrix)

    assert converted.parity.outcome is Outcome.PASS
    assert converted.parity.reason.startswith("300 of 300 labels agree, largest probability difference ")
    assert converted.parity.reason.endswith("4 edge rows agree, 1 left out because the original refuses them")
    assert (converted.inputs, converted.outputs) == (("input",), ("prediction", "probabilities"))
    assert (predictions == pd.read_csv(digits_rows)["digit"]).mean() > 0.85


def test_the_same_model_gives_the_same_bytes(
    converted: Converted, digits_model: Path, digits_rows: Path, signature: Signature, tmp_path: Path
) -> None:
    """Converters draw random names; none is left, and nothing but the file stays in the folder."""
    again = OnnxOptimizer().convert(digits_model, signature, digits_rows, ConversionSpec(), tmp_path)

    assert again.digest == converted.digest
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_forest_converts_and_ships_no_int8(
    tmp_path: Path, pixels: pd.DataFrame, digits_rows: Path, signature: Signature
) -> None:
    """Trees have nothing to quantize: the table says so; what ships is one of the others."""
    labels = pd.read_csv(digits_rows)["digit"]
    forest = RandomForestClassifier(20, random_state=0).fit(pixels, labels)
    model = save(forest, tmp_path / "forest", trusted=["sklearn.tree._tree.Tree"])

    done = OnnxOptimizer().convert(model, signature, digits_rows, ConversionSpec(), tmp_path / "out")
    optimized = OnnxOptimizer().optimize(done, digits_rows, OptimizationSpec(rounds=10), tmp_path / "out")

    assert done.parity.reason.endswith("5 edge rows agree")
    plain, graph, quantized = optimized.table
    assert (plain.speedup, plain.path) == (1.0, done.path)
    assert graph.parity is not None
    assert graph.parity.outcome is Outcome.PASS
    assert graph.speedup_low <= graph.speedup <= graph.speedup_high
    assert (quantized.path, quantized.note) == (None, "not built: no operator of this graph can be quantized")
    assert optimized.chosen in (plain, graph)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["graph.onnx", "model.onnx"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_has_an_int8_form(
    tmp_path: Path, compared: Compared, converted: Converted, pixels: pd.DataFrame, digits_rows: Path
) -> None:
    """Matrix products are quantized; the form is smaller, and is measured only if its answers are close enough."""
    labels = pd.read_csv(digits_rows)["digit"]
    compared(MLPClassifier((256, 256), max_iter=30, random_state=0).fit(pixels, labels), pixels)
    done = replace(converted, path=tmp_path / "model.onnx")

    optimized = OnnxOptimizer().optimize(done, digits_rows, OptimizationSpec(rounds=10, batch_rows=8), tmp_path)

    quantized = next(row for row in optimized.table if row.name == "dynamic-int8")
    assert quantized.path is not None
    assert quantized.size_bytes < optimized.table[0].size_bytes / 2
    assert quantized.parity is not None
    assert bool(quantized.median_microseconds) == (quantized.parity.outcome is Outcome.PASS)
    assert optimized.chosen.path is not None
    assert optimized.chosen.path.is_file()


def test_without_variants_plain_ships(converted: Converted, digits_rows: Path, tmp_path: Path) -> None:
    """An empty list in the spec: plain is measured alone."""
    optimized = OnnxOptimizer().optimize(converted, digits_rows, OptimizationSpec(variants=[]), tmp_path)

    assert optimized.chosen.name == "plain"
    assert optimized.chosen.median_microseconds > 0
    assert optimized.reason == "plain ships: the spec requests no variant"


def test_rows_are_taken_cyclically_for_large_batches(converted: Converted, digits_rows: Path, tmp_path: Path) -> None:
    """A batch may have more rows than the file."""
    spec = OptimizationSpec(variants=["graph"], batch_rows=1000, rounds=5)

    optimized = OnnxOptimizer().optimize(converted, digits_rows, spec, tmp_path)

    assert optimized.table[0].median_microseconds > 100


def test_a_model_that_the_converter_refuses_says_why(
    tmp_path: Path, pixels: pd.DataFrame, digits_rows: Path, signature: Signature
) -> None:
    """The reason crosses the process; nothing is left in the folder."""
    labels = pd.read_csv(digits_rows)["digit"]
    pipeline = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=1000)).fit(pixels, labels)
    model = save(pipeline, tmp_path / "log", trusted=["numpy.log1p"])

    with pytest.raises(ConversionRefused, match="FunctionTransformer is not supported"):
        OnnxOptimizer().convert(model, signature, digits_rows, ConversionSpec(), tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == []


def test_models_of_other_frameworks_are_refused_at_once(
    tmp_path: Path, digits_rows: Path, signature: Signature
) -> None:
    """No process is started for what can't be converted."""
    (tmp_path / "MLmodel").write_text("flavors:\n  lightgbm: {}\n  python_function: {}\n")

    with pytest.raises(ConversionRefused, match="it is a lightgbm model"):
        OnnxOptimizer().convert(tmp_path, signature, digits_rows, ConversionSpec(), tmp_path / "out")


@pytest.mark.parametrize("text", [None, "][", "flavors: 3"])
def test_a_folder_that_is_no_model_is_broken(
    tmp_path: Path, digits_rows: Path, signature: Signature, text: str | None
) -> None:
    """No MLmodel file, or one that is not what MLflow writes."""
    if text is not None:
        (tmp_path / "MLmodel").write_text(text)

    with pytest.raises(ArtifactBroken, match="MLmodel file can't be read"):
        OnnxOptimizer().convert(tmp_path, signature, digits_rows, ConversionSpec(), tmp_path / "out")


def test_a_truncated_model_is_broken(
    tmp_path: Path, digits_model: Path, digits_rows: Path, signature: Signature
) -> None:
    """A file that can't be loaded is the artifact's fault, not the converter's."""
    model = shutil.copytree(digits_model, tmp_path / "model")
    file = model / "model.skops"
    file.write_bytes(file.read_bytes()[:1000])

    with pytest.raises(ArtifactBroken, match="it can't be loaded"):
        OnnxOptimizer().convert(model, signature, digits_rows, ConversionSpec(), tmp_path / "out")


def test_rows_without_a_column_are_broken(
    tmp_path: Path, digits_model: Path, digits_rows: Path, signature: Signature
) -> None:
    """The error of the rows file crosses the process as itself."""
    rows = tmp_path / "rows.csv"
    pd.read_csv(digits_rows).drop(columns="pixel_7").to_csv(rows, index=False)

    with pytest.raises(DataBroken, match="pixel_7"):
        OnnxOptimizer().convert(digits_model, signature, rows, ConversionSpec(), tmp_path / "out")


def test_a_worker_that_takes_too_long_is_ended(
    tmp_path: Path, digits_model: Path, digits_rows: Path, signature: Signature
) -> None:
    """The release goes on without a conversion, and no process stays."""
    with pytest.raises(ConversionRefused, match=r"no answer within 0\.1 s"):
        OnnxOptimizer(timeout_seconds=0.1).convert(
            digits_model, signature, digits_rows, ConversionSpec(), tmp_path / "out"
        )

    assert list((tmp_path / "out").iterdir()) == []


def test_a_broken_onnx_file_is_an_error(converted: Converted, digits_rows: Path, tmp_path: Path) -> None:
    """Nothing is chosen from a plain file that can't be run."""
    broken = tmp_path / "model.onnx"
    broken.write_bytes(converted.path.read_bytes()[:500])

    with pytest.raises(ArtifactBroken, match=r"model\.onnx"):
        OnnxOptimizer().optimize(replace(converted, path=broken), digits_rows, OptimizationSpec(), tmp_path / "out")


def test_a_signature_of_one_matrix_is_spelled_out_first(
    tmp_path: Path, digits_model: Path, digits_rows: Path, signature: Signature
) -> None:
    """A matrix has no column names, and rows files have nothing else; spelled out, it is the signature of columns."""
    matrix = Signature(inputs=(Column(name="", kind="float64", shape=(-1, 64)),), outputs=())

    with pytest.raises(ConversionRefused, match="one matrix, whose columns have no names"):
        OnnxOptimizer().convert(digits_model, matrix, digits_rows, ConversionSpec(), tmp_path)

    assert name_columns(matrix, signature.columns).inputs == signature.inputs
    with pytest.raises(ValueError, match="the rows have 2 columns"):
        name_columns(matrix, ["a", "b"])


def test_the_file_is_plain_onnx(converted: Converted) -> None:
    """No operator of others, no data elsewhere, no random name, and the columns it takes."""
    model = onnx.load(converted.path, load_external_data=False)

    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    assert model.graph.name == "slipway"
    assert [entry.key for entry in model.metadata_props] == ["slipway.columns"]
