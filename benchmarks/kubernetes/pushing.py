"""A model's versions, packaged and pushed one after another: real packager, real registry, same dependencies."""

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.images.run import PIXELS
from benchmarks.kubernetes.figures import Row, pulled_bytes
from slipway.adapters.bento.packager import BentoPackager
from slipway.adapters.oci.images import OciImages, RegistryAddress
from slipway.artifacts.store import compute_tree_digest
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, ModelVersion, Signature
from slipway.domain.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = {"accept": "application/vnd.oci.image.manifest.v1+json"}
FORMATS = ("scikit-learn", "skops")


def versions(count: int, registry: str, base_image: str, folder: Path) -> "Iterator[Row]":
    """Push so many versions of a model under a path that nothing was pushed to: the first one builds the runtime."""
    place = RegistryAddress.parse(f"{registry}/bench-{uuid.uuid4().hex[:8]}", insecure=True)
    images = OciImages(place, "auto", base_image, folder / "images")
    packager = BentoPackager(folder / "bentoml", ROOT)
    there: set[str] = set()
    for number in range(1, count + 1):
        artifact, onnx = trained(number, folder)
        began = time.perf_counter()
        package = packager.build_package(artifact, _signature(), onnx, {}, folder / "store")
        packaged = time.perf_counter()
        manifest = _manifest(images.push(package))
        pushed = time.perf_counter()
        yield {
            "version": number,
            "package_seconds": packaged - began,
            "push_seconds": pushed - packaged,
            "seconds": pushed - began,
            "image_bytes": pulled_bytes(manifest, ()),
            "pulled_bytes": pulled_bytes(manifest, there),
        }
        there |= {layer["digest"] for layer in manifest["layers"]}


def trained(number: int, folder: Path) -> tuple[Artifact, Converted]:
    """Return a version as MLflow has it and as ONNX; each version's weights are its own."""
    from importlib.metadata import version

    import mlflow
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    rows, labels = load_digits(return_X_y=True)
    model = LogisticRegression(C=1 / (100 * number), max_iter=300).fit(rows / 16, labels)
    path, graph = folder / f"digits-{number}", folder / f"digits-{number}.onnx"
    pins = [f"{name}=={version(name)}" for name in FORMATS]
    mlflow.sklearn.save_model(model, path, input_example=rows[:3], pip_requirements=pins)
    made = to_onnx(model, np.zeros((1, 64), np.float32), options={"zipmap": False})
    graph.write_bytes(made.SerializeToString())
    registered = ModelVersion(model="digits", version=number, source=f"models:/m-{number}")
    return Artifact(version=registered, path=path, digest=compute_tree_digest(path)), _converted(graph)


def _converted(graph: Path) -> Converted:
    return Converted(
        path=graph,
        digest="",
        parity=Verdict(check="parity", outcome=Outcome.PASS, reason="not of interest here"),
        inputs=("X",),
        outputs=("label", "probabilities"),
        single_matrix=True,
        rows_independent=True,
    )


def _signature() -> Signature:
    return Signature(inputs=tuple(Column(name=name, kind="float64") for name in PIXELS), outputs=())


def _manifest(reference: str) -> Any:  # noqa: ANN401 - JSON
    host, _, rest = reference.partition("/")
    repository, _, digest = rest.partition("@")
    address = f"http://{host}/v2/{repository}/manifests/{digest}"
    return httpx.get(address, headers=MANIFEST, timeout=30).raise_for_status().json()
