"""Builders of runtime images: buildah, podman or docker as a child process that leaves nothing behind."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from slipway.errors import PackagingFailed, SlipwayError, TargetUnavailable

BUILD_SECONDS = 1800.0
"""Time limit: a runtime takes a minute; frameworks for GPUs are gigabytes to fetch and to push."""
CLEAN_SECONDS = 120
LAST_LINES = 3
_PASSWORD = re.compile(r"://[^/\s@]*@")
_AWAY = re.compile(
    r"connection refused|no such host|i/o timeout|network is unreachable|EOF$|server misbehaving", re.IGNORECASE
)
_REFUSED = re.compile(r"unauthorized|authentication required|denied|forbidden|no basic auth", re.IGNORECASE)


class Builder(StrEnum):
    """The programs that can build, in the order that they are looked for."""

    BUILDAH = "buildah"
    """Needs neither a daemon nor privileges."""
    PODMAN = "podman"
    """The same engine."""
    DOCKER = "docker"
    """Through its daemon, with BuildKit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What to build, and the folders for that."""

    image: str
    """The reference that it is pushed as."""
    context: Path
    """Holds the Containerfile and the files that it copies."""
    arguments: Mapping[str, str]
    """Values of its ARGs: they are visible in its history."""
    secrets: Mapping[str, Path]
    """Files that only one command of the build can read."""
    storage: Path
    """A folder for everything that the builder keeps; docker's daemon keeps its own."""
    insecure: bool


def find_builder(wanted: str) -> Builder:
    """Return the builder of that name, or for `auto` the first that is installed; raise PackagingFailed."""
    choice = list(Builder) if wanted == "auto" else [Builder(wanted)]
    for builder in choice:
        if shutil.which(builder) and (builder is not Builder.DOCKER or _is_daemon_answering()):
            return builder
    raise PackagingFailed(
        "builder of images",
        seen=f"no {' and no '.join(choice)} on PATH, or no daemon behind it",
        expected="one of buildah, podman, docker",
        do="install buildah (Debian: `apt install buildah`), or start docker's daemon",
    )


def _is_daemon_answering() -> bool:
    try:
        done = subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=False)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def make_build_commands(builder: Builder, build: Build) -> list[list[str]]:
    """Return the argument lists that build and push; pure, so that each builder's can be read and compared."""
    plain = [f"--build-arg={name}={value}" for name, value in build.arguments.items()]
    secrets = [f"--secret=id={name},src={path}" for name, path in build.secrets.items()]
    shared = [*plain, *secrets, f"--file={build.context / 'Containerfile'}", f"--tag={build.image}"]
    if builder is Builder.DOCKER:
        # provenance would make it an index of two manifests; daemons have their own settings for plain HTTP registries
        made = ["docker", "build", "--provenance=false", "--pull", *shared, str(build.context)]
        return [made, ["docker", "push", "--quiet", build.image]]
    verify = f"--tls-verify={str(not build.insecure).lower()}"
    # chroot: the one isolation that also works in containers without privileges; the network is the builder's own
    flags = ["--isolation=chroot", "--network=host", "--format=oci", "--layers=false", verify]
    program = make_storage_command(builder, build.storage)
    return [
        [*program, "build", *flags, *shared, str(build.context)],
        [*program, "push", "--quiet", verify, build.image],
    ]


def make_clean_commands(builder: Builder, build: Build) -> list[list[str]]:
    """Return the argument lists that remove a build's leftovers, however it ended."""
    if builder is Builder.DOCKER:
        return [["docker", "image", "rm", "--force", build.image]]
    program = make_storage_command(builder, build.storage)
    return [[*program, "rm", "--all"], [*program, "rmi", "--all", "--force"]]


def make_storage_command(builder: Builder, storage: Path) -> list[str]:
    """Return the program with a storage of its own: other images are not touched, and ours are removed at the end."""
    return [builder.value, f"--root={storage / 'root'}", f"--runroot={storage / 'run'}"]


def run_build(builder: Builder, build: Build, seconds: float = BUILD_SECONDS) -> None:
    """Build and push; nothing is left behind, also after a failure. Raises PackagingFailed and TargetUnavailable."""
    with _clean_afterwards(builder, build):
        deadline = time.monotonic() + seconds
        for command in make_build_commands(builder, build):
            _run_command(command, build, deadline - time.monotonic(), seconds)


@contextlib.contextmanager
def _clean_afterwards(builder: Builder, build: Build) -> Iterator[None]:
    build.storage.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for command in make_clean_commands(builder, build):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=CLEAN_SECONDS, check=False)
        shutil.rmtree(build.storage, ignore_errors=True)


def _run_command(command: list[str], build: Build, seconds: float, limit: float) -> None:
    environment = os.environ | {"TMPDIR": str(build.storage), "DOCKER_BUILDKIT": "1"}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own: stopped whole
    ) as process:
        try:
            said, _ = process.communicate(timeout=max(seconds, 0))
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise _make_failed_error(
                    f"no end after {limit:g} s", "find out why it hangs (the package index?)"
                ) from None
            raise
    if process.returncode != 0:
        raise explain_failure(said, build.image)


def explain_failure(said: str, image: str) -> SlipwayError:
    """Return the error for a builder's last lines."""
    told = select_meaningful_lines(said)
    host = image.partition("/")[0]
    if _REFUSED.search(told):
        do = f"log in: `podman login {host}` (or buildah login, docker login)"
        return PackagingFailed(f"image {image}", seen=told, expected="a registry that lets us in", do=do)
    if _AWAY.search(told):
        do = "start the registry or fix the network, then release again"
        return TargetUnavailable(f"image {image}", seen=told, expected="registries that answer", do=do)
    return _make_failed_error(
        told, "fix what it reports (a package that can't be installed, a wrong SLIPWAY_BASE_IMAGE), then release again"
    )


def _make_failed_error(seen: str, do: str) -> PackagingFailed:
    return PackagingFailed("runtime image", seen=seen, expected="an image", do=do)


def select_meaningful_lines(said: str) -> str:
    r"""Return the informative last lines: errors, if there are any; logins in addresses are masked.

    >>> said = "STEP 1\nERROR: no matching distribution for digits==9 at https://me:secret@index/simple\nexit 1"
    >>> select_meaningful_lines(said)
    'ERROR: no matching distribution for digits==9 at https://***@index/simple | exit 1'
    """
    lines = [line.strip() for line in _PASSWORD.sub("://***@", said).splitlines() if line.strip()]
    errors = [line for line in lines[:-2] if re.match(r"(?i)error|fatal", line)][-LAST_LINES:]
    return " | ".join(line[:300] for line in dict.fromkeys([*errors, *lines[-2:]])) or "no word"
