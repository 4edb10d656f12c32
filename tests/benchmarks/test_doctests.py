"""Examples in the decision benchmark's docstrings are executed."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "benchmarks/decisions").rglob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_say_what_happens(name: str) -> None:
    """Every example gives what stands under it."""
    assert doctest.testmod(import_module(name)).failed == 0
