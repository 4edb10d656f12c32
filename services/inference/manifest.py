"""What is in this package: `model/slipway.json`, with what the service derives from it for numpy."""

from dataclasses import dataclass, fields
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from slipway_interface import manifest as interface
from slipway_interface.manifest import FILE, KEYS, TEXT, ManifestColumn, ManifestError, PackageManifest

OUTPUTS = ("prediction", "probabilities")
"""Names of outputs in responses; probabilities if the model has any."""


@dataclass(frozen=True, kw_only=True)
class InputColumn(ManifestColumn):
    """One input column, or the whole input of a model that takes one tensor."""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of its arrays: texts are objects."""
        return np.dtype(object if self.kind == TEXT else self.kind)

    @cached_property
    def plain(self) -> bool:
        """It has one value a row."""
        return self.shape == (-1,)

    @property
    def width(self) -> int:
        """How many values one row has in it.

        >>> InputColumn(name="pixels", kind="float32", shape=(-1, 8, 8)).width
        64
        """
        return prod(self.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Manifest(PackageManifest):
    """The model's name and version, its file, its inputs and its outputs."""

    columns: tuple[InputColumn, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The columns' names."""
        return frozenset(column.name for column in self.columns)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The outputs' names in responses, whatever the model calls them."""
        return OUTPUTS[: max(1, len(self.outputs))]

    @cached_property
    def width(self) -> int:
        """How many values one row has in all columns."""
        return sum(column.width for column in self.columns)

    @cached_property
    def inner_shape(self) -> tuple[int, ...]:
        """The shape of one row of the matrix: the signature's own if it is one tensor."""
        columns = self.columns
        return columns[0].shape[1:] if len(columns) == 1 and len(columns[0].shape) > 1 else (self.width,)

    @cached_property
    def row_shapes(self) -> frozenset[tuple[int, ...]]:
        """The shapes that one row of a matrix may have: flat, and a single column's own."""
        own = {self.columns[0].shape[1:]} if len(self.columns) == 1 else set()
        return frozenset({(self.width,), *own})

    @cached_property
    def matrix_kind(self) -> str | None:
        """The dtype of one matrix that may carry all columns of a request; None: each column needs its own tensor.

        A matrix is possible if the model itself takes one, or if all columns are numbers of one kind.
        """
        kinds = {column.kind for column in self.columns}
        if TEXT in kinds or not (self.single_matrix or len(kinds) == 1):
            return None
        return str(np.result_type(*(np.dtype(kind) for kind in kinds)))

    @cached_property
    def matrix_dtype(self) -> np.dtype[Any] | None:
        """The same as numpy's own type."""
        return None if self.matrix_kind is None else np.dtype(self.matrix_kind)


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/slipway.json` strictly: a wrong package must not become ready. Raises ManifestError."""
    path = folder / FILE
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        message = f"{FILE}: {error.strerror or error}; expected a readable file beside the service"
        raise ManifestError(message) from error
    except orjson.JSONDecodeError as error:
        message = f"{FILE}: not JSON ({error}); expected one object with the keys {', '.join(sorted(KEYS))}"
        raise ManifestError(message) from error
    manifest = parse_manifest(document)
    if not (folder / manifest.file).exists():
        message = f"{FILE}: file is {manifest.file!r}, which is not there; expected the model beside the manifest"
        raise ManifestError(message)
    return manifest


def parse_manifest(document: object) -> Manifest:
    """Return the manifest that a document holds; raise ManifestError."""
    read = interface.read_document(document)
    columns = tuple(InputColumn(name=one.name, kind=one.kind, shape=one.shape) for one in read.columns)
    values = {field.name: getattr(read, field.name) for field in fields(read)}
    return Manifest(**(values | {"columns": columns}))
