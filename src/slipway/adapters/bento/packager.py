"""Packages as Bentos: one folder per package, named by its digest, written atomically."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slipway_interface
from slipway.adapters.bento.build import Order
from slipway.adapters.bento.manifest import ONNX_FILE, PYFUNC_FOLDER, make_manifest
from slipway.adapters.bento.requirements import list_digest_parts, list_onnx_requirements, list_pyfunc_requirements
from slipway.adapters.bento.weights import lay_out_model
from slipway.artifacts.store import compute_file_digest, compute_tree_digest, make_new_folder
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Signature
from slipway.domain.rollout.revision import Package
from slipway.errors import PackagingFailed, SlipwayError
from slipway_interface.manifest import FILE, FOLDER

INTERFACE = Path(slipway_interface.__file__).parent
"""The interface between Slipway and the service: the same files that this process uses."""
SOURCES = ("services/__init__.py", "services/inference/**/*.py", "services/inference/**/*.binpb")
BUILD_SECONDS = 300
"""Time limit: a build takes 4 s; copies of a big model may take minutes, anything longer hangs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The contents of a package, known before anything is written."""

    artifact: Artifact
    model: Path
    """The ONNX file, or the MLflow folder."""
    manifest: dict[str, Any]
    sources: dict[str, Path]
    requirements: list[str]
    labels: dict[str, str]

    @property
    def hex(self) -> str:
        """Hex digest over the contents: no times, no paths of this machine."""
        parts = {
            "manifest": self.manifest,
            "sources": {name: compute_file_digest(path) for name, path in sorted(self.sources.items())},
            "labels": self.labels,
            **list_digest_parts(self.requirements),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class BentoPackager:
    """Builds Bentos, each in a temporary process and BENTOML_HOME of its own."""

    def __init__(self, bentoml_home: Path, source_root: Path) -> None:
        """Use `bentoml_home` for builds under way; `source_root` is the folder that holds `services/inference`."""
        self._home, self._root = bentoml_home, source_root

    def build_package(  # noqa: PLR0913 - as the port has it
        self,
        artifact: Artifact,
        signature: Signature,
        onnx: Converted | None,
        labels: dict[str, str],
        store: Path,
        *,
        profile: tuple[ColumnProfile, ...] = (),
    ) -> Package:
        """Write the package under `store/packages/<hex>`, or return the existing one.

        Raises PackagingFailed: a full disk, a build error, a signature or a profile that the service can't serve.
        """
        try:
            plan = self._make_plan(artifact, signature, onnx, labels, profile)
            package = _describe_plan(plan, store)
            if not package.path.is_dir():
                with make_new_folder(package.path) as part:
                    self._build_package(plan, package, part)
        except OSError as error:
            raise PackagingFailed(
                f"package of {artifact.version.name}",
                seen=f"{error.strerror or error}",
                expected="room and permission to write the package",
                do="free disk space, then release again; nothing half written was left",
            ) from error
        return package

    def describe_package(  # noqa: PLR0913 - as `build_package` has it
        self,
        artifact: Artifact,
        signature: Signature,
        onnx: Converted | None,
        labels: dict[str, str],
        store: Path,
        *,
        profile: tuple[ColumnProfile, ...] = (),
    ) -> Package:
        """Return what `build_package` would return, without building it."""
        return _describe_plan(self._make_plan(artifact, signature, onnx, labels, profile), store)

    def _make_plan(
        self,
        artifact: Artifact,
        signature: Signature,
        onnx: Converted | None,
        labels: dict[str, str],
        profile: tuple[ColumnProfile, ...],
    ) -> _Plan:
        model = artifact.path if onnx is None else onnx.path
        digest = compute_tree_digest(model) if onnx is None else compute_file_digest(model)
        version = artifact.version
        sources = {str(path.relative_to(self._root)): path for glob in SOURCES for path in self._root.glob(glob)}
        if len(sources) < len(SOURCES):
            raise PackagingFailed(
                f"package of {version.name}",
                seen="no services/inference in the folder it is packaged from",
                expected="Slipway's checkout, with the service's source",
                do="run from a checkout",
            )
        return _Plan(
            artifact=artifact,
            model=model,
            manifest=make_manifest(artifact, signature, onnx, digest, profile),
            sources=sources | {f"{INTERFACE.name}/{path.name}": path for path in INTERFACE.glob("*.py")},
            requirements=list_pyfunc_requirements(model) if onnx is None else list_onnx_requirements(),
            labels={
                **labels,
                "model": version.model,
                "version": str(version.version),
                "artifact": artifact.digest,
                "served": digest,
            },
        )

    def _build_package(self, plan: _Plan, package: Package, out: Path) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._home) as scratch:
            context = Path(scratch) / "context"
            _lay_out(plan, context)
            name, _, version = package.tag.partition(":")
            order = Order(
                context=str(context),
                out=str(out),
                name=name,
                version=version,
                labels=package.labels,
                requirements=plan.requirements,
            )
            _run_build(order, Path(scratch) / "home", plan.artifact.version.name)
            _verify_model(context / FOLDER, out / "src" / FOLDER, plan.artifact.version.name)


def _describe_plan(plan: _Plan, store: Path) -> Package:
    version, hexdigest = plan.artifact.version, plan.hex
    tag = f"{re.sub('[^a-z0-9]+', '-', version.model.lower()).strip('-')}:v{version.version}-{hexdigest[:12]}"
    return Package(
        model=version.model,
        version=version.version,
        path=store / "packages" / hexdigest,
        digest=f"sha256:{hexdigest}",
        tag=tag,
        runtime=plan.manifest["runtime"],
        labels={**plan.labels, "package": f"sha256:{hexdigest}"},
    )


def _lay_out(plan: _Plan, context: Path) -> None:
    """Write the inputs of the Bento: source, manifest and model."""
    for name, path in plan.sources.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, context / name)
    folder = context / FOLDER
    folder.mkdir()
    (folder / FILE).write_text(json.dumps(plan.manifest, indent=2, sort_keys=True), encoding="utf-8")
    if plan.model.is_dir():
        shutil.copytree(plan.model, folder / PYFUNC_FOLDER)
    else:
        lay_out_model(plan.model, folder / ONNX_FILE)


def _run_build(order: Order, home: Path, name: str) -> None:
    command = [sys.executable, "-m", "slipway.adapters.bento.build"]
    additions = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "DO_NOT_TRACK": "1"}
    try:
        done = subprocess.run(
            command,
            input=json.dumps(order),
            env=os.environ | additions,
            cwd=order["context"],
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _make_failed_error(name, f"no end after {BUILD_SECONDS} s") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _make_failed_error(name, " | ".join(lines[-2:])[-400:] or f"exit code {done.returncode}")


def _verify_model(ours: Path, theirs: Path, name: str) -> None:
    """Compare the model in the Bento with the original: a build that left a file out must not be released."""
    if not theirs.is_dir() or compute_tree_digest(theirs) != compute_tree_digest(ours):
        raise _make_failed_error(name, "the model in the Bento is not the one that was packaged")


def _make_failed_error(name: str, seen: str) -> SlipwayError:
    return PackagingFailed(
        f"package of {name}",
        seen=f"`bentoml build`: {seen}",
        expected="a Bento",
        do="fix what the build reports (disk space, the service's imports), then release again",
    )
