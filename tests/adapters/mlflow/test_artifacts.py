"""Artifacts that neither the server hands out nor this machine holds: left to MLflow's own client."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slipway.adapters.mlflow import artifacts
from slipway.adapters.mlflow.rest import MlflowRest
from slipway.errors import ArtifactBroken

if TYPE_CHECKING:
    from tests.adapters.mlflow.conftest import Server


def test_another_store_is_written_and_read_by_mlflows_client(server: "Server", tmp_path: Path) -> None:
    """Here a store behind http, as an object store would be behind its own scheme."""
    rest = MlflowRest(server.uri, 10)
    uri = f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/elsewhere"

    artifacts.upload_file(rest, uri, "release.json", b"{}")
    tree = artifacts.download_tree(rest, uri, tmp_path)

    assert artifacts.read_file(rest, uri, "release.json") == b"{}"
    assert [path.name for path in tree.iterdir()] == ["release.json"]
    assert tree.is_relative_to(tmp_path)


def test_what_another_store_does_not_have_is_said(server: "Server") -> None:
    """In the words of MLflow's client."""
    uri = f"{server.uri}/api/2.0/mlflow-artifacts/artifacts/elsewhere"

    with pytest.raises(ArtifactBroken, match=r"artifact store http://: .*"):
        artifacts.read_file(MlflowRest(server.uri, 10), uri, "nothing.json")
