"""Real scikit-learn models as MLflow folders, and rows to try them on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipway.adapters.onnx import answering, convert_worker
from slipway.adapters.onnx.converters import find_converter
from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.domain.gates.parity import EdgeAnswers, judge_parity
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import ConversionSpec
from slipway.domain.verdict import Verdict

os.environ["OMP_NUM_THREADS"] = "1"

PIXELS = tuple(f"pixel_{i}" for i in range(64))


@pytest.fixture(scope="session")
def signature() -> Signature:
    """Return the digits' signature: 64 columns of float64 in, a label out."""
    return Signature(
        inputs=tuple(Column(name=name, kind="float64") for name in PIXELS),
        outputs=(Column(name="digit", kind="int64"),),
    )


@pytest.fixture(scope="session")
def pixels(digits_rows: Path) -> pd.DataFrame:
    """Return the digits' inputs, shape (300, 64)."""
    return pd.read_csv(digits_rows)[list(PIXELS)].astype(float)


@pytest.fixture(scope="session")
def truth(digits_rows: Path) -> "pd.Series[int]":
    """Return the digits' labels, shape (300,)."""
    return pd.read_csv(digits_rows)["digit"]


@pytest.fixture(scope="session")
def converted(
    tmp_path_factory: pytest.TempPathFactory, digits_model: Path, digits_rows: Path, signature: Signature
) -> Converted:
    """Return the digits model, converted through the port."""
    out = tmp_path_factory.mktemp("converted")
    return OnnxOptimizer().convert(digits_model, signature, digits_rows, ConversionSpec(), out)


Compared = Callable[..., tuple[Verdict, dict[str, Any]]]


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """Return a function that does in this process what the worker does: (estimator, rows) to (parity, response)."""

    def compare(model: Any, frame: pd.DataFrame) -> tuple[Verdict, dict[str, Any]]:  # noqa: ANN401 - any estimator
        kinds = {name: _kind(frame[name]) for name in frame.columns}
        response = convert_worker.compare_forms(find_converter("sklearn"), model, frame, kinds, tmp_path)
        found = answering.load_answers(tmp_path / convert_worker.ANSWERS_FILE)
        edges = EdgeAnswers(original=found["edges_original"], converted=found["edges_converted"], **response["edges"])
        return judge_parity(found["original"], found["converted"], ConversionSpec(), edges), response

    return compare


def _kind(column: "pd.Series[Any]") -> str:
    return column.dtype.name if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf" else "str"
