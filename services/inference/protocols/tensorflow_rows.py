"""Rows in the JSON forms of TensorFlow Serving, by row and by column; MLflow's scoring server accepts them too."""

import base64
import binascii
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.manifest import InputColumn, Manifest
from services.inference.refusals import BadRequest, reject
from services.inference.rows import Rows, to_rows
from services.inference.tensors import DEPTH, cast_values, parse_values

B64 = "b64"
"""The key of an object that holds a text's bytes."""
NAMES_SHOWN = 8
"""Most columns that a message names."""
LARGEST_EXACT = float(1 << 53)
"""Whole numbers up to this one are exact in float64."""


def parse_document(body: bytes) -> dict[str, Any]:
    """Return a body's JSON object; raise BadRequest."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reject("body", f"no JSON ({error})", "one JSON object (NaN and Infinity are not JSON)")
    return document if isinstance(document, dict) else reject("body", type(document).__name__, "one JSON object")


class RowReader:
    """Converts parsed JSON to rows of one model."""

    def __init__(self, manifest: Manifest) -> None:
        """Read for a model."""
        self._manifest = manifest
        self._columns = manifest.columns
        self.names = tuple(column.name for column in manifest.columns)
        self._pick = itemgetter(*self.names)  # for one column it returns the bare value
        self._dtype = None if manifest.matrix_kind is None else np.dtype(manifest.matrix_kind)
        self._flat = self._dtype is not None and all(len(column.shape) == 1 for column in self._columns)
        self._plain = frozenset(column.name for column in self._columns if len(column.shape) == 1)
        self.tensor = len(self.names) == 1 and len(self._columns[0].shape) > 1
        """The model's input is one tensor with more than one dimension per row."""
        self.input_name = _name_input(manifest)

    def read_rows(self, rows: object, what: str, *, exact: bool, plain: bool = False) -> Rows:
        """Return a list of rows: values or lists in the model's order, or objects by column name.

        `exact`: names that the model does not have are refused, not ignored. `plain`: there is no text in the rows.
        """
        if not isinstance(rows, list) or not rows:
            reject(what, describe_value(rows), "a list with at least one row")
        if type(rows[0]) is dict and not is_b64(rows[0]):
            return self.read_records(rows, what, exact=exact)
        return self._read_unnamed(rows, what, plain=plain)

    def read_columns(self, inputs: object, what: str, *, plain: bool = False) -> Rows:
        """Return the rows of an object of lists by column name, or of a list for a model's only input."""
        if not isinstance(inputs, dict) or is_b64(inputs):
            if not isinstance(inputs, list) or not inputs:
                reject(
                    what, describe_value(inputs), "a list with at least one row, or an object of lists by input name"
                )
            return self._read_unnamed(inputs, what, plain=plain)
        if self._dtype is not None and self.input_name in inputs:
            return self._read_unnamed(_check_list(inputs[self.input_name], f"{what}: {self.input_name!r}"), what)
        missing = [name for name in self.names if name not in inputs]
        if missing:
            reject(what, f"none for {missing[0]!r}", f"an object with {list_names(self.names)}")
        lists = [_check_list(inputs[name], f"{what}: {name!r}") for name in self.names]
        if self._flat and len(lists) > 1 and len(set(map(len, lists))) == 1:
            return self.read_ordered(list(zip(*lists, strict=True)), what)  # one array is faster than one per column
        return to_rows(self._build_tensors(lists), self._manifest)

    def read_records(self, rows: list[Any], what: str, *, exact: bool) -> Rows:
        """Return rows that are objects by column name."""
        try:
            picked = list(map(self._pick, rows))
        except (KeyError, TypeError):
            return self._read_by_input_name(rows, what)
        if exact and any(len(row) != len(self.names) for row in rows):
            place = next(place for place, row in enumerate(rows) if len(row) != len(self.names))
            unknown = next(name for name in rows[place] if name not in self.names)
            reject(f"{what}[{place}]", f"the name {unknown!r}", f"no other than {list_names(self.names)}")
        return self.read_ordered(picked, what)

    def read_examples(self, rows: list[dict[str, Any]], what: str) -> Rows:
        """Return rows that are objects of features: a list of one value is that value."""
        if any(isinstance(value, list) for row in rows for value in row.values()):
            rows = [{name: self._unwrap_feature(name, value) for name, value in row.items()} for row in rows]
        return self.read_rows(rows, what, exact=True)

    def read_ordered(self, rows: list[Any], what: str) -> Rows:
        """Return rows whose values have the order of the model's columns; of one column the bare values."""
        if self._flat:
            try:
                return self._read_unnamed(rows, what)
            except BadRequest:  # parse by column, so that the message names the column
                pass
        lists = [rows] if len(self.names) == 1 else [list(values) for values in zip(*rows, strict=True)]
        return to_rows(self._build_tensors(lists), self._manifest)

    def _unwrap_feature(self, name: str, value: object) -> object:
        return value[0] if name in self._plain and isinstance(value, list) and len(value) == 1 else value

    def _read_by_input_name(self, rows: list[Any], what: str) -> Rows:
        """Return rows that are objects with the input name of the metadata."""
        if self._dtype is not None and all(type(row) is dict and row.keys() == {self.input_name} for row in rows):
            return self._read_unnamed([row[self.input_name] for row in rows], what)
        for place, row in enumerate(rows):
            if not isinstance(row, dict):
                reject(f"{what}[{place}]", describe_value(row), f"an object with {list_names(self.names)}")
            missing = [name for name in self.names if name not in row]
            if missing:
                reject(f"{what}[{place}]", f"none for {missing[0]!r}", f"an object with {list_names(self.names)}")
        return reject(what, "rows that can't be read", f"objects with {list_names(self.names)}")

    def _read_unnamed(self, rows: list[Any], what: str, *, plain: bool = False) -> Rows:
        if len(self.names) == 1:
            return to_rows(self._build_tensors([rows], plain=plain), self._manifest)
        if self._dtype is None:
            kinds = f"objects by name, as the model has inputs of several kinds: {list_names(self.names)}"
            reject(what, describe_value(rows[0]), kinds)
        values = parse_numbers(rows, self._dtype, f"input {self.input_name!r}", plain=plain)
        return to_rows({self.input_name: values}, self._manifest)

    def _build_tensors(self, lists: Sequence[list[Any]], *, plain: bool = False) -> dict[str, NDArray[np.generic]]:
        """Return an array per column, each of its column's kind."""
        return {
            column.name: _parse_column(values, column, plain=plain)
            for column, values in zip(self._columns, lists, strict=True)
        }


def _name_input(manifest: Manifest) -> str:
    """Return the name of the whole input: not a column's, unless there is only one column."""
    if len(manifest.columns) == 1 and not manifest.single_matrix:
        return manifest.columns[0].name
    name = "input"
    while name in manifest.names and len(manifest.columns) > 1:
        name += "_"
    return name


def _parse_column(values: list[Any], column: InputColumn, *, plain: bool) -> NDArray[np.generic]:
    what = f"input {column.name!r}"
    if column.kind == "str":
        return parse_encoded_texts(values, what)
    return parse_numbers(values, np.dtype(column.kind), what, plain=plain)


def parse_numbers(values: list[Any], dtype: np.dtype[Any], what: str, *, plain: bool = False) -> NDArray[np.generic]:
    """Return numbers or truth values as an array of a type; 2.0 is a whole number too. Raises BadRequest."""
    try:
        return parse_values(values, dtype, what, plain=plain)
    except BadRequest:
        whole = _to_whole_numbers(values) if dtype.kind in "iu" else None
        if whole is None:
            raise
        return cast_values(whole, dtype, what)


def _to_whole_numbers(values: list[Any]) -> NDArray[np.generic] | None:
    """Return floats without a fraction as whole numbers; None: there are others."""
    try:
        numbers = np.asarray(values)
    except (ValueError, OverflowError):
        return None
    if numbers.dtype.kind != "f" or not (np.abs(numbers) <= LARGEST_EXACT).all() or (numbers % 1 != 0).any():
        return None
    return numbers.astype(np.int64)


def parse_encoded_texts(values: list[Any], what: str) -> NDArray[np.generic]:
    """Return texts (plain, or objects with their bytes in base64) as an array of objects; raise BadRequest."""
    flat, sizes = values, [len(values)]
    while flat and isinstance(flat[0], list):
        size = len(flat[0])
        if len(sizes) == DEPTH or not all(isinstance(one, list) and len(one) == size for one in flat):
            reject(what, "lists of different lengths", "a list, or lists of equal length")
        sizes.append(size)
        flat = [value for one in flat for value in one]
    texts = [value if isinstance(value, str) else _decode_base64(value, what) for value in flat]
    array: NDArray[np.generic] = np.array(texts, dtype=object).reshape(sizes)
    return array


def is_b64(value: object) -> bool:
    """Return whether an object holds bytes in base64.

    >>> is_b64({"b64": "aGk="}), is_b64({"b64": 1}), is_b64({"b64": "aGk=", "more": 1})
    (True, False, False)
    """
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(B64), str)


def _decode_base64(value: object, what: str) -> str:
    if not isinstance(value, dict) or not is_b64(value):
        reject(what, "null" if value is None else value, f'texts, or objects such as {{"{B64}": "aGk="}}')
    try:
        return base64.b64decode(value[B64], validate=True).decode()
    except (binascii.Error, ValueError):  # not ASCII, not base64, or not UTF-8
        reject(f"{what}: {B64}", value[B64], "UTF-8 text in base64")


def _check_list(values: object, what: str) -> list[Any]:
    """Return one column's values, at least one."""
    if not isinstance(values, list) or not values:
        reject(what, describe_value(values), "a list with a value for each row")
    return values


def describe_value(value: object) -> str:
    """Describe a value that is not a list of rows, for a message.

    >>> describe_value(None), describe_value({}), describe_value([]), describe_value(1.5)
    ('null', 'an object', 'an empty list', '1.5')
    """
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "null" if value is None else repr(value)


def list_names(names: Sequence[str]) -> str:
    """Name the first few of many.

    >>> list_names(["a", "b"]), list_names("abcdefghijk")
    ('a, b', 'a, b, c, d, e, f, g, h and 3 more')
    """
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def to_json_values(values: NDArray[np.generic]) -> Any:  # noqa: ANN401 - whatever orjson writes
    """Return an output in a form that orjson writes: numbers as they are, anything else as texts."""
    if values.dtype.kind in "biuf":
        return np.ascontiguousarray(values)
    return np.array([str(value) for value in values.ravel()], dtype=object).reshape(values.shape).tolist()


def to_json_rows(values: NDArray[np.generic]) -> Any:  # noqa: ANN401 - as above
    """Return an output as a list of rows; as Python numbers, because orjson can't write all of numpy's scalars."""
    return values.tolist() if values.dtype.kind in "biu" else to_json_values(values)
