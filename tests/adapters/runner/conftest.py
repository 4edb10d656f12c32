"""A model that brings its own code, and rows for it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.models import write_coded_model


@pytest.fixture
def coded(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model whose `predict(self, rows, params=None)` has the given body."""
    return partial(write_coded_model, tmp_path / "model")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a file of five rows with one input `x` from 1 to 5, and a label."""
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n1,0\n2,0\n3,1\n4,1\n5,1\n")
    return path
