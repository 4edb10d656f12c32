"""Model folders as a test describes them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.models import write_model


@pytest.fixture
def describe(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model folder with an MLmodel file and an input example; None takes a key out."""
    return partial(write_model, tmp_path / "model")
