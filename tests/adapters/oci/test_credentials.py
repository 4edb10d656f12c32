"""Logins, read as podman and docker keep them."""

import json
from pathlib import Path

import pytest

from slipway.adapters.oci.credentials import find_login

AUTH = {"auth": "bWU6c2VjcmV0"}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that docker keeps its logins in; there is no other."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"auths": {"registry.example:5000": AUTH}}, ("me", "secret")),
        ({"auths": {"https://registry.example:5000": AUTH}}, ("me", "secret")),
        ({"auths": {"registry.example": AUTH}}, None),
        ({"auths": {"registry.example:5000": {"auth": "not base64"}}}, None),
        ({"auths": {"registry.example:5000": {}}}, None),
        ({"credHelpers": {"registry.example:5000": "not-there"}}, None),
        ({}, None),
        ([], None),
    ],
)
def test_a_login_is_found_by_its_registry(kept: Path, document: object, expected: tuple[str, str] | None) -> None:
    """What can't be read is no login: the registry then says that it wants one."""
    kept.write_text(json.dumps(document))

    assert find_login("registry.example:5000") == expected


def test_docker_hubs_login_has_a_name_of_its_own(kept: Path) -> None:
    """As `docker login` without a registry leaves it."""
    kept.write_text(json.dumps({"auths": {"https://index.docker.io/v1/": AUTH}}))

    assert find_login("docker.io") == ("me", "secret")


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_helpers_are_asked(kept: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """A real program, as clouds have them."""
    helper = kept.with_name("docker-credential-cloud")
    helper.write_text('#!/bin/sh\nread host\necho "{\\"Username\\": \\"$1\\", \\"Secret\\": \\"for $host\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kept.parent}:/usr/bin:/bin")
    kept.write_text(json.dumps({key: "cloud" if key == "credsStore" else {"registry.example": "cloud"}}))

    assert find_login("registry.example") == ("get", "for registry.example")


def test_no_file_is_no_login(kept: Path) -> None:
    """Nobody logged in."""
    assert not kept.exists()
    assert find_login("registry.example") is None
