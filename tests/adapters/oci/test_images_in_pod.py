"""A packaged model's image in a real pod, under the strictest rules that a cluster has for pods."""

import json
import uuid
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from slipway.adapters.bento.packager import BentoPackager
from slipway.adapters.oci.images import OciImages, RegistryAddress
from slipway.artifacts.store import compute_tree_digest
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, ModelVersion, Signature
from slipway.domain.rollout.revision import Package
from slipway.domain.verdict import Outcome, Verdict
from tests.cluster import cluster_or_skip

ROOT = Path(__file__).parents[3]
PIXELS = tuple(f"pixel_{i}" for i in range(64))
RULES = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
WRITABLE = {"tmp": "/tmp", "home": "/home/bentoml"}  # noqa: S108 - in the pod


@pytest.fixture(scope="module")
def package(digits_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Return digits 7 as ONNX, under a name of its own."""
    import mlflow
    from skl2onnx import to_onnx

    folder = tmp_path_factory.mktemp("package")
    graph = to_onnx(
        mlflow.sklearn.load_model(str(digits_model)), np.zeros((1, 64), np.float32), options={"zipmap": False}
    )
    (folder / "digits.onnx").write_bytes(graph.SerializeToString())
    onnx = Converted(
        path=folder / "digits.onnx",
        digest="",
        parity=Verdict(check="parity", outcome=Outcome.PASS, reason="not of interest here"),
        inputs=("X",),
        outputs=("label", "probabilities"),
        single_matrix=True,
        rows_independent=True,
    )
    version = ModelVersion(model=f"digits-{uuid.uuid4().hex[:6]}", version=7, source="models:/m-1")
    artifact = Artifact(version=version, path=digits_model, digest=compute_tree_digest(digits_model))
    signature = Signature(inputs=tuple(Column(name=name, kind="float64") for name in PIXELS), outputs=())
    return BentoPackager(folder / "home", ROOT).build_package(artifact, signature, onnx, {}, folder / "store")


def pod(image: str) -> str:
    """Return a pod of an image as a JSON document."""
    container = {
        "name": "model",
        "image": image,
        "securityContext": RULES,
        "ports": [{"containerPort": 3000}],
        "readinessProbe": {"httpGet": {"path": "/v2/health/ready", "port": 3000}, "periodSeconds": 1},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in WRITABLE.items()],
    }
    spec = {"containers": [container], "volumes": [{"name": name, "emptyDir": {}} for name in WRITABLE]}
    metadata = {"name": "model"}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def test_an_image_serves_where_nothing_is_allowed(package: Package, digits_rows: Path, tmp_path: Path) -> None:
    """No root, no capability, nothing to write but two empty folders: it gets ready, answers, and counts."""
    cluster = cluster_or_skip()
    place = RegistryAddress.parse(f"{cluster.registry}/slipway-tests", insecure=True)
    base = f"{cluster.registry}/library/python:3.11-slim"
    row = pd.read_csv(digits_rows)[list(PIXELS)].to_numpy()[0]
    tensor = {"name": "input", "shape": [1, 64], "datatype": "FP64", "data": row.tolist()}

    image = OciImages(place, "auto", base, tmp_path / "work").push(package)
    with cluster.namespace("slipway-images") as namespace:
        within = ("--namespace", namespace)
        cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        cluster.kubectl("apply", *within, "-f", "-", given=pod(image))
        cluster.kubectl("wait", *within, "pod/model", "--for=condition=Ready", "--timeout=100s")
        address = cluster.kubectl("get", *within, "pod/model", "-o", "jsonpath={.status.podIP}")
        with httpx.Client(base_url=f"http://{address}:3000", timeout=30) as client:
            answer = client.post(f"/v2/models/{package.model}/infer", json={"inputs": [tensor]})
            metrics = client.get("/metrics").text

    assert answer.json()["outputs"][0]["name"] == "prediction"
    model, revision = f'model="{package.model}"', f'revision="{package.model}-v7"'
    assert f'slipway_requests_total{{code="200",{model},protocol="oip",{revision}}} 1.0' in metrics
    assert f"slipway_requests_in_flight{{{model},{revision}}} 0.0" in metrics
