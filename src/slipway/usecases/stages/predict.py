"""Predict: what a model says of the holdout, in a process of its own."""

import numpy as np
from numpy.typing import NDArray
from prefect import task

from slipway import wiring
from slipway.domain.model import Artifact
from slipway.usecases.stages.fetch import Holdout
from tasks.caching import by_content
from tasks.retrying import RETRIED


@task(name="predict", tags=["slipway"], cache_policy=by_content("model", "rows"), persist_result=True, **RETRIED)
def predict(model: Artifact | None, rows: Holdout) -> NDArray[np.generic] | None:
    """Return the predictions, shape (rows,) or (rows, outputs); a champion's are in the cache since its own release.

    None for no model: the first release has no champion.
    """
    return wiring.runner().predict(model.path, rows.path, rows.columns) if model else None
