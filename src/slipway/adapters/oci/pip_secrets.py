"""Secrets that pip needs in a build and that must not be in the image: indexes, logins, certificates."""

import os
from collections.abc import Mapping
from pathlib import Path

OPTIONS = ("index-url", "extra-index-url", "trusted-host", "timeout", "retries")
"""pip's options that are passed on: each is PIP_... in the environment."""


def write_secrets(environment: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Write pip's configuration and certificates as files that only this user can read; return them by name."""
    files = {"pip_conf": format_pip_configuration(environment), "pip_cert": _read_certificates(environment)}
    written = {}
    for name, content in files.items():
        path = written[name] = folder / name
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    return written


def format_pip_configuration(environment: Mapping[str, str]) -> bytes:
    r"""Return pip's options from the environment in the form of its configuration file.

    >>> format_pip_configuration({"PIP_INDEX_URL": "https://me:secret@index/simple", "HOME": "/root"}).decode()
    '[global]\nindex-url = https://me:secret@index/simple\n'
    """
    lines = ["[global]"]
    for option in OPTIONS:
        value = environment.get(f"PIP_{option.replace('-', '_').upper()}")
        if value:
            lines.append(f"{option} = {' '.join(value.split())}")
    return ("\n".join(lines) + "\n").encode()


def _read_certificates(environment: Mapping[str, str]) -> bytes:
    """Return the certificates that pip trusts here; empty: it uses those of the image."""
    path = environment.get("PIP_CERT")
    return Path(path).read_bytes() if path and Path(path).is_file() else b""
