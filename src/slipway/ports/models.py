"""Running a downloaded model as its framework would, away from our process: model files are untrusted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from slipway.domain.release.version import Signature


class ModelRunner(Protocol):
    """Reads and runs MLflow model folders."""

    def read_signature(self, model: Path, *, allow_pickle: bool) -> Signature:
        """Return the signature.

        Raises ArtifactBroken without one, without an input example, or for a pickle that is not allowed.
        """
        ...

    def predict(self, model: Path, rows: Path, columns: Sequence[str]) -> NDArray[np.generic]:
        """Return the model's predictions for a rows file (CSV or Parquet), shape (rows,) or (rows, outputs).

        Runs in a process of its own. Raises ArtifactBroken when the model can't be loaded or fails on the rows.
        """
        ...

    def check_example(self, model: Path) -> None:
        """Run the model on its own input example; raise ArtifactBroken when it fails."""
        ...
