"""Tables as MLflow's scoring server takes them: a data frame in JSON's `split` form, and CSV; columns go by name."""

from collections.abc import Callable
from math import isfinite
from operator import itemgetter
from typing import Any

import numpy as np

from services.inference.manifest import InputColumn, Manifest
from services.inference.protocols.tensorflow_rows import RowReader, describe_value, list_names
from services.inference.refusals import reject
from services.inference.rows import Rows

SPLIT = frozenset(["columns", "data", "index"])
TRUTHS = {"true": True, "false": False, "1": True, "0": False}


class TableReader:
    """Converts tables to rows of one model. Unknown columns are ignored, as in MLflow."""

    def __init__(self, manifest: Manifest, reader: RowReader) -> None:
        """Read for a model."""
        self._columns = manifest.columns
        self._reader = reader
        self._names = list(reader.names)
        self._floats = all(column.kind in {"float32", "float64"} for column in manifest.columns)

    def read_split(self, frame: object) -> Rows:
        """Return the rows of `{"columns": [...], "data": [[...], ...]}`; an index is ignored."""
        what = "dataframe_split"
        if not isinstance(frame, dict) or "data" not in frame or not frame.keys() <= SPLIT:
            seen = sorted(frame) if isinstance(frame, dict) else type(frame).__name__
            reject(what, seen, "an object with data, and perhaps columns and index")
        rows, index = frame["data"], frame.get("index")
        if not isinstance(rows, list) or not rows:
            reject(f"{what}: data", describe_value(rows), "a list with at least one row")
        if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
            reject(f"{what}: index", index, f"a list of {len(rows)}, one for each row")
        return self._read_table(frame.get("columns"), rows, what)

    def read_csv(self, body: bytes) -> Rows:
        """Return the rows of a CSV body, whose first line names the columns."""
        names, rows = _parse_csv(body)
        if self._reader.tensor and names != self._names:
            column = self._columns[0]
            numbers = [_convert_row(row, [column] * len(row), place) for place, row in enumerate(rows)]
            return self._reader.read_rows(numbers, "csv", exact=False)
        self._check_rows(rows, len(names), "csv")
        picked = list(map(self._make_picker(names, "csv"), rows))
        return self._reader.read_ordered(self._convert_values(picked), "csv")

    def _read_table(self, names: object, rows: list[Any], what: str) -> Rows:
        if (
            self._reader.tensor and names != self._names
        ):  # a row's values are the tensor, whatever the columns are called
            return self._reader.read_rows(rows, f"{what}: data", exact=False)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            reject(
                f"{what}: columns", "none" if names is None else names, f"a list of names: {list_names(self._names)}"
            )
        self._check_rows(rows, len(names), f"{what}: data")
        if names != self._names or len(names) == 1:
            rows = list(map(self._make_picker(names, f"{what}: columns"), rows))
        return self._reader.read_ordered(rows, what)

    def _check_rows(self, rows: list[Any], width: int, what: str) -> None:
        """Refuse rows that do not have a value for each named column."""
        if not rows:
            reject(what, "no rows", "at least one row")
        for place, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != width:
                seen = f"{len(row)} values" if isinstance(row, list) else type(row).__name__
                reject(f"{what}[{place}]", seen, f"a list of {width}, one for each named column")

    def _make_picker(self, names: list[str], what: str) -> Callable[[list[Any]], Any]:
        """Return a function that picks the model's columns from a row, in their order."""
        places = {name: place for place, name in enumerate(names)}
        missing = [name for name in self._names if name not in places]
        if missing:
            reject(what, f"none called {missing[0]!r}", f"all of {list_names(self._names)}")
        if len(places) != len(names):
            twice = next(name for place, name in enumerate(names) if places[name] != place)
            if twice in self._names:
                reject(what, f"{twice!r} twice", "every name once")
        return itemgetter(*(places[name] for name in self._names))

    def _convert_values(self, rows: list[Any]) -> list[Any]:
        """Return texts as values of their columns' kinds."""
        alone = len(self._names) == 1
        if self._floats and not alone:
            values = _parse_floats(rows)
            if values is not None:
                return values
        if alone:
            rows = [(row,) for row in rows]
        converted = [_convert_row(row, self._columns, place) for place, row in enumerate(rows)]
        return [row[0] for row in converted] if alone else converted


def _parse_csv(body: bytes) -> tuple[list[str], list[list[str]]]:
    """Return a CSV body's names and rows; blank lines are no rows."""
    import csv
    import io

    try:
        text = body.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except UnicodeDecodeError as error:
        reject("csv", f"bytes that are not UTF-8 (at {error.start})", "UTF-8")
    except csv.Error as error:
        reject("csv", f"no CSV ({error})", "values with commas between them, quoted where they need it")
    if not rows:
        reject("csv", "an empty body", "a line of column names, and at least one row")
    return rows[0], rows[1:]


def _parse_floats(rows: list[tuple[str, ...]]) -> list[Any] | None:
    """Return numbers; None if a cell is not a finite number."""
    try:
        values = [list(map(float, row)) for row in rows]
    except ValueError:
        return None
    return values if np.isfinite(values).all() and not any("_" in cell for row in rows for cell in row) else None


def _convert_row(row: Any, columns: Any, place: int) -> list[Any]:  # noqa: ANN401 - see the callers
    return [_convert_cell(cell, column, place) for cell, column in zip(row, columns, strict=True)]


def _convert_cell(cell: str, column: InputColumn, place: int) -> object:
    """Return one cell as a value of its column's kind, as pandas reads it; raise BadRequest."""
    if column.kind == "str":
        return cell
    text = cell.strip()
    value: object = None
    try:
        if column.kind == "bool":
            value = TRUTHS.get(cell.lower())
        elif "_" not in text:
            value = float(text) if column.kind.startswith("float") else _parse_whole(text)
    except (ValueError, OverflowError):
        value = None
    if value is None or (isinstance(value, float) and not isfinite(value)):
        reject(f"csv: row {place}, column {column.name!r}", repr(cell), f"a value of type {column.kind}")
    return value


def _parse_whole(text: str) -> int | None:
    """Return a whole number, also if it is written with a point.

    >>> _parse_whole("7"), _parse_whole("7.0"), _parse_whole("7.5")
    (7, 7, None)
    """
    if "." not in text:
        return int(text)
    number = float(text)
    return int(number) if number.is_integer() else None
