"""What goes into a model and what comes out of it, in whatever form it does."""

import numpy as np
import pandas as pd
import pytest

from slipway.adapters.runner.worker import convert_to_array, convert_to_input, find_failing_row
from slipway.domain.release.version import Column, Signature

ROWS = pd.DataFrame({"x": [1, 2, 3], "y": [0.5, 1.5, 2.5]})


def signature(**kinds: str) -> Signature:
    """Return a signature of columns."""
    return Signature(inputs=tuple(Column(name=name, kind=kind) for name, kind in kinds.items()), outputs=())


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        (ROWS["y"], [0.5, 1.5, 2.5]),
        (ROWS[["y"]], [0.5, 1.5, 2.5]),
        (ROWS, [[1.0, 0.5], [2.0, 1.5], [3.0, 2.5]]),
        (ROWS.assign(name="n"), [1, 2, 3]),
        (pd.Series(["a", "b"]), ["a", "b"]),
        (np.array(["a", "b"], dtype=object), ["a", "b"]),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
        ({"label": np.array([1, 0]), "probabilities": np.array([[0.1, 0.9], [0.8, 0.2]])}, [1, 0]),
        ([True, False], [True, False]),
    ],
)
def test_every_form_of_prediction_becomes_an_array(predictions: object, expected: list[object]) -> None:
    """Series, frames, text, lists, named outputs; one column is flat; never an array of Python objects."""
    array = convert_to_array(predictions)

    assert array.tolist() == expected
    assert array.dtype.kind in "biufU"


@pytest.mark.parametrize("predictions", [[object()], 3.0, None, np.array(["2026-01-01"], dtype="datetime64[D]")])
def test_what_is_neither_numbers_nor_labels_is_refused(predictions: object) -> None:
    """The type is named."""
    with pytest.raises(TypeError, match="neither numbers nor labels"):
        convert_to_array(predictions)


def test_a_csv_files_numbers_take_the_models_types() -> None:
    """Whole numbers feed floating point, floating point feeds a narrower one, text feeds dates."""
    frame = ROWS.assign(when="2026-01-02", z=[1.0, 2.0, 3.0])

    typed = convert_to_input(frame, signature(x="float64", y="float32", when="datetime64[ns]", z="int64"))

    assert isinstance(typed, pd.DataFrame)
    assert [kind.name for kind in typed.dtypes] == ["float64", "float32", "datetime64[ns]", "int64"]


def test_values_never_change_to_fit_a_type() -> None:
    """Text stays text, and 0.5 no whole number: the model's own schema says no."""
    frame = ROWS.assign(x=["a", "b", "c"])

    typed = convert_to_input(frame, signature(x="float64", y="int64"))

    pd.testing.assert_frame_equal(typed, frame)


def test_a_model_of_one_matrix_gets_its_columns_together() -> None:
    """In the type and the shape of its signature."""
    tensor = Signature(inputs=(Column(name="input", kind="float32", shape=(-1, 2, 1)),), outputs=())

    array = convert_to_input(ROWS, tensor)

    assert isinstance(array, np.ndarray)
    assert array.dtype == np.float32
    assert array.shape == (3, 2, 1)


def test_a_nameless_single_value_gets_the_only_column() -> None:
    """One value per row."""
    array = convert_to_input(ROWS[["x"]], signature(input="float64"))

    np.testing.assert_array_equal(array, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("bad", range(7))
def test_the_row_that_fails_is_found(bad: int) -> None:
    """Wherever it is."""
    frame = pd.DataFrame({"x": range(7)})

    def run(part: pd.DataFrame) -> None:
        assert bad not in part["x"].tolist()

    assert find_failing_row(run, frame) == bad


def test_rows_that_fail_only_together_name_none() -> None:
    """Half of them work, and so does the other half."""

    def run(part: pd.DataFrame) -> None:
        assert len(part) < 3

    assert find_failing_row(run, ROWS) is None
