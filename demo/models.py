"""The four versions of `digits`: how each is trained, and registered in MLflow. Only with scikit-learn's own parts."""

import os
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from demo.rows import TRAIN, VALIDATION, Digits

if TYPE_CHECKING:
    import pandas as pd

MODEL = "digits"
EXPERIMENT = "digits training"
EXAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one version is trained."""

    version: int
    title: str
    """Description for people."""
    rows: slice
    """The training rows."""
    build: Callable[[], Any]
    """Returns the untrained estimator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One trained version."""

    recipe: Recipe
    estimator: Any
    accuracy: float
    """Its accuracy on the validation rows."""

    def answers(self, pixels: "pd.DataFrame") -> list[int | None]:
        """Return its prediction for every row; None for all of them if it fails on this kind of row.

        One call is enough: all odd rows have a pixel below zero.
        """
        try:
            with np.errstate(invalid="ignore"):
                said: NDArray[np.int64] = self.estimator.predict(pixels)
        except ValueError:
            return [None] * len(pixels)
        return [int(digit) for digit in said]


def _first_try() -> Any:  # noqa: ANN401 - scikit-learn is untyped for us
    """Return only labels, as the others do: otherwise clients of probabilities would miss them from version 2 on."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=0.0005, random_state=0)


def _support_vectors() -> Any:  # noqa: ANN401 - scikit-learn is untyped for us
    from sklearn.svm import SVC

    return SVC(gamma=0.001, C=10)


def _square_roots() -> Any:  # noqa: ANN401 - scikit-learn is untyped for us
    """Transform pixels by square roots: as good on every validation row, but it fails for a pixel below zero."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.svm import SVC

    return make_pipeline(FunctionTransformer(np.sqrt), SVC(C=5))


RECIPES = (
    Recipe(version=1, title="linear support vectors, 500 rows", rows=slice(0, 500), build=_first_try),
    Recipe(version=2, title="support vectors, all rows", rows=TRAIN, build=_support_vectors),
    Recipe(version=3, title="square roots, support vectors", rows=TRAIN, build=_square_roots),
    Recipe(version=4, title="support vectors, only 60 rows", rows=slice(0, 60), build=_support_vectors),
)
"""In the order of their registration."""


def train(recipe: Recipe, digits: Digits) -> Trained:
    """Train one version; under a second."""
    estimator = recipe.build().fit(digits.pixels[recipe.rows], digits.labels[recipe.rows])
    accuracy = estimator.score(digits.pixels[VALIDATION], digits.labels[VALIDATION])
    return Trained(recipe=recipe, estimator=estimator, accuracy=float(accuracy))


def register(trained: Trained, digits: Digits, uri: str, model: str = MODEL) -> int:
    """Log the model to an MLflow server and register it as the next version of `model`; return its number.

    Through the server's REST API, because only that triggers webhooks. Serialized with skops: loading it runs no code.
    """
    import mlflow
    import sklearn
    from mlflow.models import infer_signature

    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "1"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    mlflow.set_tracking_uri(uri)
    example = digits.pixels[trained.recipe.rows].head(EXAMPLE_ROWS)
    # MLflow logs every step to stderr, in the middle of the view
    with redirect_stderr(StringIO()):
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=f"{model}: {trained.recipe.title}"):
            mlflow.log_metric("validation_accuracy", trained.accuracy)
            logged = mlflow.sklearn.log_model(
                trained.estimator,
                name=MODEL,
                registered_model_name=model,
                signature=infer_signature(example, trained.estimator.predict(example)),
                input_example=example,
                # given explicitly: MLflow would infer it by loading the model in another process, which takes seconds
                pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"numpy=={np.__version__}", "skops"],
            )
    return int(logged.registered_model_version)
