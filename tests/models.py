"""Model folders in MLflow's own format, written without MLflow; one kind brings code that does what a test wants."""

import json
from pathlib import Path

import yaml

COLUMNS = [{"type": "double", "name": "x", "required": True}]


def write_model(model: Path, **changes: object) -> Path:
    """Write a model folder with an MLmodel file and an input example; None takes a key out."""
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
    (model / "MLmodel").write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    (model / "input_example.json").write_text(json.dumps({"columns": ["x"], "data": [[1.0]]}))
    return model


def write_coded_model(model: Path, body: str, prelude: str = "") -> Path:
    """Write a model whose `predict(self, rows, params=None)` has this body; loading it runs the prelude."""
    write_model(model, flavors={"python_function": {"loader_module": "behaviour", "code": "code"}})
    (model / "code").mkdir()
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    (model / "code" / "behaviour.py").write_text(
        f"import os, signal, subprocess, sys, threading\nimport numpy as np\n{prelude}\n"
        f"class Model:\n    def predict(self, rows, params=None):\n{lines}\n\n"
        "def _load_pyfunc(path):\n    return Model()\n"
    )
    return model
