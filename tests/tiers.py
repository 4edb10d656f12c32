"""Which tier a test belongs to: by the folder it lies in, and by the fixtures that it asks for."""

from collections.abc import Collection
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SERVERS = (
    "adapters/bento",
    "adapters/local",
    "adapters/mlflow",
    "adapters/oci",
    "adapters/onnx",
    "adapters/prometheus",
    "adapters/runner",
    "artifacts/test_model_environment",
    "artifacts/test_sandbox",
    "benchmarks",
    "cli",
    "demo/test_client",
    "domain/forecast",
    "end_to_end",
    "lint/test_make_lint",
    "platforms",
    "services",
    "stack",
    "tasks",
    "usecases/stages/test_validate_model",
)
"""Folders and files whose tests start servers, run models in processes of their own, or simulate for long."""
STARTS_SERVERS = {"here", "server", "stack"}
"""Fixtures of other folders that start servers."""
BROWSER = {"browser", "chromium"}


def find_tier(path: Path, fixtures: Collection[str]) -> str:
    """Return the marker of a test: cluster, browser, servers or unit."""
    where = path.relative_to(TESTS).as_posix()
    if "cluster" in fixtures:
        return "cluster"
    if BROWSER.intersection(fixtures):
        return "browser"
    if where.startswith(SERVERS) or STARTS_SERVERS.intersection(fixtures):
        return "servers"
    return "unit"
