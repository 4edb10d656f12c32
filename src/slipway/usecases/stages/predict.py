"""Predict: a model's answers to the holdout rows, in a process of its own."""

import numpy as np
from numpy.typing import NDArray

from slipway import wiring
from slipway.domain.release.version import Artifact
from slipway.usecases.retrying import idempotent
from slipway.usecases.stages.fetch import Holdout


@idempotent
def predict_holdout(model: Artifact | None, rows: Holdout) -> NDArray[np.generic] | None:
    """Return the predictions, shape (rows,) or (rows, outputs); a champion's are in the cache since its own release.

    None for no model: the first release has no champion.
    """
    return wiring.get_runner().predict(model.path, rows.path, rows.columns) if model else None
