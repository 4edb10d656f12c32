"""Rows files: what is read, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slipway.artifacts.rows import list_input_columns, make_matrix, read_labels, read_rows
from slipway.domain.release.version import Column, Signature
from slipway.errors import DataBroken


def written(folder: Path, text: str) -> Path:
    """Write a CSV file."""
    path = folder / "rows.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_the_columns_asked_for_in_their_order(tmp_path: Path) -> None:
    """The model's order counts, not the file's."""
    path = written(tmp_path, "a,b,label\n1,2.5,x\n3,4.5,y\n")

    frame = read_rows(path, ["b", "a"])

    assert list(frame.columns) == ["b", "a"]
    assert frame["b"].tolist() == [2.5, 4.5]


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path, digits_rows: Path) -> None:
    """The format of the file changes nothing."""
    parquet = tmp_path / "rows.parquet"
    pd.read_csv(digits_rows).to_parquet(parquet)
    columns = [f"pixel_{number}" for number in range(64)]

    frames = read_rows(digits_rows, columns), read_rows(parquet, columns)

    pd.testing.assert_frame_equal(*frames)


def test_numbers_are_read_to_the_last_digit(tmp_path: Path) -> None:
    """A float written by Python comes back the same."""
    value = 0.1 + 0.2
    path = written(tmp_path, f"a\n{value!r}\n")

    assert read_rows(path, ["a"])["a"][0] == value


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("y\n1\n0\n", "i", [1, 0]),
        ("y\n1.5\n0\n", "f", [1.5, 0.0]),
        ("y\ncat\ndog\n", "U", ["cat", "dog"]),
        ("y\nTrue\nFalse\n", "b", [True, False]),
    ],
)
def test_labels_keep_their_kind(tmp_path: Path, text: str, kind: str, expected: list[object]) -> None:
    """Whole numbers, numbers, text and truth values stay what they are."""
    labels = read_labels(written(tmp_path, text), "y")

    assert labels.dtype.kind == kind
    assert labels.tolist() == expected


@pytest.mark.parametrize("text", ["x,y\n1,0\n2,\n", "x,y\n1,0.5\n2,NaN\n", "x,y\n1,0.5\n2,inf\n", "x,y\n1,a\n2,\n"])
def test_a_row_without_a_label_is_refused_by_its_number(tmp_path: Path, text: str) -> None:
    """Null, NaN or infinite truth: nothing can be judged from it."""
    path = written(tmp_path, text)

    with pytest.raises(DataBroken, match="1 of 2 rows without a finite value, the first in row 2"):
        read_labels(path, "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column"),
        ("a,b\n", "a header and no rows"),
        ("a,b\n1,2\n3,4,5\n", "can't be read: .*line 3"),
        ("a,b\n1,2,3\n4,5,6\n", "its first row has 3 fields under a header of 2"),
        ("a,b,a\n1,2,3\n", "column 'a' more than once"),
    ],
)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    """Empty, without rows, ragged, shifted, repeated."""
    path = written(tmp_path, text)

    with pytest.raises(DataBroken, match=message):
        read_rows(path, ["a", "b"])


def test_missing_columns_are_named_beside_what_is_there(tmp_path: Path) -> None:
    """A misspelt column comes with the name it may mean."""
    path = written(tmp_path, "pixel_0,pixel_l,digit\n1,2,3\n")

    with pytest.raises(DataBroken) as caught:
        read_rows(path, ["pixel_0", "pixel_1"])

    assert caught.value.seen == "no column 'pixel_1'; it has columns 'pixel_0', 'pixel_l', 'digit'"
    assert "did you mean 'pixel_l' for 'pixel_1'?" in caught.value.do


def test_many_missing_columns_are_counted(tmp_path: Path) -> None:
    """A message stays readable."""
    path = written(tmp_path, "x\n1\n")

    with pytest.raises(DataBroken, match="and 56 more"):
        read_rows(path, [f"pixel_{number}" for number in range(64)])


def test_no_such_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """Both say what was found instead of a file."""
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(DataBroken, match="no such file"):
        read_rows(tmp_path / "none.csv", ["a"])
    with pytest.raises(DataBroken, match="a folder"):
        read_rows(tmp_path / "folder.csv", ["a"])


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    """The format is never guessed."""
    path = tmp_path / "rows.xlsx"
    path.write_bytes(b"PK")

    with pytest.raises(DataBroken, match=r"one of \.csv, \.parquet"):
        read_rows(path, ["a"])


@pytest.mark.parametrize(("name", "content"), [("rows.csv", b"a,b\n\xff\xfe,1\n"), ("rows.parquet", b"PAR1 cut off")])
def test_bytes_that_are_no_rows_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """Not UTF-8, or a truncated Parquet file."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DataBroken, match="can't be read"):
        read_rows(path, ["a"])


def test_a_matrix_holds_every_column(tmp_path: Path) -> None:
    """Whole numbers and numbers together become floating point."""
    path = written(tmp_path, "a,b\n1,2.5\n3,4.5\n")

    array = make_matrix(read_rows(path, ["a", "b"]))

    np.testing.assert_array_equal(array, [[1.0, 2.5], [3.0, 4.5]])


def test_a_matrix_of_text_is_refused(tmp_path: Path) -> None:
    """The column is named."""
    path = written(tmp_path, "a,b\n1,x\n")

    with pytest.raises(DataBroken, match="column 'b' without numbers"):
        make_matrix(read_rows(path, ["a", "b"]))


def test_the_inputs_of_a_matrix_signature_are_all_columns_but_the_label(tmp_path: Path) -> None:
    """A signature of columns names its inputs itself."""
    path = written(tmp_path, "a,label,b\n1,2,3\n")
    whole = Signature(inputs=(Column(name="input", kind="float32", shape=(-1, 2)),), outputs=())
    named = Signature(inputs=(Column(name="b", kind="float64"),), outputs=())

    assert list_input_columns(path, whole, "label") == ("a", "b")
    assert list_input_columns(path, named, "label") == ("b",)


def test_an_optional_input_counts_where_the_file_has_it(tmp_path: Path) -> None:
    """A required one always counts, so that its absence is told by whoever reads it."""
    path = written(tmp_path, "a,label\n1,2\n")
    inputs = (Column(name="a", kind="float64", required=False), Column(name="b", kind="float64", required=False))

    assert list_input_columns(path, Signature(inputs=inputs, outputs=()), "label") == ("a",)
    assert list_input_columns(path, Signature(inputs=(*inputs, Column(name="c", kind="str")), outputs=()), "label") == (
        "a",
        "c",
    )
