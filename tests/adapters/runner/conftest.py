"""Model folders in MLflow's own format: one that brings its own code, to misbehave as a test wants."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

COLUMNS = [{"type": "double", "name": "x", "required": True}]


@pytest.fixture
def describe(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model folder with an MLmodel file and an input example; None takes a key out."""

    def write(**changes: object) -> Path:
        model = tmp_path / "model"
        model.mkdir(exist_ok=True)
        content = {
            "flavors": {
                "python_function": {"loader_module": "mlflow.sklearn"},
                "sklearn": {"serialization_format": "skops"},
            },
            "signature": {"inputs": json.dumps(COLUMNS), "outputs": json.dumps(COLUMNS)},
            "saved_input_example_info": {
                "artifact_path": "input_example.json",
                "type": "dataframe",
                "pandas_orient": "split",
            },
            **changes,
        }
        (model / "MLmodel").write_text(
            yaml.safe_dump({key: value for key, value in content.items() if value is not None})
        )
        (model / "input_example.json").write_text(json.dumps({"columns": ["x"], "data": [[1.0]]}))
        return model

    return write


@pytest.fixture
def coded(describe: Callable[..., Path]) -> Callable[[str], Path]:
    """Return a function that writes a model whose `predict(self, rows, params=None)` has the given body."""

    def write(body: str, prelude: str = "") -> Path:
        model = describe(flavors={"python_function": {"loader_module": "behaviour", "code": "code"}})
        (model / "code").mkdir()
        lines = "\n".join(f"        {line}" for line in body.splitlines())
        (model / "code" / "behaviour.py").write_text(
            f"import os, signal, subprocess, sys, threading\nimport numpy as np\n{prelude}\n"
            f"class Model:\n    def predict(self, rows, params=None):\n{lines}\n\n"
            "def _load_pyfunc(path):\n    return Model()\n"
        )
        return model

    return write


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a file of five rows with one input `x` from 1 to 5, and a label."""
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n1,0\n2,0\n3,1\n4,1\n5,1\n")
    return path
