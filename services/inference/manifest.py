"""What is in this package: `model/slipway.json`, read strictly, so that a wrong package never becomes ready."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite, prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import orjson

from services.inference.termination import MANIFEST

OUTPUTS = ("prediction", "probabilities")
"""What outputs are called on the wire; probabilities where the model has any."""


class ManifestError(Exception):
    """The package does not describe itself as it must; the message names the key, what is there, and what may be."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One input column, or the whole input of a model that takes one tensor."""

    name: str
    kind: str
    """numpy dtype name (`float32`, `int64`, `bool`) or `str`."""
    shape: tuple[int, ...] = (-1,)
    """-1 is the row axis; `(-1,)` is a plain column."""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of its arrays: texts are objects."""
        return np.dtype(object if self.kind == "str" else self.kind)

    @cached_property
    def plain(self) -> bool:
        """It has one value a row."""
        return self.shape == (-1,)

    @property
    def width(self) -> int:
        """How many values one row has in it.

        >>> Column(name="pixels", kind="float32", shape=(-1, 8, 8)).width
        64
        """
        return prod(self.shape[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Bins of one plain column, over which live rows are counted (see `bins`); one more counts what is missing."""

    name: str
    edges: tuple[float, ...] = ()
    """Rising. A number falls into bin `searchsorted(edges, number, side="right")`: k edges make k + 1 bins."""
    categories: tuple[str, ...] | None = None
    """Of texts and truth values: one bin each, and one for any other. None: a column of numbers."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The model's name and version, its file, what goes in and what comes out."""

    model: str
    version: str
    """The version's number in the registry, as the protocol has it: text."""
    revision: str
    """`digits-v7`: said in every answer's `x-slipway-revision`."""
    runtime: str
    """`onnx` or `pyfunc`."""
    file: str
    """The model's file or folder, relative to the manifest."""
    columns: tuple[Column, ...]
    inputs: tuple[str, ...]
    """Names of the ONNX inputs: one, or one per column in their order; none for pyfunc."""
    single_matrix: bool
    """The model itself takes one matrix (rows, columns)."""
    outputs: tuple[str, ...]
    """Names of the ONNX outputs: prediction, then probabilities where there are any; none for pyfunc."""
    digest: str
    """Of the model file or folder, `sha256:...`."""
    profile: tuple[Profile, ...]
    """How the validation rows were binned, one entry per column that is counted; none: inputs are not counted."""

    batchable: bool
    """Rows of several requests may be run together: it was seen that a row's answer does not depend on the others."""

    @cached_property
    def names(self) -> frozenset[str]:
        """The columns' names."""
        return frozenset(column.name for column in self.columns)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """The outputs' names on the wire, whatever the model calls them."""
        return OUTPUTS[: max(1, len(self.outputs))]

    @cached_property
    def width(self) -> int:
        """How many values one row has in all."""
        return sum(column.width for column in self.columns)

    @cached_property
    def inner_shape(self) -> tuple[int, ...]:
        """The shape of one row of the matrix: the signature's own where it is one tensor."""
        columns = self.columns
        return columns[0].shape[1:] if len(columns) == 1 and len(columns[0].shape) > 1 else (self.width,)

    @cached_property
    def row_shapes(self) -> frozenset[tuple[int, ...]]:
        """The shapes that one row of a matrix may come in: flat, and a single column's own."""
        own = {self.columns[0].shape[1:]} if len(self.columns) == 1 else set()
        return frozenset({(self.width,), *own})

    @cached_property
    def matrix_kind(self) -> str | None:
        """The dtype of one matrix that may carry all columns of a request; None where each needs its own tensor.

        It may where the model itself takes a matrix, and where all columns are numbers of one kind.
        """
        kinds = {column.kind for column in self.columns}
        if "str" in kinds or not (self.single_matrix or len(kinds) == 1):
            return None
        return str(np.result_type(*(np.dtype(kind) for kind in kinds)))

    @cached_property
    def matrix_dtype(self) -> np.dtype[Any] | None:
        """The same as numpy's own."""
        return None if self.matrix_kind is None else np.dtype(self.matrix_kind)


RUNTIMES = ("onnx", "pyfunc")
_TEXTS = ("model", "version", "revision", "runtime", "file", "digest")
_TRUTHS = ("single_matrix", "batchable")
_KEYS = {*_TEXTS, *_TRUTHS, "columns", "inputs", "outputs", "profile"}


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/slipway.json`; raise ManifestError for anything that is not as it must be."""
    path = folder / MANIFEST
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        message = f"{MANIFEST}: {error.strerror or error}; expected a readable file beside the service"
        raise ManifestError(message) from error
    except orjson.JSONDecodeError as error:
        message = f"{MANIFEST}: not JSON ({error}); expected one object with the keys {', '.join(sorted(_KEYS))}"
        raise ManifestError(message) from error
    manifest = parse_manifest(document)
    if not (folder / manifest.file).exists():
        message = f"{MANIFEST}: file is {manifest.file!r}, which is not there; expected the model beside the manifest"
        raise ManifestError(message)
    return manifest


def parse_manifest(document: object) -> Manifest:
    """Check a manifest's document key by key; raise ManifestError."""
    if not isinstance(document, dict):
        _refuse("the document", type(document).__name__, "an object")
    if document.keys() != _KEYS:
        _refuse("keys", sorted(document.keys() ^ _KEYS), f"exactly {', '.join(sorted(_KEYS))} (these differ)")
    for key in _TEXTS:
        if not isinstance(document[key], str) or not document[key]:
            _refuse(key, document[key], "a text that is not empty")
    if document["runtime"] not in RUNTIMES:
        _refuse("runtime", document["runtime"], " or ".join(RUNTIMES))
    for key in _TRUTHS:
        if not isinstance(document[key], bool):
            _refuse(key, document[key], "true or false")
    columns = _columns(document["columns"])
    manifest = Manifest(
        **{key: document[key] for key in _TEXTS},
        **{key: document[key] for key in _TRUTHS},
        columns=columns,
        inputs=_names("inputs", document["inputs"]),
        outputs=_names("outputs", document["outputs"]),
        profile=_profiles(document["profile"], columns),
    )
    return _consistent(manifest)


def _consistent(manifest: Manifest) -> Manifest:
    relative = Path(manifest.file)
    if relative.is_absolute() or ".." in relative.parts:
        _refuse("file", manifest.file, "a path inside the package")
    if manifest.runtime == "pyfunc":
        return manifest
    wanted = 1 if manifest.single_matrix else len(manifest.columns)
    if len(manifest.inputs) != wanted:
        _refuse("inputs", list(manifest.inputs), f"{wanted} name(s), as single_matrix and columns say")
    if not manifest.outputs:
        _refuse("outputs", [], "at least the prediction's name")
    if manifest.single_matrix and manifest.matrix_kind is None:
        kinds = sorted({column.kind for column in manifest.columns})
        _refuse("columns", kinds, "numbers only, as single_matrix is true")
    return manifest


def _columns(entries: object) -> tuple[Column, ...]:
    if not isinstance(entries, list) or not entries:
        _refuse("columns", entries, "a list with at least one column")
    columns = tuple(_column(entry) for entry in entries)
    if len({column.name for column in columns}) != len(columns):
        _refuse("columns", "a name that comes twice", "every name once")
    return columns


def _column(entry: Any) -> Column:  # noqa: ANN401 - parsed JSON: it is what is being checked
    if not isinstance(entry, dict) or not {"name", "kind"} <= entry.keys() <= {"name", "kind", "shape"}:
        _refuse("columns", entry, "objects with name, kind and perhaps shape")
    name, kind, shape = entry["name"], entry["kind"], entry.get("shape", [-1])
    if not isinstance(name, str):
        _refuse("columns: name", name, "a text")
    if kind != "str" and kind not in NUMBERS:
        _refuse(f"columns: kind of {name!r}", kind, f"one of {', '.join(NUMBERS)}, str")
    if not isinstance(shape, list) or shape[:1] != [-1] or not all(isinstance(n, int) and n > 0 for n in shape[1:]):
        _refuse(f"columns: shape of {name!r}", shape, "-1 (the rows), then sizes over 0")
    return Column(name=name, kind=kind, shape=tuple(shape))


NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)


def _profiles(entries: object, columns: Sequence[Column]) -> tuple[Profile, ...]:
    if not isinstance(entries, list):
        _refuse("profile", entries, "a list, empty where nothing is counted")
    kinds = {column.name: column.kind for column in columns if column.shape == (-1,)}
    profiles = tuple(_profile(entry, kinds) for entry in entries)
    if len({profile.name for profile in profiles}) != len(profiles):
        _refuse("profile", "a name that comes twice", "every name once")
    return profiles


def _profile(entry: Any, kinds: dict[str, str]) -> Profile:  # noqa: ANN401 - parsed JSON: it is what is being checked
    if not isinstance(entry, dict) or entry.keys() not in ({"name", "edges"}, {"name", "categories"}):
        _refuse("profile", entry, "objects with name, and either edges or categories")
    name = entry["name"]
    if not isinstance(name, str) or name not in kinds:
        _refuse("profile: name", name, "a column with one value a row")
    if "edges" in entry:
        if kinds[name] == "str":
            _refuse(f"profile: edges of {name!r}", entry["edges"], "categories, as the column has texts")
        return Profile(name=name, edges=_edges(name, entry["edges"]))
    categories = entry["categories"]
    if kinds[name] not in {"str", "bool"}:
        _refuse(f"profile: categories of {name!r}", categories, "edges, as the column has numbers")
    texts = isinstance(categories, list) and all(isinstance(category, str) for category in categories)
    if not texts or len(set(categories)) != len(categories):
        _refuse(f"profile: categories of {name!r}", categories, "a list of different texts")
    return Profile(name=name, categories=tuple(categories))


def _edges(name: str, edges: Any) -> tuple[float, ...]:  # noqa: ANN401 - parsed JSON: it is what is being checked
    numbers = isinstance(edges, list) and all(type(edge) in {int, float} and isfinite(edge) for edge in edges)
    if not numbers or not all(low < high for low, high in pairwise(edges)):
        _refuse(f"profile: edges of {name!r}", edges, "a list of finite numbers that rise")
    return tuple(float(edge) for edge in edges)


def _names(key: str, names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        _refuse(key, names, "a list of names")
    return tuple(names)


def _refuse(key: str, seen: object, expected: str) -> NoReturn:
    message = f"{MANIFEST}: {key} is {seen!r}; expected {expected}"
    raise ManifestError(message)
