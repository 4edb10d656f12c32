"""How large images are, and how long it takes to push them: a real registry, a real builder, the digits model.

    SLIPWAY_REGISTRY=localhost:5000 SLIPWAY_REGISTRY_INSECURE=true python benchmarks/images/run.py onnx pyfunc gpu

Each run pushes under a path of its own, so that the first release of a kind builds its runtime. Writes `results.json`
beside this file: figure name -> value and unit, and what is in each image.
"""

import json
import logging
import platform
import sys
import tarfile
import tempfile
import time
import uuid
import warnings
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx

from slipway.adapters.bento.packager import BentoPackager
from slipway.adapters.oci.images import OciImages, RegistryAddress
from slipway.artifacts.store import compute_tree_digest
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, ModelVersion, Signature
from slipway.domain.verdict import Outcome, Verdict
from slipway.platforms.kubernetes import KubernetesSettings

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results.json")
KINDS = ("onnx", "pyfunc", "gpu")
PIXELS = tuple(f"pixel_{i}" for i in range(64))
MEGABYTE = 1_000_000
LARGEST = 16
"""Packages and folders that are named."""
Figures = dict[str, dict[str, Any]]


def main(kinds: list[str]) -> int:
    """Push two versions of each kind and measure."""
    if not kinds or not set(kinds) <= set(KINDS):
        print(f"usage: run.py KIND...; kinds are {', '.join(KINDS)}")
        return 2
    warnings.simplefilter("ignore")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="slipway-images-") as folder:
        bench = Bench(Path(folder))
        for kind in kinds:
            figures |= bench.measured(kind)
            write(figures, bench.contents)
    return 0


class Bench:
    """One model, packaged and pushed in several ways."""

    def __init__(self, folder: Path) -> None:
        """Train the model; use a path of the registry that nothing was pushed to yet."""
        settings = KubernetesSettings()
        registry = f"{settings.registry.rstrip('/')}/bench-{uuid.uuid4().hex[:8]}"
        self._place = RegistryAddress.parse(registry, insecure=settings.registry_insecure)
        self._images = OciImages(self._place, settings.image_builder, settings.base_image, folder / "work")
        self._packager, self._folder = BentoPackager(folder / "bentoml", ROOT), folder
        self._onnx = train(folder)
        self.contents: dict[str, dict[str, float]] = {}
        """The largest things in each kind of image, in megabytes."""

    def measured(self, kind: str) -> Figures:
        """Return the figures of one kind, all beginning with its name."""
        seconds: dict[str, float] = {}
        reference = ""
        for number, name in ((1, "first"), (2, "second")):
            began = time.perf_counter()
            reference = self._push(kind, number)
            seconds[f"{kind}_{name}_package_push_seconds"] = round(time.perf_counter() - began, 2)
        figures = {name: {"value": value, "unit": "seconds"} for name, value in seconds.items()}
        sizes, held = self._sizes(reference)
        self.contents[kind] = {name: round(size / MEGABYTE, 1) for name, size in held.most_common(LARGEST)}
        print(kind, seconds, sizes, flush=True)
        return figures | {f"{kind}_{name}": {"value": value, "unit": "MB"} for name, value in sizes.items()}

    def _push(self, kind: str, number: int) -> str:
        model = self._folder / "digits"
        artifact = Artifact(
            version=ModelVersion(model=f"digits-{kind}", version=number, source="models:/m-1"),
            path=model,
            digest=compute_tree_digest(model),
        )
        signature = Signature(inputs=tuple(Column(name=name, kind="float64") for name in PIXELS), outputs=())
        onnx = None if kind == "pyfunc" else self._onnx
        package = self._packager.build_package(artifact, signature, onnx, {}, self._folder / "store")
        return self._images.push(package, gpu=kind == "gpu")

    def _sizes(self, reference: str) -> tuple[dict[str, float], Counter[str]]:
        """Return megabytes (what a node pulls, unpacked, and for the next version), and bytes by what is in it."""
        host, _, rest = reference.partition("/")
        repository, _, digest = rest.partition("@")
        address = f"{'http' if self._place.insecure else 'https'}://{host}/v2/{repository}"
        accepted = {"accept": "application/vnd.oci.image.manifest.v1+json"}
        manifest = httpx.get(f"{address}/manifests/{digest}", headers=accepted).raise_for_status().json()
        pulled = [layer["size"] for layer in manifest["layers"]]
        held: Counter[str] = Counter()
        for layer in manifest["layers"]:
            held += contents(f"{address}/blobs/{layer['digest']}")
        sizes = {
            "image_megabytes": round(sum(pulled) / MEGABYTE, 1),
            "base_image_megabytes": round(pulled[0] / MEGABYTE, 1),
            "unpacked_megabytes": round(held.total() / MEGABYTE, 1),
            "release_layer_megabytes": round(pulled[-1] / MEGABYTE, 3),
        }
        return sizes, held


def train(folder: Path) -> Converted:
    """Write the digits model as MLflow has it, and as ONNX."""
    import mlflow
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    rows, labels = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=5000).fit(rows, labels)
    pins = [f"{name}=={version(name)}" for name in ("scikit-learn", "skops")]
    mlflow.sklearn.save_model(model, folder / "digits", input_example=rows[:3], pip_requirements=pins)
    graph = to_onnx(model, np.zeros((1, 64), np.float32), options={"zipmap": False})
    (folder / "digits.onnx").write_bytes(graph.SerializeToString())
    return Converted(
        path=folder / "digits.onnx",
        digest="",
        parity=Verdict(check="parity", outcome=Outcome.PASS, reason="not of interest here"),
        inputs=("X",),
        outputs=("label", "probabilities"),
        single_matrix=True,
        rows_independent=True,
    )


def contents(blob: str) -> Counter[str]:
    """Return what a layer holds before compression, in bytes by package of Python; the rest under its first folder."""
    held: Counter[str] = Counter()
    with tempfile.TemporaryFile() as file:
        with httpx.stream("GET", blob, timeout=60, follow_redirects=True) as answer:
            for part in answer.iter_raw():
                file.write(part)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as layer:
            for member in layer:
                held[_holder(member.name)] += member.size
    return held


def _holder(path: str) -> str:
    """Return whose a file is.

    >>> _holder("opt/venv/lib/python3.11/site-packages/numpy/core/x.so"), _holder("usr/lib/python3/dist.py")
    ('numpy', '/usr')
    """
    _, packages, inside = path.partition("/site-packages/")
    first = (inside if packages else path).lstrip("./").split("/")[0]
    return first.partition(".libs")[0].partition("-")[0] if packages else f"/{first}"


def write(figures: Figures, held: dict[str, dict[str, float]]) -> None:
    """Write what was measured so far, and on what."""
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    versions = {name: version(name) for name in ("bentoml", "mlflow", "numpy")}
    when = datetime.now(UTC).date().isoformat()
    document = {"figures": figures, "contents": held, "date": when, "versions": versions, "machine": machine}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
