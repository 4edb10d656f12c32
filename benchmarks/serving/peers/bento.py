"""BentoML as its documentation shows it: a service class with an `@api`; `bentoml serve bento:Matrix` in a folder."""

import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import pandas as pd
from loaded import Loaded

FOLDER = Path(os.environ["BENCH_MODEL"])
CONFIG: dict[str, Any] = {"workers": 1, "logging": {"access": {"enabled": False}}}


@bentoml.service(**CONFIG)
class Matrix:
    """A model of one matrix."""

    def __init__(self) -> None:
        """Open the model."""
        self.model = Loaded(FOLDER)

    @bentoml.api
    def predict(self, rows: np.ndarray) -> dict[str, Any]:  # type: ignore[type-arg]
        """Return the answers for rows."""
        (name,) = self.model.inputs
        return {key: values.tolist() for key, values in self.model.run({name: rows}).items()}


@bentoml.service(**CONFIG)
class Table:
    """A model of columns."""

    def __init__(self) -> None:
        """Open the model."""
        self.model = Loaded(FOLDER)

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return the answers for rows."""
        tensors = {name: rows[name].to_numpy() for name in rows}
        return {key: values.tolist() for key, values in self.model.run(tensors).items()}
