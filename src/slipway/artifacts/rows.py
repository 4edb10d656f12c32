"""Rows files: the labelled rows that gates judge with, read the same way by every stage that needs them.

CSV (`.csv`, UTF-8, with a header) or Parquet (`.parquet`). Empty fields, `NA` and `NaN` are nulls.
Everything wrong with a file is DataBroken, said once, here.
"""

import csv
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.judge.statistics.drift import profile_of
from slipway.domain.release.version import Signature
from slipway.errors import DataBroken

if TYPE_CHECKING:  # pandas takes a second to import: only those who read rows pay for it
    import pandas as pd

SHOWN = 8
"""How many column names a message lists before it counts the rest."""


def read_rows(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """Return these columns of a rows file, in this order; shape (rows, columns), at least one row.

    Raises DataBroken: no such file, unreadable, no rows, repeated or missing columns.
    """
    return read_table(path, columns)[list(columns)]


def read_table(path: Path, required: Sequence[str] = ()) -> "pd.DataFrame":
    """Return a rows file whole; raise DataBroken as `read_rows` does for the required columns."""
    frame = _find_reader(path)(path)
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise _make_missing_error(path, missing, [str(name) for name in frame.columns])
    if frame.empty:
        raise DataBroken(
            f"rows file {path.name}",
            seen="a header and no rows" if len(frame.columns) else "nothing in it",
            expected="at least one row",
            do="write the labelled rows into it, or point `data.path` at another file",
        )
    return frame


def profile_columns(path: Path, signature: Signature) -> tuple[ColumnProfile, ...]:
    """Return how the model's input columns are distributed in a rows file; columns of several values are left out.

    Raises DataBroken as `read_rows` does.
    """
    plain = [column for column in signature.inputs if column.shape == (-1,)]
    frame = read_rows(path, [column.name for column in plain])
    return tuple(profile_of(column.name, _restore_text(frame[column.name].to_numpy(), column.kind)) for column in plain)


def _restore_text(values: NDArray[np.generic], kind: str) -> NDArray[np.generic]:
    """Give numbers of a text column (zip codes) their text back: requests bring text."""
    return values.astype(str).astype(object) if kind in {"str", "object"} else values


def read_labels(path: Path, label: str) -> NDArray[np.generic]:
    """Return the truth by row, shape (rows,): numbers, booleans, or text as a unicode array.

    Raises DataBroken as `read_rows` does, and for labels that are null or infinite.
    """
    column = read_rows(path, [label])[label]
    values = np.array(column)
    bad = np.isinf(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=np.bool_)
    bad |= np.asarray(column.isna())
    if bad.any():
        raise DataBroken(
            f"label column {label!r} of {path.name}",
            seen=f"{bad.sum()} of {len(bad)} rows without a finite value, the first in row {int(bad.argmax()) + 1}",
            expected="the truth in every row",
            do="fill in the labels, or drop these rows",
        )
    return values if values.dtype.kind in "biuf" else values.astype(np.str_)


def list_input_columns(path: Path, signature: Signature, label: str) -> tuple[str, ...]:
    """Return the columns of a rows file that go into the model.

    A signature of columns names them; optional ones count where the file has them. A signature of a single matrix does
    not name any: then it is every column but the label, in the file's order. Raises DataBroken for an unreadable file.
    """
    single = len(signature.inputs) == 1 and len(signature.inputs[0].shape) > 1
    if not single and all(column.required for column in signature.inputs):
        return signature.columns
    present = list(_find_reader(path)(path).columns)
    if single:
        return tuple(name for name in present if name != label)
    return tuple(column.name for column in signature.inputs if column.required or column.name in present)


def make_matrix(frame: "pd.DataFrame") -> NDArray[np.generic]:
    """Return a frame of numbers as one array of shape (rows, columns), in the narrowest type that holds every column.

    Raises DataBroken for a column that holds no numbers.
    """
    arrays = [np.asarray(frame[name]) for name in frame.columns]
    text = [str(name) for name, array in zip(frame.columns, arrays, strict=True) if array.dtype.kind not in "biuf"]
    if text:
        raise DataBroken(
            "rows for a numeric matrix",
            seen=f"{_format_names(text)} without numbers",
            expected="numbers in every column",
            do="encode text inside the model's own pipeline, or log the model with a signature of columns",
        )
    return np.column_stack(arrays)


def _find_reader(path: Path) -> "Callable[[Path], pd.DataFrame]":
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise DataBroken(
            f"rows file {path.name}",
            seen=f"suffix {path.suffix!r}",
            expected="one of .csv, .parquet",
            do="write it as CSV or Parquet",
        )
    if not path.is_file():
        raise DataBroken(
            f"rows file {path.name}",
            seen="a folder" if path.is_dir() else f"no such file in folder {path.parent.name!r}",
            expected="a file with labelled rows",
            do="correct `data.path` in the release spec; it is relative to the spec's own folder",
        )
    return readers[path.suffix.lower()]


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            records = csv.reader(file)
            header, first = next(records, []), next(records, [])
        if not header:
            return pd.DataFrame()
        _refuse_repeated(path, header)
        _refuse_shifted(header, first)
        # read whole: with `usecols` pandas would pass over rows that have too many fields
        return pd.read_csv(path, encoding="utf-8-sig")
    except (OSError, ValueError, csv.Error) as error:  # pandas' and Unicode's errors are ValueErrors
        raise _make_unreadable_error(path, error) from error


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are one or the other
        raise _make_unreadable_error(path, error) from error
    _refuse_repeated(path, [str(name) for name in frame.columns])
    return frame


def _refuse_repeated(path: Path, header: Sequence[str]) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataBroken(
            f"rows file {path.name}",
            seen=f"{_format_names(repeated)} more than once in its header",
            expected="every column once",
            do="rename or drop the repeated columns",
        )


def _refuse_shifted(header: Sequence[str], first: Sequence[str]) -> None:
    """Raise ValueError where pandas would take the first field for an index, and shift the others by one."""
    if len(first) > len(header):
        message = f"its first row has {len(first)} fields under a header of {len(header)}"
        raise ValueError(message)


def _make_unreadable_error(path: Path, error: Exception) -> DataBroken:
    words = " ".join((error.strerror or "" if isinstance(error, OSError) else str(error)).split())
    return DataBroken(
        f"rows file {path.name}",
        seen=f"can't be read: {words[:200] or type(error).__name__}",
        expected=f"a readable {path.suffix.lower().lstrip('.')} file",
        do="write the file again, or correct `data.path` in the release spec",
    )


def _make_missing_error(path: Path, missing: Sequence[str], present: Sequence[str]) -> DataBroken:
    close = [(name, match) for name in missing for match in difflib.get_close_matches(name, present, n=1)]
    hints = ", ".join(f"{match!r} for {name!r}" for name, match in close[:3] if match not in missing)
    return DataBroken(
        f"rows file {path.name}",
        seen=f"no {_format_names(missing)}; it has {_format_names(present)}",
        expected="every input column of the model, and the label",
        do=f"correct the file's header; did you mean {hints}?" if hints else "correct the file or the release spec",
    )


def _format_names(names: Sequence[str]) -> str:
    """Name columns, the first few of many.

    >>> _format_names(["a", "b"])
    "columns 'a', 'b'"
    """
    if not names:
        return "no columns"
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"column{'s' * (len(names) > 1)} {', '.join(map(repr, names[:SHOWN]))}{rest}"
