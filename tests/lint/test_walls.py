"""The import contracts break where they should: each wrong import is written into a copy of the tree."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("demo", "flows", "services", "src", "tasks", "tests/lint")
WRONG = {
    "src/slipway/domain/rollout/timeline.py": (
        "slipway.artifacts.rows",
        "slipway.settings",
        "subprocess",
        "socket",
    ),
    "src/slipway/domain/gates/quality.py": ("time", "logging", "prefect"),
    "src/slipway/ports/models.py": ("mlflow",),
    "src/slipway/adapters/mlflow/runs.py": ("slipway.stack", "slipway.cli", "slipway.adapters.kubernetes"),
    "src/slipway/usecases/watch.py": ("prefect", "slipway.adapters.local", "kubernetes"),
    "src/slipway/artifacts/store.py": ("slipway.adapters.local",),
    "src/slipway/cli/status.py": ("slipway.adapters.report",),
    "tasks/rollouts.py": ("slipway.adapters.kubernetes", "httpx"),
    "flows/watch.py": ("slipway.wiring", "mlflow"),
}
"""By file: what it must not import."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the linter says of a copy with all wrong imports, as one line."""
    copy = tmp_path_factory.mktemp("copy")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, imports in WRONG.items():
        path = copy / name
        path.write_text(path.read_text() + "".join(f"\nimport {one}" for one in imports) + "\n")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(("name", "imported"), [(name, one) for name, many in WRONG.items() for one in many])
def test_a_wrong_import_breaks_a_contract(said: str, name: str, imported: str) -> None:
    """Whoever adds it hears of it, by both names."""
    importer = name.removeprefix("src/").removesuffix(".py").replace("/", ".")

    pairs = (f"{importer} is not allowed to import {imported}", f"{importer} -> {imported}")
    assert any(pair in said for pair in pairs), said
