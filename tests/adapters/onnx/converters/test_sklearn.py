"""Which scikit-learn models convert, with which inputs and outputs, and which are refused with which words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from slipway.adapters.onnx.convert_worker import MODEL_FILE
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import ArtifactBroken, ConversionRefused

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # edge rows overflow some models on purpose
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

Compared = Callable[..., tuple[Verdict, dict[str, Any]]]
Labels = pd.Series  # by row
Model = Any  # an estimator
BOTH = ["prediction", "probabilities"]


@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)), BOTH),
        (RandomForestClassifier(20, random_state=0), BOTH),
        (MLPClassifier((32,), max_iter=40, random_state=0), BOTH),
        (SVC(), ["prediction"]),
        (KMeans(10, n_init=1, random_state=0), ["prediction"]),
        (Ridge(), ["prediction"]),
        (RandomForestRegressor(10, random_state=0), ["prediction"]),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_models_of_numbers_take_one_matrix_and_agree(
    compared: Compared, pixels: pd.DataFrame, truth: Labels, model: Model, outputs: list[str]
) -> None:
    """Classifiers, regressors and clusterings become one input; probabilities come where the original has them."""
    verdict, response = compared(model.fit(pixels, truth), pixels)

    assert verdict.outcome is Outcome.PASS, verdict.reason
    assert (response["inputs"], response["outputs"], response["single_matrix"]) == (["input"], outputs, True)


def test_predictions_have_the_shape_of_the_original(
    compared: Compared, pixels: pd.DataFrame, truth: Labels, tmp_path: Path
) -> None:
    """A regression that predicts (rows,) does so as ONNX, where the converter would make it (rows, 1)."""
    compared(Ridge().fit(pixels, truth), pixels)

    output = onnx.load(tmp_path / MODEL_FILE).graph.output[0]
    assert len(output.type.tensor_type.shape.dim) == 1


def test_several_targets_keep_their_columns(compared: Compared, pixels: pd.DataFrame, truth: Labels) -> None:
    """A regression of two numbers gives (rows, 2) in both forms."""
    verdict, _ = compared(LinearRegression().fit(pixels, np.column_stack([truth, -truth])), pixels)

    assert verdict.outcome is Outcome.PASS, verdict.reason


def test_text_labels_stay_text(compared: Compared, pixels: pd.DataFrame, truth: Labels) -> None:
    """Classes named by words are compared as words."""
    names = np.array([f"digit {number}" for number in truth])

    verdict, _ = compared(make_pipeline(StandardScaler(), LogisticRegression()).fit(pixels, names), pixels)

    assert verdict.outcome is Outcome.PASS
    assert verdict.reason.startswith("300 of 300 labels agree")


def test_unused_work_is_cut_out_of_the_graph(
    compared: Compared, pixels: pd.DataFrame, truth: Labels, tmp_path: Path
) -> None:
    """The scores that an SVC without probabilities does not give are not computed either."""
    compared(SVC().fit(pixels, truth), pixels)

    nodes = [node.op_type for node in onnx.load(tmp_path / MODEL_FILE).graph.node]
    assert len(nodes) < 20, nodes


def people() -> tuple[pd.DataFrame, "np.ndarray[Any, Any]"]:
    """Return rows of a float, an integer, a text and a boolean column, and a truth that follows from them."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age (years)": rng.uniform(18, 90, 200),
            "visits": rng.integers(0, 30, 200),
            "city": rng.choice(["Bonn", "Kiel", "Ulm"], 200),
            "member": rng.random(200) < 0.5,
        }
    )
    return frame, np.asarray((frame["visits"] > 12) ^ (frame["city"] == "Ulm")).astype(int)


def test_mixed_columns_are_inputs_of_their_own(compared: Compared) -> None:
    """Numbers beside text: one input per column, in their order, and a text never seen is an edge row."""
    frame, label = people()
    columns = make_column_transformer(
        (StandardScaler(), ["age (years)", "visits"]),
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ("passthrough", ["member"]),
    )

    verdict, response = compared(make_pipeline(columns, LogisticRegression()).fit(frame, label), frame)

    assert verdict.outcome is Outcome.PASS, verdict.reason
    assert response["inputs"] == ["age__years_", "visits", "city", "member"]
    assert not response["single_matrix"]
    assert verdict.numbers["edge_rows"] == 5
    assert verdict.numbers["edge_rows_left_out"] == 1


def test_columns_picked_by_name_are_inputs_of_their_own(compared: Compared) -> None:
    """A pipeline that picks number columns by name can't take a nameless matrix."""
    frame, label = people()
    numbers = frame[["age (years)", "visits"]]
    columns = make_column_transformer((StandardScaler(), ["age (years)"]), ("passthrough", ["visits"]))

    verdict, response = compared(make_pipeline(columns, LogisticRegression()).fit(numbers, label), numbers)

    assert verdict.outcome is Outcome.PASS, verdict.reason
    assert response["inputs"] == ["age__years_", "visits"]


def test_a_column_that_the_pipeline_drops_is_an_input_all_the_same(compared: Compared) -> None:
    """Inputs and columns correspond one to one, so that callers can pair them by place."""
    frame, label = people()
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["city"]), ("passthrough", ["visits"]))

    verdict, response = compared(make_pipeline(columns, LogisticRegression()).fit(frame, label), frame)

    assert verdict.outcome is Outcome.PASS, verdict.reason
    assert response["inputs"] == ["age__years_", "visits", "city", "member"]


def test_nulls_take_the_branches_they_were_taught(compared: Compared) -> None:
    """A forest trained on nulls answers rows with nulls as the original does, which the converter alone gets wrong."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 4)).astype(np.float32)
    label = (values[:, 0] + values[:, 1] > 0).astype(int)
    values[rng.random(values.shape) < 0.2] = np.nan
    frame = pd.DataFrame(values, columns=list("abcd"))

    verdict, _ = compared(RandomForestClassifier(20, random_state=0).fit(frame, label), frame)

    assert verdict.outcome is Outcome.PASS, verdict.reason


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), "FunctionTransformer is not supported"),
        (HistGradientBoostingClassifier(max_iter=3), "Expected an int, got a boolean"),
    ],
    ids=["function", "histogram"],
)
def test_what_the_converter_refuses_is_said_in_one_line(
    compared: Compared, pixels: pd.DataFrame, truth: Labels, model: Model, said: str
) -> None:
    """The refusal holds the converter's own reason, without pages of numbers."""
    model.fit(pixels, truth)

    with pytest.raises(ConversionRefused, match=said) as caught:
        compared(model, pixels)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_transformer_is_refused(compared: Compared, pixels: pd.DataFrame) -> None:
    """What can't predict is no model to serve."""
    with pytest.raises(ConversionRefused, match="no predict method"):
        compared(StandardScaler().fit(pixels), pixels)


def test_a_column_named_like_an_output_is_refused(compared: Compared) -> None:
    """An input `prediction` would be overwritten by the output of that name."""
    frame, label = people()
    frame = frame[["city"]].rename(columns={"city": "prediction"})
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, label)

    with pytest.raises(ConversionRefused, match="'prediction' has the name of an output"):
        compared(model, frame)


def test_an_original_that_fails_on_the_rows_is_broken(compared: Compared, pixels: pd.DataFrame, truth: Labels) -> None:
    """Null rows that the original refuses are no parity question: the release has to stop."""
    holes = pixels.copy()
    holes.loc[3, "pixel_5"] = np.nan

    with pytest.raises(ArtifactBroken, match="contains NaN"):
        compared(LogisticRegression(max_iter=50).fit(pixels, truth), holes)
