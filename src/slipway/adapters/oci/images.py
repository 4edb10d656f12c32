"""Pushes packages as images. Only new dependencies need a builder; a release is one layer, pushed directly."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.adapters.oci.builders import Build, find_builder, run_build
from slipway.adapters.oci.image import extend_image, make_labels
from slipway.adapters.oci.layer import write_layer
from slipway.adapters.oci.pip_secrets import write_secrets
from slipway.adapters.oci.registry import Registry
from slipway.adapters.oci.runtime import CONTAINERFILE, Runtime, find_runtime
from slipway.artifacts.store import make_part_folder
from slipway.domain.rollout.revision import Package
from slipway.errors import PackagingFailed, SettingsError

RUNTIMES = "slipway-runtime"
"""The repository of runtime images."""
PLACE = "/opt/bento"
"""The package's folder in its image: outside of the home folder, over which a cluster may mount an empty one."""
_REGISTRY = re.compile(r"(?P<host>[A-Za-z0-9.-]+(:[0-9]+)?)(/(?P<path>[a-z0-9._/-]*[a-z0-9]))?/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAddress:
    """The registry that images are pushed to."""

    host: str
    """HOST or HOST:PORT."""
    path: str = ""
    """Prefix of every repository's name: a project or an account; empty: none."""
    insecure: bool = False
    """Whether it speaks plain HTTP."""

    @classmethod
    def parse(cls, registry: str, *, insecure: bool) -> "RegistryAddress":
        """Read HOST:PORT/PATH; raise SettingsError.

        >>> RegistryAddress.parse("registry.example/team", insecure=False).name_repository("digits")
        'team/digits'
        """
        found = _REGISTRY.fullmatch(registry)
        if found is None:
            raise SettingsError(
                "SLIPWAY_REGISTRY",
                seen="no registry's address" if "@" in registry else repr(registry),
                expected="HOST:PORT/PATH or HOST/PATH, without https:// and without a login",
                do="set it, and log in with `podman login` or `docker login` if the registry asks for it",
            )
        return cls(host=found["host"], path=found["path"] or "", insecure=insecure)

    def name_repository(self, name: str) -> str:
        """Return a repository's full name inside the registry."""
        return f"{self.path}/{name}" if self.path else name


class OciImages:
    """An ImageStore in any registry with the OCI distribution API."""

    def __init__(self, place: RegistryAddress, builder: str, base_image: str, work: Path) -> None:
        """Push to `place`; build runtimes on `base_image` with `builder` (or `auto`), inside the folder `work`."""
        self._place, self._builder, self._base_image, self._work = place, builder, base_image, work

    def push(self, package: Package, *, gpu: bool = False) -> str:
        """Build the package's image, push it, and return its reference by digest; the same package is pushed once.

        Raises PackagingFailed (no builder, a build error, a registry that refuses) and TargetUnavailable (the registry
        does not answer).
        """
        runtime = find_runtime(package, self._base_image, gpu=gpu)
        name, _, tag = package.tag.partition(":")
        tag = f"{tag}-{runtime.key[:8]}"  # with another runtime the same package is another image
        runtimes, repository = self._place.name_repository(RUNTIMES), self._place.name_repository(name)
        with Registry(self._place.host, [runtimes, repository], insecure=self._place.insecure) as registry:
            digest = registry.find_digest(repository, tag)
            if digest is None:
                self._ensure_runtime(registry, runtime)
                digest = self._add_package(registry, package, runtime, f"{repository}:{tag}")
        return f"{self._place.host}/{repository}@{digest}"

    def _ensure_runtime(self, registry: Registry, runtime: Runtime) -> None:
        """Build and push the runtime, unless it exists: one build at a time of each, on this machine."""
        repository = self._place.name_repository(RUNTIMES)
        if registry.find_digest(repository, runtime.key) is not None:
            return
        builder = find_builder(self._builder)
        with self._open_work_folder(), _hold_lock(self._work / f"{runtime.key}.lock"):
            if registry.find_digest(repository, runtime.key) is not None:
                return
            with make_part_folder(self._work) as scratch:
                image = f"{self._place.host}/{repository}:{runtime.key}"
                run_build(builder, _write_build_files(runtime, image, scratch, insecure=self._place.insecure))

    def _add_package(self, registry: Registry, package: Package, runtime: Runtime, name: str) -> str:
        """Put the package on top of its runtime, under `REPOSITORY:TAG`; return the digest."""
        runtimes = self._place.name_repository(RUNTIMES)
        repository, _, tag = name.rpartition(":")
        base = registry.get_image(runtimes, runtime.key)
        below = {"name": f"{RUNTIMES}:{runtime.key}", "digest": base.digest}
        labels = make_labels(package, below, gpu=runtime.gpu)
        with self._open_work_folder(), make_part_folder(self._work) as scratch:
            layer = write_layer(package.path, PLACE, scratch / "layer.tar.gz")
            image = extend_image(base, layer, labels)
            for lower in base.manifest["layers"]:
                registry.mount_blob(repository, lower["digest"], runtimes)
            registry.put_layer(repository, layer)
            return registry.push_image(repository, tag, image)

    @contextlib.contextmanager
    def _open_work_folder(self) -> Iterator[None]:
        """Create the work folder; a full disk is reported as such."""
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise PackagingFailed(
                "image",
                seen=f"{error.strerror or type(error).__name__}",
                expected="room and permission to write layers",
                do="free disk space, then release again; nothing half written was left",
            ) from error


def _write_build_files(runtime: Runtime, image: str, scratch: Path, *, insecure: bool) -> Build:
    """Write the input files of a build of the runtime."""
    context = scratch / "context"
    context.mkdir()
    (context / "Containerfile").write_bytes(CONTAINERFILE.read_bytes())
    for name, lines in (("requirements.txt", runtime.requirements), ("constraints.txt", runtime.constraints)):
        (context / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Build(
        image=image,
        context=context,
        arguments={"BASE_IMAGE": runtime.base_image, "PYTHON": runtime.python},
        secrets=write_secrets(os.environ, scratch),
        storage=scratch / "storage",
        insecure=insecure,
    )


@contextlib.contextmanager
def _hold_lock(lock: Path) -> Iterator[None]:
    """Wait until no other process builds the same; the lock is released when the process ends, in any way."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
