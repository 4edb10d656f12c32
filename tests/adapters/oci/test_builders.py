"""What builders are told, and what their last words mean. Only buildah is run (see test_runtime_images)."""

from pathlib import Path

import pytest

from slipway.adapters.oci.builders import (
    Build,
    Builder,
    explain_failure,
    find_builder,
    make_build_commands,
    make_clean_commands,
)
from slipway.errors import PackagingFailed, SlipwayError, TargetUnavailable

IMAGE = "registry.example/slipway-runtime:4f1c"
BUILD = Build(
    image=IMAGE,
    context=Path("/scratch/context"),
    arguments={"BASE_IMAGE": "python:3.11-slim", "PYTHON": "3.11"},
    secrets={"pip_conf": Path("/scratch/pip_conf")},
    storage=Path("/scratch/storage"),
    insecure=True,
)
SHARED = [
    "--build-arg=BASE_IMAGE=python:3.11-slim",
    "--build-arg=PYTHON=3.11",
    "--secret=id=pip_conf,src=/scratch/pip_conf",
    "--file=/scratch/context/Containerfile",
    f"--tag={IMAGE}",
]


@pytest.mark.parametrize("builder", [Builder.BUILDAH, Builder.PODMAN])
def test_engines_without_a_daemon_build_in_a_storage_of_their_own(builder: Builder) -> None:
    """And everything in it goes afterwards."""
    program = [builder.value, "--root=/scratch/storage/root", "--runroot=/scratch/storage/run"]
    flags = ["--isolation=chroot", "--network=host", "--format=oci", "--layers=false", "--tls-verify=false"]

    assert make_build_commands(builder, BUILD) == [
        [*program, "build", *flags, *SHARED, "/scratch/context"],
        [*program, "push", "--quiet", "--tls-verify=false", IMAGE],
    ]
    assert make_clean_commands(builder, BUILD) == [[*program, "rm", "--all"], [*program, "rmi", "--all", "--force"]]


def test_docker_builds_one_manifest_and_drops_its_tag() -> None:
    """Its daemon keeps layers as it sees fit."""
    assert make_build_commands(Builder.DOCKER, BUILD) == [
        ["docker", "build", "--provenance=false", "--pull", *SHARED, "/scratch/context"],
        ["docker", "push", "--quiet", IMAGE],
    ]
    assert make_clean_commands(Builder.DOCKER, BUILD) == [["docker", "image", "rm", "--force", IMAGE]]


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("STEP 3\nerror: dial tcp 127.0.0.1:9: connect: connection refused", TargetUnavailable, "network"),
        ("Error: reading manifest: unauthorized: access to the requested resource", PackagingFailed, "podman login"),
        ("ERROR: No matching distribution found for x==9\nError: exit status 1", PackagingFailed, "No matching"),
        ("ERROR: Could not reach https://me:hidden@index/simple\nexit 1", PackagingFailed, r"https://\*\*\*@index"),
        ("", PackagingFailed, "no word"),
    ],
)
def test_last_words_become_an_error_that_says_what_to_do(said: str, kind: type[SlipwayError], words: str) -> None:
    """What may pass by itself is not the same as what a person must mend; passwords are not repeated."""
    error = explain_failure(said, IMAGE)

    assert type(error) is kind
    assert words.replace("\\", "") in str(error)
    assert "hidden" not in str(error)


def test_a_builder_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was asked for."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PackagingFailed, match="no podman on PATH"):
        find_builder("podman")
