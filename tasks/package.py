"""Package: a Bento with model, service and pinned dependencies; same inputs, same digest."""

import subprocess
from dataclasses import replace
from typing import Any

from prefect import task
from pydantic import TypeAdapter

from slipway import wiring
from slipway.domain.conversion import Converted
from slipway.domain.model import Artifact, Signature
from slipway.domain.revision import Package
from slipway.rows import profiles
from slipway.settings import settings
from tasks.fetch import Holdout
from tasks.stage import Stage, begin_stage

PACKAGE = TypeAdapter(Package)


@task(name="package", tags=["slipway"])
def package(
    challenger: Artifact, signature: Signature, onnx: Converted | None, commit: str, rows: Holdout | None = None
) -> Stage[Package]:
    """Build the package, or find it by its digest: the packager itself is content-addressed.

    With `rows`, the service counts its inputs by the bins of these rows' columns: they are watched for drift.
    """
    watch = begin_stage("package")
    labels = {
        "slipway.model": challenger.version.model,
        "slipway.version": str(challenger.version.version),
        "slipway.artifact": challenger.digest,
        "slipway.commit": commit,
    }
    profile = profiles(rows.path, signature) if rows is not None else ()
    built = wiring.packager().package(challenger, signature, onnx, labels, settings().store, profile=profile)
    built = replace(built, profile=profile)
    return watch.stage(built, (), **PACKAGE.dump_python(built, mode="json"))


def packaged(details: dict[str, Any]) -> Package:
    """Rebuild a package from a release's record."""
    return PACKAGE.validate_python(details)


def commit() -> str:
    """Return the commit of the checkout that releases, `+changes` behind it where some are uncommitted."""
    try:
        head = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],  # noqa: S607 - git on PATH
            cwd=wiring.ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip()
