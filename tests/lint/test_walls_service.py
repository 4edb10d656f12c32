"""The import contracts of the services hold: an import that must not be breaks them, tried in a copy of the tree."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "services", "flows", "tasks", "demo", "tests/lint")
PROGRAM = Path(sys.executable).with_name("lint-imports")

FORBIDDEN = {
    "the runtime imports the application": ("runtime/engine.py", "services.inference.application"),
    "telemetry imports a page": ("telemetry/meter.py", "services.inference.pages.siblings"),
    "HTTP/2 imports a protocol": ("http2/session.py", "services.inference.protocols.oip"),
    "HTTP/2 imports gRPC": ("http2/streams.py", "services.inference.grpc.call"),
    "a protocol imports the request's life": ("protocols/oip.py", "services.inference.exchange"),
    "a page imports the application": ("pages/openapi.py", "services.inference.application"),
    "gRPC imports the application": ("grpc/call.py", "services.inference.application"),
    "a page imports BentoML's service": ("pages/operations.py", "services.inference.service"),
    "the service imports the product": ("model.py", "slipway.errors"),
    "the service imports the registry's client": ("loading.py", "mlflow"),
    "the service imports the cluster's client": ("rescue.py", "kubernetes"),
    "the service imports the webhook": ("loading.py", "services.webhook.events"),
}
"""A file of services/inference, and what it must not import."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source tree, which the contracts hold in."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.html", "*.svg"))
    shutil.copyfile(ROOT / "pyproject.toml", copy / "pyproject.toml")
    assert lint(copy).returncode == 0
    return copy


def lint(tree: Path) -> "subprocess.CompletedProcess[str]":
    """Run the contracts of the services on a tree."""
    contracts = ("service-layers", "service-imports", "services")
    words = [word for name in contracts for word in ("--contract", name)]
    return subprocess.run([PROGRAM, "--no-cache", *words], cwd=tree, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_an_import_that_must_not_be_breaks_a_contract(tree: Path, what: str) -> None:
    """And the contract names it."""
    name, imported = FORBIDDEN[what]
    path = tree / "services" / "inference" / name
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\nimport {imported}\n", encoding="utf-8")
    try:
        done = lint(tree)
    finally:
        path.write_text(before, encoding="utf-8")

    importer = f"services.inference.{name.removesuffix('.py').replace('/', '.')}"
    assert done.returncode == 1
    assert f"{importer} -> {imported}" in " ".join(done.stdout.split())


def test_a_module_without_a_layer_breaks_the_contract(tree: Path) -> None:
    """A new module has to be given one."""
    path = tree / "services" / "inference" / "without_a_layer.py"
    path.touch()
    try:
        done = lint(tree)
    finally:
        path.unlink()

    assert done.returncode == 1
    assert "without_a_layer" in done.stdout
