"""Nothing of the interface is typed a second time: its names stand in no other source file of product and service."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_interface import environment, headers, logs, metrics, pages

ROOT = Path(__file__).parents[2]
FOLDERS = ("src/slipway", "services", "flows", "tasks", "demo", "benchmarks")
PUBLIC = {pages.METRICS, pages.LIVE, pages.READY, pages.MODEL_READY, pages.PRIVATE}
"""Paths that other servers have too: Prometheus' page, probes, and the name of the product itself."""


def names_of(*modules: object) -> set[str]:
    """Return all texts that modules define, also those in tuples."""
    values = [value for module in modules for name, value in vars(module).items() if name.isupper()]
    return {text for value in values for text in (value if isinstance(value, tuple) else (value,)) if type(text) is str}


NAMES = names_of(environment, headers, logs, metrics, pages) - PUBLIC
_TYPED = re.compile(
    "|".join(rf"(?<![\w./-]){re.escape(name)}(?![\w-])" for name in sorted(NAMES, key=len, reverse=True))
)


def typed(source: str) -> Iterator[str]:
    """Yield the interface's names that stand in string literals of some source; documentation may name them."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            yield from _TYPED.findall(text)


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_are_typed_once(folder: str) -> None:
    """Each is imported from slipway_interface."""
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / folder).rglob("*.py")
        for name in typed(path.read_text(encoding="utf-8"))
    }

    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        'a = "x-slipway-compare"',
        'a = b"x-request-id"',
        'a = f"sum(slipway_requests_total{b})"',
        'a = ("SLIPWAY_GPU", 1)',
    ],
)
def test_a_typed_name_is_found(source: str) -> None:
    """In texts, bytes, parts of texts, and in the midst of others."""
    assert len(list(typed(source))) == 1


def test_dashboard_and_rules_name_metrics_that_there_are() -> None:
    """What the chart installs for Prometheus and Grafana can't import them."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "deployments" / "chart").rglob("files/*")]
    used = {name for text in texts for name in re.findall(r"slipway_[a-z_]+", text)}
    known = {name + suffix for name in names_of(metrics) for suffix in ("", "_bucket", "_count", "_sum")}

    assert used <= known
    assert metrics.REQUESTS in used
