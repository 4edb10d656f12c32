"""Whether a downloaded folder is a whole MLflow model, as far as its own MLmodel file can tell."""

from pathlib import Path
from typing import Any

import yaml

from slipway.errors import ArtifactBroken

MODEL_FILE = "MLmodel"
GENERATED = "registered_model_meta"
"""Written by some MLflow clients into what they download: no part of the artifact."""


def check(tree: Path, name: str) -> None:
    """Raise ArtifactBroken for a folder without a readable MLmodel, or smaller than that file says.

    MLflow notes `model_size_bytes` when it saves a model, before it adds small files of its own. A folder that is
    smaller than that has lost something.
    """
    model = _read(tree / MODEL_FILE, name)
    noted = model.get("model_size_bytes")
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and path != tree / MODEL_FILE)
    if isinstance(noted, int) and size < noted:
        raise _broken(name, f"{size} bytes beside MLmodel", f"at least the {noted} bytes that MLmodel notes")


def _read(path: Path, name: str) -> dict[str, Any]:
    if not path.is_file() or path.is_symlink():
        raise _broken(name, "no MLmodel file", "an MLflow model folder, with MLmodel at its top")
    try:
        model = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _broken(name, "an MLmodel file that is no YAML", "the file as MLflow wrote it") from error
    if not isinstance(model, dict) or not isinstance(model.get("flavors"), dict):
        raise _broken(name, "an MLmodel file without flavors", "the file as MLflow wrote it, whole")
    return model


def _broken(name: str, seen: str, expected: str) -> ArtifactBroken:
    return ArtifactBroken(
        f"artifact of {name}",
        seen=seen,
        expected=expected,
        do="log and register the model again: this version's artifact is incomplete",
    )
