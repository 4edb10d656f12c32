"""Optimization passes: one file for each, named as the pass (`_` for `-`), that defines `PASS`.

A new file is all that a new pass needs (docs/decisions/0024-artifacts-and-registries.md says how). The names `plain`,
`model` and `feeds` are those of other files.
"""

import difflib
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from slipway.errors import SpecError

if TYPE_CHECKING:  # specs read the names alone
    from slipway.adapters.onnx.optimizer_pass import Pass


def list_passes() -> tuple[str, ...]:
    """Return the names of all passes, sorted: what `optimization.variants` of a release spec may name.

    >>> list_passes()[:2]
    ('dynamic-int8', 'graph')
    """
    return tuple(sorted(module.name.replace("_", "-") for module in iter_modules(__path__)))


def find_pass(name: str) -> "Pass":
    """Return a pass by its name; raise SpecError for a name that `list_passes` does not know."""
    known = list_passes()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise SpecError(
            f"optimization variant {name!r}",
            seen="no such pass",
            expected=f"one of {', '.join(known)}",
            do=f"write `{close[0]}`" if close else "correct `optimization.variants` in the release spec",
        )
    found: Pass = import_module(f"{__name__}.{name.replace('-', '_')}").PASS
    return found
