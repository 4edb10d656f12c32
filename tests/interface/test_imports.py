"""The interface goes into every package: it needs nothing but Python's own library."""

import ast
import sys
from pathlib import Path

import slipway_interface

FOLDER = Path(slipway_interface.__file__).parent


def test_it_imports_the_standard_library_only() -> None:
    """And its own modules."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}

    assert {name.partition(".")[0] for name in imported} <= {*sys.stdlib_module_names, "slipway_interface"}
    assert len(imported) > 3
