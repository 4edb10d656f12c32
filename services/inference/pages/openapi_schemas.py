"""JSON Schemas of the model's inputs and outputs in each protocol's form, with a row of zeros as an example.

A schema can't express every check: that a tensor has as many values as its shape says, or that every column occurs
once. Requests that only the schema allows get 400.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from services.inference.manifest import InputColumn, Manifest
from services.inference.model import TensorType
from services.inference.protocols import oip
from services.inference.protocols.tensorflow_rows import B64, RowReader
from services.inference.tensors import DATATYPES, DTYPES

Schema = dict[str, object]
TEXT: Schema = {"type": "string"}
ANY_OBJECT: Schema = {"type": "object"}
BYTES: Schema = {"type": "string", "format": "binary"}
_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "O": "string"}
"""JSON's types by numpy's letters."""


def object_schema(properties: Mapping[str, object], *required: str) -> Schema:
    """Return an object's schema: these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def array_schema(item: Schema, sizes: Sequence[int] = (-1,)) -> Schema:
    """Return the schema of lists in lists; a size of -1 is any over 0.

    >>> array_schema({"type": "number"}, (-1, 2))["items"]
    {'type': 'array', 'items': {'type': 'number'}, 'minItems': 2, 'maxItems': 2}
    """
    for size in reversed(sizes):
        bounds = {"minItems": 1} if size < 0 else {"minItems": size, "maxItems": size}
        item = {"type": "array", "items": item, **bounds}
    return item


def value_schema(kind: str) -> Schema:
    """Return the schema of one value of a column; whole numbers have bounds.

    >>> value_schema("uint8")
    {'type': 'integer', 'minimum': 0, 'maximum': 255}
    """
    letter = "O" if kind == "str" else np.dtype(kind).kind
    schema: Schema = {"type": _TYPES[letter]}
    if letter in "iu":
        whole: np.iinfo[np.signedinteger] = np.iinfo(kind)
        schema |= {"minimum": int(whole.min), "maximum": int(whole.max)}
    elif kind in {"float16", "float32"}:
        largest = float(np.finfo(kind).max)
        schema |= {"minimum": -largest, "maximum": largest}
    return schema


def make_zero(kind: str, sizes: Sequence[int] = ()) -> object:
    """Return a value of zero, or lists in lists of it.

    >>> make_zero("float32", (1, 2)), make_zero("bool"), make_zero("str")
    ([[0.0, 0.0]], False, '')
    """
    if sizes:
        return [make_zero(kind, sizes[1:])] * sizes[0]
    return "" if kind == "str" else np.zeros((), kind).item()


def output_schema(kind: TensorType | None) -> Schema:
    """Return the schema of an output's rows; an output that was never seen (None) is just an array."""
    if kind is None:
        return {"type": "array"}
    return array_schema({"type": _TYPES[DTYPES[kind.datatype].kind]}, kind.shape)


class TensorSchemas:
    """The Open Inference Protocol's request and response for one model."""

    def __init__(self, manifest: Manifest, outputs: Mapping[str, TensorType]) -> None:
        """Describe a model."""
        self._manifest, self._outputs = manifest, outputs

    def build_request(self) -> Schema:
        """Return the schema of a request: one matrix if the model takes one, or one tensor per column."""
        forms = [_tensor_schema({"enum": names}, kind, shape) for names, kind, shape in self._group_columns()]
        count = len(self._manifest.columns)
        inputs: Schema = {"type": "array", "items": {"anyOf": forms}, "minItems": count, "maxItems": count}
        kind = self._manifest.matrix_kind
        if kind is not None:
            whole = _tensor_schema(TEXT, kind, (-1, self._manifest.width))
            inputs = {"anyOf": [{"type": "array", "items": whole, "minItems": 1, "maxItems": 1}, inputs]}
        as_bytes = {"type": "boolean"}
        output = object_schema(
            {
                "name": {"enum": list(self._manifest.output_names)},
                "parameters": object_schema({"binary_data": as_bytes}),
            },
            "name",
        )
        more = {"id": TEXT, "outputs": {"type": "array", "items": output}}
        return object_schema(
            {"inputs": inputs, **more, "parameters": object_schema({"binary_data_output": as_bytes})},
            "inputs",
        )

    def build_example(self) -> Schema:
        """Return a request with one row, as the model's metadata describe it."""
        described = oip.describe_model(self._manifest, self._outputs)["inputs"]
        assert isinstance(described, list)  # noqa: S101 - as the protocol has it
        tensors: list[Schema] = []
        for entry in described:
            sizes = [max(1, size) for size in entry["shape"]]
            data = [make_zero(DATATYPES[entry["datatype"]])] * int(np.prod(sizes))
            tensors.append({"name": entry["name"], "shape": sizes, "datatype": entry["datatype"], "data": data})
        return {"id": "example", "inputs": tensors}

    def build_answer(self) -> Schema:
        """Return the schema of a response."""
        manifest = self._manifest
        named = {"model_name": {"const": manifest.model}, "model_version": {"const": manifest.version}}
        outputs = [self._output_schema(name) for name in manifest.output_names]
        return object_schema(
            {**named, "id": TEXT, "outputs": array_schema({"anyOf": outputs})}, "model_name", "model_version", "outputs"
        )

    def _output_schema(self, name: str) -> Schema:
        kind = self._outputs.get(name)
        shape = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
        datatype = {"enum": list(DATATYPES)} if kind is None else {"const": kind.datatype}
        data = {"type": "array"} if kind is None else output_schema(TensorType(kind.datatype, (-1,)))
        parameters = object_schema({"binary_data_size": {"type": "integer", "minimum": 0}}, "binary_data_size")
        about = {"name": {"const": name}, "datatype": datatype, "shape": shape}
        return object_schema({**about, "data": data, "parameters": parameters}, "name", "datatype", "shape")

    def _group_columns(self) -> list[tuple[list[str], str, tuple[int, ...]]]:
        """Return the columns' names by kind and shape: models have many columns of few kinds."""

        def sort(column: InputColumn) -> tuple[str, tuple[int, ...]]:
            return column.kind, column.shape

        groups = groupby(sorted(self._manifest.columns, key=sort), key=sort)
        return [([column.name for column in columns], *alike) for alike, columns in groups]


def _tensor_schema(name: Schema, kind: str, shape: tuple[int, ...]) -> Schema:
    inner = [{"const": size} for size in shape[1:]]
    sizes: Schema = {"type": "array", "prefixItems": [{"type": "integer", "minimum": 1}, *inner]}
    sizes |= {"minItems": len(shape), "maxItems": len(shape)}
    forms = [array_schema(value_schema(kind))] + ([array_schema(value_schema(kind), shape)] if inner else [])
    entry = {
        "name": name,
        "shape": sizes,
        "datatype": {"enum": _list_fitting_datatypes(kind)},
        "data": {"anyOf": forms},
    }
    return object_schema({**entry, "parameters": ANY_OBJECT}, *entry)


def _list_fitting_datatypes(kind: str) -> list[str]:
    """Return the datatypes whose values may fill a column.

    >>> _list_fitting_datatypes("str"), _list_fitting_datatypes("bool")
    (['BYTES'], ['BOOL'])
    """
    if kind == "str":
        return ["BYTES"]
    wanted = np.dtype(kind)
    numbers = {name: dtype for name, dtype in DTYPES.items() if dtype.kind != "O"}
    return [
        name
        for name, dtype in numbers.items()
        if np.can_cast(dtype, wanted, "same_kind") or (dtype.kind in "iu" and wanted.kind in "iu")
    ]


class RowSchemas:
    """Rows by name or in the model's order, as TensorFlow Serving and MLflow take them, for one model."""

    def __init__(self, manifest: Manifest) -> None:
        """Describe a model."""
        self._manifest = manifest
        self._group_columns = manifest.columns
        self._input = RowReader(manifest).input_name
        self.names = [column.name for column in manifest.columns]

    def build_record(self, *, encoded: bool = False) -> Schema:
        """Return the schema of a row by column name; `encoded`: a text may be bytes in base64."""
        properties = {column.name: self._cell_schema(column, encoded=encoded) for column in self._group_columns}
        return object_schema(properties, *self.names)

    def build_rows(self) -> Schema:
        """Return the schema of a list of rows, in any form."""
        forms = [self.build_record(encoded=True)]
        if len(self._group_columns) == 1:
            forms.append(self._cell_schema(self._group_columns[0], encoded=True))
        elif self._manifest.matrix_kind is not None:
            forms.append(array_schema(value_schema(self._manifest.matrix_kind), (self._manifest.width,)))
        return {"anyOf": [array_schema(form) for form in forms]}

    def build_columns(self) -> Schema:
        """Return the schema of all values of each column by its name."""
        properties = {
            column.name: array_schema(self._cell_schema(column, encoded=True)) for column in self._group_columns
        }
        return object_schema(properties, *self.names)

    def build_table(self) -> Schema:
        """Return the schema of MLflow's data frames in split form."""
        row: Schema = {"type": "array", "minItems": len(self.names), "maxItems": len(self.names)}
        row["prefixItems"] = [self._cell_schema(column, encoded=False) for column in self._group_columns]
        names = {"type": "array", "const": self.names}
        return object_schema(
            {"columns": names, "data": array_schema(row), "index": {"type": "array"}}, "columns", "data"
        )

    def build_zero_row(self) -> dict[str, object]:
        """Return a row of zeros by column name."""
        return {column.name: make_zero(column.kind, column.shape[1:]) for column in self._group_columns}

    def build_csv(self) -> str:
        """Return a table of one row of zeros, for columns that have one value a row."""
        import csv
        import io

        page = io.StringIO(newline="")
        csv.writer(page, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
            [self.names, list(self.build_zero_row().values())]
        )
        return page.getvalue()

    @staticmethod
    def _cell_schema(column: InputColumn, *, encoded: bool) -> Schema:
        item = value_schema(column.kind)
        if encoded and column.kind == "str":
            item = {"anyOf": [item, object_schema({B64: {"type": "string", "contentEncoding": "base64"}}, B64)]}
        return array_schema(item, column.shape[1:])
