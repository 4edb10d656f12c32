"""The runtime image that a package needs: known by its key before anything is built."""

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from slipway.domain.rollout.revision import Package
from slipway.errors import PackagingFailed

CONTAINERFILE = Path(__file__).with_name("Containerfile")
REQUIREMENTS = Path("env", "python", "requirements.txt")
"""A Bento's requirements file."""
KEY_LENGTH = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The packages and the base image; equal ones are one image."""

    base_image: str
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    """Versions of the requirements' own dependencies: those that the package was rehearsed with."""
    python: str
    """`3.11`: packages are built and rehearsed with it."""
    machine: str
    """`x86_64`: wheels are selected by it."""
    gpu: bool
    """Whether ONNX Runtime is the build for GPUs, as in the requirements."""

    @property
    def key(self) -> str:
        """Hex digest over everything in the image."""
        parts = [self.base_image, self.requirements, self.constraints, self.python, self.machine]
        text = json.dumps([*parts, CONTAINERFILE.read_text(encoding="utf-8")])
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def find_runtime(package: Package, base_image: str, *, gpu: bool) -> Runtime:
    """Return the runtime that a package needs; raise PackagingFailed for a folder that is no Bento."""
    try:
        lines = (package.path / REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PackagingFailed(
            f"image of {package.tag}",
            seen=f"{REQUIREMENTS}: {error.strerror or error}",
            expected="a Bento with its requirements",
            do="release again: the package is built again",
        ) from error
    requirements = tuple(choose_onnxruntime_build(line.strip(), gpu=gpu) for line in lines if line.strip())
    return Runtime(
        base_image=base_image,
        requirements=requirements,
        # a model's own requirements may need other versions than we have: pip finds them
        constraints=tuple(list_installed_versions(requirements)) if package.runtime == "onnx" else (),
        python=".".join(platform.python_version_tuple()[:2]),
        machine=platform.machine(),
        gpu=gpu,
    )


def choose_onnxruntime_build(requirement: str, *, gpu: bool) -> str:
    """Return the build of ONNX Runtime for CPUs or for GPUs, of the same version; anything else unchanged.

    >>> choose_onnxruntime_build("onnxruntime==1.31.1", gpu=True)
    'onnxruntime-gpu[cuda,cudnn]==1.31.1'
    >>> choose_onnxruntime_build("onnxruntime-gpu==1.31.1", gpu=False)
    'onnxruntime==1.31.1'
    """
    name = "onnxruntime-gpu[cuda,cudnn]" if gpu else "onnxruntime"
    return re.sub(r"^onnxruntime(-gpu)?(\[[^\]]*\])?(?=\s*([=<>!~;]|$))", name, requirement)


def list_installed_versions(requirements: Iterable[str]) -> list[str]:
    """Return pins of the requirements' own dependencies, in the versions installed here."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    named = {canonicalize_name(found.group()) for line in requirements if (found := _NAME.match(line))}
    seen: dict[str, str] = {}
    waiting = list(named)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        try:
            there = distribution(name)
        except PackageNotFoundError:  # the other build of ONNX Runtime, or an extra that is not installed: pip finds it
            continue
        seen[name] = f"{name}=={there.version}"
        for line in there.requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(needed.name))
    return [pin for name, pin in sorted(seen.items()) if name not in named]
