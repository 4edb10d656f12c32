"""What Helm makes of the chart: rendered by the real program, read back as documents."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deployments" / "chart" / "slipway"
EXAMPLES = ROOT / "deployments" / "examples"
KUBERNETES = "1.35.0"
NAMESPACE = "ops"
Document = dict[str, Any]
LEAST: Document = {
    "image": {"repository": "registry.example/slipway-worker"},
    "mlflow": {"uri": "http://mlflow:5000"},
    "prefect": {"api": "http://prefect:4200/api"},
    "webhook": {"existingSecret": "hook"},
}
"""The values that an install can't do without."""


def helm_or_skip() -> str:
    """Return Helm's path; skip the test, or fail it where a cluster is required."""
    program = shutil.which("helm")
    if program is None:
        missing = "needs the program helm (https://helm.sh)"
        (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_CLUSTER") else pytest.skip)(missing)
    return program


def template(values: Document, namespace: str = NAMESPACE) -> subprocess.CompletedProcess[str]:
    """Run `helm template` for a release called `demo`."""
    return subprocess.run(
        [helm_or_skip(), "template", "demo", str(CHART), "-n", namespace, "--kube-version", KUBERNETES, "-f", "-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def render(values: Document, namespace: str = NAMESPACE) -> list[Document]:
    """Return the chart's documents; fail with what Helm said."""
    done = template(values, namespace)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents: list[Document], kind: str, ending: str = "") -> list[Document]:
    """Return the documents of a kind whose name ends so."""
    return [found for found in documents if found["kind"] == kind and found["metadata"]["name"].endswith(ending)]


def one(documents: list[Document], kind: str, ending: str = "") -> Document:
    """Return the only document of a kind whose name ends so."""
    (found,) = of_kind(documents, kind, ending)
    return found
