"""Converters to ONNX: one file for each flavor of MLflow, named as the flavor, that defines `CONVERTER`.

A new file is all that a new converter needs (docs/decisions/0024-artifacts-and-registries.md says how).
"""

from importlib import import_module
from pkgutil import iter_modules

from slipway.adapters.onnx.converter import Converter


def list_flavors() -> tuple[str, ...]:
    """Return the flavors that are converted, sorted.

    >>> "sklearn" in list_flavors()
    True
    """
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def find_converter(flavor: str) -> Converter:
    """Return the converter of a flavor that `list_flavors` names; raise KeyError for another one."""
    if flavor not in list_flavors():
        raise KeyError(flavor)
    converter: Converter = import_module(f"{__name__}.{flavor}").CONVERTER
    return converter


def describe_convertible() -> str:
    """Return what is converted, for errors."""
    return " or ".join(find_converter(flavor).expected for flavor in list_flavors())
