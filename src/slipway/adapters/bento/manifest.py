"""The package's description of itself, `model/slipway.json`, as services/inference reads it."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, Signature
from slipway.errors import PackagingFailed

if TYPE_CHECKING:  # statistics: what only builds packages need not import them
    from slipway.domain.judge.statistics.drift import ColumnProfile

FOLDER = "model"
FILE = "slipway.json"
ONNX_FILE = "model.onnx"
PYFUNC_FOLDER = "mlflow"
_NUMBERS = frozenset(
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
)


def manifest(
    artifact: Artifact,
    signature: Signature,
    onnx: Converted | None,
    digest: str,
    profile: "Sequence[ColumnProfile]" = (),
) -> dict[str, Any]:
    """Return the manifest's document; `digest` is that of the model as it ships. Raises PackagingFailed."""
    version = artifact.version
    columns = [_column(column, version.name) for column in signature.inputs]
    return {
        "model": version.model,
        "version": str(version.version),
        "revision": version.name,
        "runtime": "pyfunc" if onnx is None else "onnx",
        "file": PYFUNC_FOLDER if onnx is None else ONNX_FILE,
        "columns": columns,
        "inputs": [] if onnx is None else list(onnx.inputs),
        "single_matrix": onnx is not None and onnx.single_matrix,
        "outputs": [] if onnx is None else list(onnx.outputs),
        "batchable": onnx is not None and onnx.rows_independent,
        "digest": digest,
        "profile": _profiles(profile, columns, version.name),
    }


def _column(column: Column, revision: str) -> dict[str, Any]:
    kind = "str" if column.kind in {"str", "object"} else column.kind
    if kind not in _NUMBERS | {"str"} or column.shape[:1] != (-1,) or any(size < 1 for size in column.shape[1:]):
        raise PackagingFailed(
            f"{revision}, input {column.name!r}",
            seen=f"type {column.kind}, shape {list(column.shape)}",
            expected="numbers, booleans or text, and a shape whose first size alone is open",
            do="log the model with such a signature; dates can be given as text or numbers",
        )
    return {"name": column.name, "kind": kind, "shape": list(column.shape)}


def _profiles(
    profile: "Sequence[ColumnProfile]", columns: Sequence[dict[str, Any]], revision: str
) -> list[dict[str, Any]]:
    """Return the bins that live rows are counted in; how the validation rows spread over them stays with the judge."""
    if len({one.name for one in profile}) != len(profile):
        raise _unfit(f"{revision}, profile", "a column that comes twice", "every column once")
    kinds = {column["name"]: column["kind"] for column in columns if column["shape"] == [-1]}
    return [_profile(one, kinds.get(one.name), revision) for one in profile]


def _profile(profile: "ColumnProfile", kind: str | None, revision: str) -> dict[str, Any]:
    """Return one column's bins; a column of texts without any category still has one for all that comes."""
    what, name = f"{revision}, profile of {profile.name!r}", profile.name
    if kind is None:
        raise _unfit(what, "no such input column", "an input column with one value a row")
    if profile.edges and kind == "str":
        raise _unfit(what, f"edges {list(profile.edges)} for {kind}", "categories for texts, edges for numbers")
    if profile.categories and kind not in {"str", "bool"}:
        raise _unfit(what, f"categories {list(profile.categories)} for {kind}", "edges for numbers")
    if not all(map(isfinite, profile.edges)):  # that they rise, the profile sees to itself
        raise _unfit(what, f"edges {list(profile.edges)}", "finite numbers")
    if len(set(profile.categories)) != len(profile.categories):
        raise _unfit(what, f"categories {list(profile.categories)}", "different texts")
    if profile.categories or kind == "str":
        return {"name": name, "categories": list(profile.categories)}
    return {"name": name, "edges": [float(edge) for edge in profile.edges]}


def _unfit(what: str, seen: str, expected: str) -> PackagingFailed:
    do = "profile the validation rows by the model's own signature, then release again"
    return PackagingFailed(what, seen=seen, expected=expected, do=do)
