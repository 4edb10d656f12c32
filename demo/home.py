"""The demo's own folder: fresh every time, and never one with other content."""

import os
import shutil
from pathlib import Path

from slipway.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""
MARKER = ".made-by-the-demo"


def point_environment_here() -> None:
    """Set the demo's folder, unless the environment has one already; before anything reads the settings."""
    os.environ.setdefault("SLIPWAY_HOME", str(ROOT / ".slipway" / "demo"))
    os.environ.setdefault("SLIPWAY_MODELS", str(ROOT / "deployments" / "models"))


def is_left_over(home: Path) -> bool:
    """Return whether an earlier demo created this folder; raise SettingsError if it is not the demo's."""
    if not home.exists() or not any(home.iterdir()):
        return False
    if (home / MARKER).exists():
        return True
    raise SettingsError(
        f"SLIPWAY_HOME {home}",
        seen="a folder with contents that the demo did not make",
        expected="an empty folder, or none: the demo begins with a fresh one",
        do="unset SLIPWAY_HOME, or name another folder",
    )


def make_fresh(home: Path) -> None:
    """Empty the folder, and mark it as the demo's. No process may run in it."""
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    (home / MARKER).write_text("`make demo` empties this folder when it begins.\n", encoding="utf-8")
