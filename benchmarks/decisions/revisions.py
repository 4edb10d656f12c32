"""The revisions that rollouts of a benchmark are about: nothing of them runs."""

from pathlib import Path

from slipway.domain.rollout.revision import Package, Revision


def revision(name: str, version: int) -> Revision:
    """Return a revision of the model `m`."""
    package = Package(model="m", version=version, path=Path(name), digest="sha256:0", tag=name, runtime="onnx")
    return Revision(name=name, model="m", version=version, package=package)
