"""Where images of packages are pushed."""

from typing import Protocol

from slipway.domain.rollout.revision import Package


class ImageStore(Protocol):
    """Turns packages into images: a base per set of dependencies, and the package as a thin layer on top of it."""

    def push(self, package: Package, *, gpu: bool = False) -> str:
        """Build the package's image, push it, and return its reference by digest; the same package is pushed once.

        `gpu`: with ONNX Runtime's build for GPUs, of the same version.

        Raises PackagingFailed (no builder, a build error, a registry that refuses) and TargetUnavailable (the registry
        does not answer).
        """
        ...
