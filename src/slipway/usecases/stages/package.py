"""Package: a Bento with model, service and pinned dependencies; same inputs, same digest."""

import subprocess
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

import slipway
from slipway import wiring
from slipway.artifacts.rows import profile_columns
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.record import StageName
from slipway.domain.release.version import Artifact, Signature
from slipway.domain.rollout.revision import Package
from slipway.domain.spec.release import ReleaseSpec
from slipway.project import find_root
from slipway.settings import settings
from slipway.usecases.stages.fetch import Holdout
from slipway.usecases.stages.stage import Stage, begin_stage

PACKAGE = TypeAdapter(Package)


def build_package(
    challenger: Artifact, signature: Signature, onnx: Converted | None, spec: ReleaseSpec, rows: Holdout
) -> Stage[Package]:
    """Build the package, or find it by its digest: the packager itself is content-addressed; push it as an image.

    Where the spec watches for drift, the service counts its inputs by the bins of the rows' columns.
    """
    watch = begin_stage(StageName.PACKAGE)
    labels = {
        "slipway.model": challenger.version.model,
        "slipway.version": str(challenger.version.version),
        "slipway.artifact": challenger.digest,
        "slipway.commit": find_commit(),
    }
    profile = profile_columns(rows.path, signature) if spec.judge.drift is not None else ()
    built = wiring.get_packager().build_package(challenger, signature, onnx, labels, settings().store, profile=profile)
    images = wiring.get_image_store()
    image = images.push(built, gpu=spec.serving.on_gpu) if images is not None else ""
    built = replace(built, profile=profile, image=image)
    return watch.stage(built, (), **PACKAGE.dump_python(built, mode="json"))


def read_package(details: dict[str, Any]) -> Package:
    """Rebuild a package from a release's record."""
    return PACKAGE.validate_python(details)


def find_commit() -> str:
    """Return the commit of the checkout that releases, with `+changes` if some are uncommitted; else the version."""
    root = find_root()
    if not (root / ".git").exists():  # an installed Slipway: a repository around it is another project's
        return f"slipway {slipway.__version__}"
    try:
        head = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],  # noqa: S607 - git on PATH
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip()
