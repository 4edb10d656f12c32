"""The package's description of itself, `model/slipway.json`: written by the packager, read by the service.

Formats: 1 has no key `format` (written until November 2026); 2 is the same with `format`. A reader accepts every format
up to its own and refuses newer ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import PurePosixPath
from typing import Any, NoReturn

FOLDER = "model"
"""The package's folder for the manifest and the model."""
FILE = "slipway.json"
FORMAT = 2
"""The format that is written."""
RUNTIMES = ("onnx", "pyfunc")
TEXT = "str"
"""The kind of columns of texts."""
NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
"""The kinds of other columns: numpy's names."""
_TEXTS = ("model", "version", "revision", "runtime", "file", "digest")
_TRUTHS = ("single_matrix", "batchable")
KEYS = frozenset([*_TEXTS, *_TRUTHS, "columns", "inputs", "outputs", "profile"])
"""The keys of a manifest beside `format`."""


class ManifestError(Exception):
    """The package's manifest is wrong; the message names the key, what was seen and what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestColumn:
    """One input column, or the whole input of a model that takes one tensor."""

    name: str
    kind: str
    """One of NUMBERS, or TEXT."""
    shape: tuple[int, ...] = (-1,)
    """-1 is the row axis; `(-1,)` is a column with one value a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBins:
    """Bins of one column with one value a row, in which live rows are counted; one more counts missing values."""

    name: str
    edges: tuple[float, ...] = ()
    """Rising. A number falls into bin `searchsorted(edges, number, side="right")`: k edges make k + 1 bins."""
    categories: tuple[str, ...] | None = None
    """Of texts and truth values: one bin each, and one for any other. None: a column of numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageManifest:
    """The model's name and version, its file, its inputs and its outputs."""

    model: str
    version: str
    """The version's number in the registry, as text."""
    revision: str
    """Such as `digits-v7`; every response names it in the header `x-slipway-revision`."""
    runtime: str
    """`onnx` or `pyfunc`."""
    file: str
    """The model's file or folder, relative to the manifest."""
    columns: tuple[ManifestColumn, ...]
    inputs: tuple[str, ...]
    """Names of the ONNX inputs: one, or one per column in order; none for pyfunc."""
    single_matrix: bool
    """The model itself takes one matrix (rows, columns)."""
    outputs: tuple[str, ...]
    """Names of the ONNX outputs: the prediction, then probabilities if there are any; none for pyfunc."""
    digest: str
    """Of the model file or folder, `sha256:...`."""
    profile: tuple[ColumnBins, ...]
    """How rows of validation data were binned, one entry per column that is counted; empty: inputs are not counted."""
    batchable: bool
    """Rows of several requests may be run together: it was tested that rows do not depend on one another."""


def write_document(manifest: PackageManifest) -> dict[str, Any]:
    """Return a manifest's document, of the newest format."""
    return {
        "format": FORMAT,
        **{key: getattr(manifest, key) for key in (*_TEXTS, *_TRUTHS)},
        "columns": [{"name": one.name, "kind": one.kind, "shape": list(one.shape)} for one in manifest.columns],
        "inputs": list(manifest.inputs),
        "outputs": list(manifest.outputs),
        "profile": [_write_bins(one) for one in manifest.profile],
    }


def _write_bins(bins: ColumnBins) -> dict[str, Any]:
    if bins.categories is not None:
        return {"name": bins.name, "categories": list(bins.categories)}
    return {"name": bins.name, "edges": [float(edge) for edge in bins.edges]}


def read_document(document: object) -> PackageManifest:
    """Return the manifest that a document of any format up to FORMAT holds, checked key by key; raise ManifestError."""
    if not isinstance(document, dict):
        _refuse("the document", type(document).__name__, "an object")
    _check_format(document.get("format", 1))
    keys = document.keys() - {"format"}
    if keys != KEYS:
        _refuse("keys", sorted(keys ^ KEYS), f"exactly {', '.join(sorted(KEYS))} (these differ)")
    _check_values(document)
    columns = _read_columns(document["columns"])
    manifest = PackageManifest(
        **{key: document[key] for key in (*_TEXTS, *_TRUTHS)},
        columns=columns,
        inputs=_read_names("inputs", document["inputs"]),
        outputs=_read_names("outputs", document["outputs"]),
        profile=_read_profile(document["profile"], columns),
    )
    _check_consistency(manifest)
    return manifest


def _check_format(number: object) -> None:
    if type(number) is not int or number < 1:
        _refuse("format", number, "a whole number from 1 on")
    if number > FORMAT:
        expected = (
            f"at most {FORMAT}: a newer version of Slipway made this package; serve it with that version's service"
        )
        _refuse("format", number, expected)


def _check_values(document: Mapping[str, Any]) -> None:
    for key in _TEXTS:
        if not isinstance(document[key], str) or not document[key]:
            _refuse(key, document[key], "a text that is not empty")
    if document["runtime"] not in RUNTIMES:
        _refuse("runtime", document["runtime"], " or ".join(RUNTIMES))
    for key in _TRUTHS:
        if not isinstance(document[key], bool):
            _refuse(key, document[key], "true or false")


def _check_consistency(manifest: PackageManifest) -> None:
    relative = PurePosixPath(manifest.file)
    if relative.is_absolute() or ".." in relative.parts:
        _refuse("file", manifest.file, "a path inside the package")
    if manifest.runtime == "pyfunc":
        return
    wanted = 1 if manifest.single_matrix else len(manifest.columns)
    if len(manifest.inputs) != wanted:
        _refuse("inputs", list(manifest.inputs), f"{wanted} name(s), as single_matrix and columns say")
    if not manifest.outputs:
        _refuse("outputs", [], "at least the prediction's name")
    kinds = {column.kind for column in manifest.columns}
    if manifest.single_matrix and TEXT in kinds:
        _refuse("columns", sorted(kinds), "numbers only, as single_matrix is true")


def _read_columns(entries: object) -> tuple[ManifestColumn, ...]:
    if not isinstance(entries, list) or not entries:
        _refuse("columns", entries, "a list with at least one column")
    columns = tuple(_read_column(entry) for entry in entries)
    if len({column.name for column in columns}) != len(columns):
        _refuse("columns", "a name that comes twice", "every name once")
    return columns


def _read_column(entry: Any) -> ManifestColumn:  # noqa: ANN401 - parsed JSON: it is what is being checked
    if not isinstance(entry, dict) or not {"name", "kind"} <= entry.keys() <= {"name", "kind", "shape"}:
        _refuse("columns", entry, "objects with name, kind and perhaps shape")
    name, kind, shape = entry["name"], entry["kind"], entry.get("shape", [-1])
    if not isinstance(name, str):
        _refuse("columns: name", name, "a text")
    if kind not in (*NUMBERS, TEXT):
        _refuse(f"columns: kind of {name!r}", kind, f"one of {', '.join(NUMBERS)}, {TEXT}")
    if not isinstance(shape, list) or shape[:1] != [-1] or not all(isinstance(n, int) and n > 0 for n in shape[1:]):
        _refuse(f"columns: shape of {name!r}", shape, "-1 (the rows), then sizes over 0")
    return ManifestColumn(name=name, kind=kind, shape=tuple(shape))


def _read_profile(entries: object, columns: Sequence[ManifestColumn]) -> tuple[ColumnBins, ...]:
    if not isinstance(entries, list):
        _refuse("profile", entries, "a list, empty where nothing is counted")
    kinds = {column.name: column.kind for column in columns if column.shape == (-1,)}
    profile = tuple(_read_bins(entry, kinds) for entry in entries)
    if len({bins.name for bins in profile}) != len(profile):
        _refuse("profile", "a name that comes twice", "every name once")
    return profile


def _read_bins(entry: Any, kinds: Mapping[str, str]) -> ColumnBins:  # noqa: ANN401 - parsed JSON: it is what is being checked
    if not isinstance(entry, dict) or entry.keys() not in ({"name", "edges"}, {"name", "categories"}):
        _refuse("profile", entry, "objects with name, and either edges or categories")
    name = entry["name"]
    if not isinstance(name, str) or name not in kinds:
        _refuse("profile: name", name, "a column with one value a row")
    if "edges" in entry:
        if kinds[name] == TEXT:
            _refuse(f"profile: edges of {name!r}", entry["edges"], "categories, as the column has texts")
        return ColumnBins(name=name, edges=_read_edges(name, entry["edges"]))
    categories = entry["categories"]
    if kinds[name] not in {TEXT, "bool"}:
        _refuse(f"profile: categories of {name!r}", categories, "edges, as the column has numbers")
    texts = isinstance(categories, list) and all(isinstance(category, str) for category in categories)
    if not texts or len(set(categories)) != len(categories):
        _refuse(f"profile: categories of {name!r}", categories, "a list of different texts")
    return ColumnBins(name=name, categories=tuple(categories))


def _read_edges(name: str, edges: Any) -> tuple[float, ...]:  # noqa: ANN401 - parsed JSON: it is what is being checked
    numbers = isinstance(edges, list) and all(type(edge) in {int, float} and isfinite(edge) for edge in edges)
    if not numbers or not all(low < high for low, high in pairwise(edges)):
        _refuse(f"profile: edges of {name!r}", edges, "a list of finite numbers that rise")
    return tuple(float(edge) for edge in edges)


def _read_names(key: str, names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        _refuse(key, names, "a list of names")
    return tuple(names)


def _refuse(key: str, seen: object, expected: str) -> NoReturn:
    raise ManifestError(f"{FILE}: {key} is {seen!r}; expected {expected}")
