"""Credentials for a registry: those of `docker login` and `podman login`, read as those tools read them."""

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HELPER_SECONDS = 30
DOCKER_HUB = "docker.io"
DOCKER_HUB_KEY = "https://index.docker.io/v1/"
"""The key of Docker Hub's logins."""
Login = tuple[str, str]


def find_login(host: str) -> Login | None:
    """Return user and password for a registry; None: there is no login. A file that can't be read is skipped."""
    keys = [DOCKER_HUB_KEY, DOCKER_HUB] if host == DOCKER_HUB else [host, f"https://{host}"]
    for path in _list_files():
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and (found := _read_document_login(document, keys)) is not None:
            return found
    return None


def _list_files() -> Iterator[Path]:
    """Yield the places of login files, in the order in which podman and buildah read them."""
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    yield Path("/run/containers") / str(os.getuid()) / "auth.json"
    yield Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def _read_document_login(document: dict[str, Any], keys: list[str]) -> Login | None:
    helpers = document.get("credHelpers") or {}
    logins = document.get("auths") or {}
    for key in keys:
        if (helper := helpers.get(key)) is not None:
            return _ask_helper(str(helper), key)
        if (encoded := (logins.get(key) or {}).get("auth")) is not None:
            return _decode_login(str(encoded))
    if (store := document.get("credsStore")) is not None:
        return next((found for key in keys if (found := _ask_helper(str(store), key)) is not None), None)
    return None


def _decode_login(encoded: str) -> Login | None:
    """Split a stored login.

    >>> _decode_login("dXNlcjpwYXNz")
    ('user', 'pass')
    """
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def _ask_helper(name: str, key: str) -> Login | None:
    """Read a login from the credential helper of a cloud or a desktop."""
    try:
        done = subprocess.run(
            [f"docker-credential-{name}", "get"],
            input=key,
            capture_output=True,
            text=True,
            timeout=HELPER_SECONDS,
            check=True,
        )
        said = json.loads(done.stdout)
        return str(said["Username"]), str(said["Secret"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
