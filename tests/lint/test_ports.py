"""Ports stay small: what an adapter has to implement is read at a glance."""

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from slipway import ports

LARGEST = 6
"""Methods of one port."""


def _list_ports() -> dict[str, list[str]]:
    """Return the methods of every protocol under slipway.ports, by its name."""
    found = {}
    for module in iter_modules([str(Path(ports.__file__).parent)]):
        loaded = import_module(f"slipway.ports.{module.name}")
        for name, one in inspect.getmembers(loaded, inspect.isclass):
            if getattr(one, "_is_protocol", False) and one.__module__ == loaded.__name__:
                found[name] = [method for method in vars(one) if inspect.isfunction(getattr(one, method))]
    return found


PORTS = _list_ports()


def test_the_ports_are_found() -> None:
    """The list is not empty by mistake."""
    assert {"Revisions", "Router", "Scaler", "Leases", "HeldLeases", "ModelRegistry"} <= set(PORTS)


@pytest.mark.parametrize("name", PORTS)
def test_a_port_has_at_most_six_methods(name: str) -> None:
    """More belong to a second port."""
    methods = [method for method in PORTS[name] if not method.startswith("_")]

    assert 1 <= len(methods) <= LARGEST, methods
