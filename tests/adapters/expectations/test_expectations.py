"""Rows checked through Great Expectations: what is told, what blocks, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from slipway.adapters.expectations import GreatExpectationsValidator
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import DataSpec
from slipway.domain.verdict import Outcome, Verdict, combine_outcomes
from slipway.errors import DataBroken

Judge = Callable[..., list[Verdict]]
PIXELS = tuple(Column(name=f"pixel_{number}", kind="float64") for number in range(64))


def signature(*columns: Column) -> Signature:
    """Return a signature with these inputs."""
    return Signature(inputs=columns, outputs=())


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that checks columns of values, given the types of the inputs and more of the spec."""

    def run(values: dict[str, list[Any]], kinds: dict[str, str], suffix: str = "csv", **spec: Any) -> list[Verdict]:  # noqa: ANN401 - any part of a spec
        path = tmp_path / f"rows.{suffix}"
        frame = pd.DataFrame(values)
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
        columns = [Column(name=name, kind=kind) for name, kind in kinds.items()]
        document = DataSpec.model_validate({"path": path, "label": "y", "minimum_rows": 1, **spec})
        return GreatExpectationsValidator().validate(path, document, signature(*columns))

    return run


def failures(verdicts: list[Verdict]) -> dict[str, str]:
    """Return the reasons of failing checks."""
    return {verdict.check: verdict.reason for verdict in verdicts if verdict.outcome is Outcome.FAIL}


def test_good_rows_pass_in_few_sentences(digits_rows: Path) -> None:
    """64 columns are told of together, the label in the checks that concern it."""
    spec = DataSpec.model_validate(
        {
            "path": digits_rows,
            "label": "digit",
            "expectations": [
                {"column": "pixel_*", "minimum": 0, "maximum": 16},
                {"column": "digit", "allowed": list(range(10))},
            ],
        }
    )

    verdicts = GreatExpectationsValidator().validate(digits_rows, spec, signature(*PIXELS))

    assert combine_outcomes(verdicts) is Outcome.PASS
    assert [verdict.reason for verdict in verdicts] == [
        "300 rows, of 50 needed at least",
        "64 columns that the model takes, and label 'digit', are there",
        "64 columns fit the model's float64 inputs",
        "65 columns without nulls",
        "64 columns with finite values",
        "column digit with none but '0', '1', '2', '3', '4', '5', '6', '7' and 2 more",
        "64 columns within 0 to 16",
    ]


def test_values_out_of_range_are_told_with_their_rows(judge: Judge) -> None:
    """Each failing column by its name, the others together."""
    expectations = [{"column": name, "minimum": 0, "maximum": 16} for name in "abc"]

    verdicts = judge(
        {"a": [1.0, 17.0, -3.0], "b": [0.0, 16.0, 1.0], "c": [2.0, 3.0, 99.0], "y": [0, 1, 0]},
        dict.fromkeys("abc", "float64"),
        expectations=expectations,
    )

    told = [verdict.reason for verdict in verdicts if verdict.check == "range"]
    assert told == [
        "column a: 2 of 3 values outside 0 to 16: 17.0 in row 2, -3.0 in row 3",
        "column c: 1 of 3 values outside 0 to 16: 99.0 in row 3",
        "column b within 0 to 16",
    ]
    assert combine_outcomes(verdicts) is Outcome.FAIL


def test_a_warning_is_shown_and_does_not_block(judge: Judge) -> None:
    """The release goes on."""
    expectations = [{"column": "a", "maximum": 1, "severity": "warning"}]

    verdicts = judge({"a": [1.0, 2.5], "y": [0, 1]}, {"a": "float64"}, expectations=expectations)

    (told,) = (verdict for verdict in verdicts if verdict.check == "range")
    assert (told.outcome, told.blocking) == (Outcome.FAIL, False)
    assert combine_outcomes(verdicts) is Outcome.PASS


@pytest.mark.parametrize(
    ("mostly", "outcome", "words"),
    [
        (0.75, Outcome.PASS, "1 of 4 values over 3, 25 % may be"),
        (0.8, Outcome.FAIL, r"1 of 4 values over 3 (20 % may be)"),
    ],
)
def test_a_share_of_values_may_be_out_of_range(judge: Judge, mostly: float, outcome: Outcome, words: str) -> None:
    """As many as the spec says, column by column."""
    expectations = [{"column": name, "maximum": 3, "mostly": mostly} for name in "ab"]

    verdicts = judge(
        {"a": [1, 2, 3, 4], "b": [1, 1, 1, 1], "y": [0] * 4}, {"a": "int64", "b": "int64"}, expectations=expectations
    )

    first, second = (verdict for verdict in verdicts if verdict.check == "range")
    assert first.outcome is outcome
    assert words in first.reason
    assert second.reason == "column b at most 3"


def test_values_that_are_not_allowed_are_shown(judge: Judge) -> None:
    """Text and numbers alike."""
    expectations = [{"column": "a", "allowed": ["red", "green"]}, {"column": "y", "allowed": [0, 1]}]

    verdicts = judge({"a": ["red", "blue"], "y": [0, 2]}, {"a": "str"}, expectations=expectations)

    told = [verdict.reason for verdict in verdicts if verdict.check == "allowed values"]
    assert told == [
        "column a: 1 of 2 values are none of 'red', 'green': blue in row 2",
        "column y: 1 of 2 values are none of '0', '1': 2 in row 2",
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "float64"),
        ([1.5, 2.0], "float32"),
        ([1.0, 2.0], "int64"),
        (["a", "b"], "str"),
        ([True, False], "bool"),
        (["2026-01-02", "2026-01-03T10:00:00"], "datetime64[ns]"),
    ],
)
def test_types_that_mean_the_same_fit(judge: Judge, values: list[Any], kind: str) -> None:
    """A CSV file knows fewer types than a signature."""
    verdicts = judge({"a": values, "y": [0, 1]}, {"a": kind})

    assert failures(verdicts) == {}


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (["1", "x"], "float64", "column a holds text; the model's float64 input needs numbers, not x (row 2)"),
        ([1.0, 2.5], "int64", "column a holds numbers; the model's int64 input needs whole numbers, not 2.5 (row 2)"),
        ([7, 8], "str", "column a holds whole numbers; the model's str input needs text: write the file as Parquet"),
        ([True, False], "float64", "column a holds truth values; the model's float64 input needs numbers"),
        (["soon", "later"], "datetime64[ns]", "column a holds text; the model's datetime64[ns] input needs dates"),
    ],
)
def test_types_that_do_not_fit_are_told(judge: Judge, values: list[Any], kind: str, reason: str) -> None:
    """With the first value that does not."""
    verdicts = judge({"a": values, "b": [1.0, 2.0], "y": [0, 1]}, {"a": kind, "b": "float64"})

    assert failures(verdicts)["types"].startswith(reason)
    assert "column b fit the model's float64 inputs" in [verdict.reason for verdict in verdicts]


def test_nulls_are_told_with_the_first_row(judge: Judge) -> None:
    """In numbers and text."""
    values = {"a": [1.0, None, None], "b": ["x", "y", None], "y": [0, 1, 0]}

    verdicts = judge(values, {"a": "float64", "b": "str"})

    told = [verdict.reason for verdict in verdicts if verdict.check == "nulls"]
    assert "column a: 2 of 3 values are null, the first in row 2" in told
    assert "column b: 1 of 3 values are null, the first in row 3" in told


def test_nulls_may_be_allowed_in_inputs_but_not_in_the_label(judge: Judge) -> None:
    """Truth that is missing can't judge anything."""
    values = {"a": [1.0, None, 2.0], "y": [0, None, 1]}

    verdicts = judge(values, {"a": "float64"}, nulls_allowed=True)

    assert failures(verdicts) == {"nulls": "column y: 1 of 3 values are null, the first in row 2"}


def test_infinite_values_are_told(judge: Judge) -> None:
    """Also where nulls may be."""
    values = {"a": [1.0, float("inf"), float("-inf")], "y": [0, 1, 1]}

    verdicts = judge(values, {"a": "float64"}, suffix="parquet", nulls_allowed=True)

    assert failures(verdicts) == {"finite values": "column a: 2 of 3 values are infinite: inf in row 2, -inf in row 3"}


def test_too_few_rows_fail(judge: Judge) -> None:
    """Nothing can be said from them."""
    verdicts = judge({"a": [1.0], "y": [0]}, {"a": "float64"}, minimum_rows=50)

    assert failures(verdicts) == {"rows": "1 rows, of 50 needed at least"}


def test_missing_input_columns_fail_with_what_is_meant(judge: Judge) -> None:
    """The other columns are checked all the same."""
    verdicts = judge({"ages": [1.0], "b": [None], "y": [0]}, {"age": "float64", "b": "float64"})

    assert failures(verdicts)["columns"] == "1 of 2 columns that the model takes missing: 'age'; did you mean 'ages'?"
    assert "nulls" in failures(verdicts)


def test_an_optional_input_may_be_missing(tmp_path: Path) -> None:
    """The model works without."""
    path = tmp_path / "rows.csv"
    path.write_text("a,y\n1,0\n")
    columns = (Column(name="a", kind="float64"), Column(name="b", kind="float64", required=False))

    verdicts = GreatExpectationsValidator().validate(
        path, DataSpec(path=path, label="y", minimum_rows=1), signature(*columns)
    )

    assert failures(verdicts) == {}


@pytest.mark.parametrize(("width", "outcome"), [(2, Outcome.PASS), (3, Outcome.FAIL)])
def test_a_matrix_takes_all_columns_but_the_label(tmp_path: Path, width: int, outcome: Outcome) -> None:
    """Their number must be the matrix's."""
    path = tmp_path / "rows.csv"
    path.write_text("a,y,b\n1,0,2\n")
    whole = signature(Column(name="input", kind="float32", shape=(-1, width)))

    verdicts = GreatExpectationsValidator().validate(path, DataSpec(path=path, label="y", minimum_rows=1), whole)

    assert combine_outcomes(verdicts) is outcome


def test_a_label_that_is_an_input_fails(judge: Judge) -> None:
    """The model would be shown the truth."""
    verdicts = judge({"a": [1.0], "y": [0]}, {"a": "float64", "y": "int64"})

    assert "shown the truth" in failures(verdicts)["columns"]


@pytest.mark.parametrize(
    ("expectation", "reason"),
    [
        ({"column": "ab", "minimum": 0}, "column 'ab', which the file lacks"),
        ({"column": "a", "minimum": 0}, "a range for column a, which holds text"),
    ],
)
def test_an_expectation_without_an_answer_fails(judge: Judge, expectation: dict[str, Any], reason: str) -> None:
    """It is never passed over."""
    verdicts = judge({"a": ["x"], "y": [0]}, {"a": "str"}, expectations=[expectation])

    assert reason in failures(verdicts)["expectation"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("a,y\n", "a header and no rows"), ("", "nothing in it|no column"), ("a,b\n1,2\n", "no column 'y'")],
)
def test_a_file_without_rows_or_label_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """There is nothing to check."""
    path = tmp_path / "rows.csv"
    path.write_text(content)

    with pytest.raises(DataBroken, match=message):
        GreatExpectationsValidator().validate(path, DataSpec(path=path, label="y"), signature(*PIXELS))
    with pytest.raises(DataBroken, match="no such file"):
        GreatExpectationsValidator().validate(tmp_path / "no.csv", DataSpec(path=path, label="y"), signature(*PIXELS))
