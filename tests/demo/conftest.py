"""The digits and the four trained versions."""

import pytest

from demo import models, rows
from demo.models import Trained
from demo.rows import Digits


@pytest.fixture(scope="session")
def digits() -> Digits:
    """Return scikit-learn's digits, split as the demo does."""
    return rows.load()


@pytest.fixture(scope="session")
def trained(digits: Digits) -> list[Trained]:
    """Return the demo's four versions."""
    return [models.train(recipe, digits) for recipe in models.RECIPES]
