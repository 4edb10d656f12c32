"""Environments of Python for tools that the project itself does not depend on, made with uv from `clients/NAME.txt`."""

import subprocess
import sys
from pathlib import Path

CLIENTS = Path(__file__).parent / "clients"
INSTALL_SECONDS = 280


def environment(name: str, folder: Path) -> Path:
    """Make one in a folder, of exactly the packages that its file lists; return where its programs are."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, folder], check=True, timeout=INSTALL_SECONDS)
    install = [*uv, "pip", "install", "-q", "--no-deps", "--python", folder, "-r", CLIENTS / f"{name}.txt"]
    subprocess.run(install, check=True, timeout=INSTALL_SECONDS)
    return folder / "bin"
