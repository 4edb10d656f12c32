"""The examples in the docstrings of pure modules and of the service are executed: documentation that is wrong fails."""

import doctest
import importlib
import pkgutil

import pytest

import services.inference
import slipway.domain
import slipway_interface

MODULES = [
    "slipway.errors",
    *(found.name for found in pkgutil.walk_packages(slipway.domain.__path__, "slipway.domain.")),
    *(found.name for found in pkgutil.walk_packages(slipway_interface.__path__, "slipway_interface.")),
    *(found.name for found in pkgutil.walk_packages(services.inference.__path__, "services.inference.")),
]
MODULES.remove("services.inference.service")  # importing it changes BentoML


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """Every example of the module gives what it shows."""
    failed, _tried = doctest.testmod(importlib.import_module(name))

    assert failed == 0


def test_there_are_examples() -> None:
    """The check above is not empty."""
    found = [test for name in MODULES for test in doctest.DocTestFinder().find(importlib.import_module(name))]

    assert sum(len(test.examples) for test in found) >= 8
