"""Whether a downloaded folder is a complete MLflow model, according to its own MLmodel file."""

from pathlib import Path

from slipway.artifacts import mlmodel
from slipway.artifacts.store import walk_files
from slipway.errors import ArtifactBroken

GENERATED = "registered_model_meta"
"""Written by some MLflow clients into what they download: no part of the artifact."""


def check_complete(tree: Path, name: str) -> None:
    """Raise ArtifactBroken for a folder without a readable MLmodel, or smaller than stated in that file.

    MLflow notes `model_size_bytes` when it saves a model, before it adds small files of its own. A folder that is
    smaller than that has lost something.
    """
    noted = mlmodel.read_description(tree, f"artifact of {name}").get("model_size_bytes")
    size = sum(path.stat().st_size for file, path in walk_files(tree) if file != mlmodel.FILE)
    if isinstance(noted, int) and size < noted:
        raise ArtifactBroken(
            f"artifact of {name}",
            seen=f"{size} bytes beside MLmodel",
            expected=f"at least the {noted} bytes that MLmodel notes",
            do="log and register the model again: this version's artifact is incomplete",
        )
