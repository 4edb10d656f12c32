"""The model as its framework runs it: loaded from the MLflow folder, asked as MLflow's pyfunc would ask it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.adapters.onnx.session import plain_labels
from slipway.adapters.onnx.worker import one_line
from slipway.domain.parity import Answers
from slipway.errors import ArtifactBroken, DataBroken

if TYPE_CHECKING:
    import pandas as pd


def load(model: Path) -> Any:  # noqa: ANN401 - any scikit-learn estimator
    """Load the estimator; skops files load only the types that are safe or trusted by the model's MLmodel."""
    import mlflow.sklearn

    try:
        return mlflow.sklearn.load_model(str(model))
    except Exception as error:  # loaders raise anything: unpickling runs foreign code
        raise ArtifactBroken(
            f"model folder {model.name}",
            seen=f"it can't be loaded: {one_line(error)}",
            expected="a scikit-learn model that this environment can load",
            do="check its requirements.txt against this environment, and `skops_trusted_types` in its MLmodel",
        ) from error


def typed(frame: "pd.DataFrame", kinds: dict[str, str]) -> "pd.DataFrame":
    """Return the frame in the signature's types, as MLflow enforces them; text stays as it is. Raises DataBroken."""
    numbers = {name: kind for name, kind in kinds.items() if kind != "str"}
    try:
        return frame.astype(numbers)
    except (TypeError, ValueError) as error:
        raise DataBroken(
            "rows to convert the model with",
            seen=one_line(error),
            expected="values of the types that the model's signature says",
            do="correct the rows file, or log the model with the signature of what it takes",
        ) from error


def ask(model: Any, frame: "pd.DataFrame") -> Answers:  # noqa: ANN401 - any scikit-learn estimator
    """Return the estimator's predictions, and its probabilities where it has them as one table."""
    # an estimator that was fitted on an array has no names, and would warn about ours
    rows = frame if hasattr(model, "feature_names_in_") else frame.to_numpy()
    probabilities = model.predict_proba(rows) if hasattr(model, "predict_proba") else None
    if not (isinstance(probabilities, np.ndarray) and probabilities.ndim == 2):  # noqa: PLR2004 - a table
        probabilities = None
    return Answers(predictions=plain_labels(model.predict(rows)), probabilities=probabilities)


def ask_about_rows(model: Any, frame: "pd.DataFrame") -> Answers:  # noqa: ANN401 - any scikit-learn estimator
    """Ask about ordinary rows, which the original has to take; raise ArtifactBroken."""
    try:
        return ask(model, frame)
    except Exception as error:  # the model's own code may raise anything
        raise ArtifactBroken(
            f"model {type(model).__name__}",
            seen=f"it fails on the rows: {one_line(error)}",
            expected="predictions for every row",
            do="check the rows file against what the model was trained on",
        ) from error
