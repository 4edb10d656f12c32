"""The package's manifest, `model/slipway.json`, in the form that services/inference reads."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.optimize.conversion import Converted
from slipway.domain.release.version import Artifact, Column, Signature
from slipway.errors import PackagingFailed
from slipway_interface.manifest import NUMBERS, TEXT, ColumnBins, ManifestColumn, PackageManifest, write_document

ONNX_FILE = "model.onnx"
PYFUNC_FOLDER = "mlflow"


def make_manifest(
    artifact: Artifact,
    signature: Signature,
    onnx: Converted | None,
    digest: str,
    profile: Sequence[ColumnProfile] = (),
) -> dict[str, Any]:
    """Return the manifest's document; `digest` is that of the model in the package. Raises PackagingFailed."""
    version = artifact.version
    columns = tuple(_make_column(column, version.name) for column in signature.inputs)
    return write_document(
        PackageManifest(
            model=version.model,
            version=str(version.version),
            revision=version.name,
            runtime="pyfunc" if onnx is None else "onnx",
            file=PYFUNC_FOLDER if onnx is None else ONNX_FILE,
            columns=columns,
            inputs=() if onnx is None else tuple(onnx.inputs),
            single_matrix=onnx is not None and onnx.single_matrix,
            outputs=() if onnx is None else tuple(onnx.outputs),
            batchable=onnx is not None and onnx.rows_independent,
            digest=digest,
            profile=_make_column_bins(profile, columns, version.name),
        )
    )


def _make_column(column: Column, revision: str) -> ManifestColumn:
    kind = TEXT if column.kind in {"str", "object"} else column.kind
    if kind not in (*NUMBERS, TEXT) or column.shape[:1] != (-1,) or any(size < 1 for size in column.shape[1:]):
        raise PackagingFailed(
            f"{revision}, input {column.name!r}",
            seen=f"type {column.kind}, shape {list(column.shape)}",
            expected="numbers, booleans or text, and a shape whose first size alone is open",
            do="log the model with such a signature; dates can be given as text or numbers",
        )
    return ManifestColumn(name=column.name, kind=kind, shape=tuple(column.shape))


def _make_column_bins(
    profile: Sequence[ColumnProfile], columns: Sequence[ManifestColumn], revision: str
) -> tuple[ColumnBins, ...]:
    """Return the bins that live rows are counted in; only the judge has the counts of the validation rows."""
    if len({one.name for one in profile}) != len(profile):
        raise _make_unfit_error(f"{revision}, profile", "a column that appears twice", "every column once")
    kinds = {column.name: column.kind for column in columns if column.shape == (-1,)}
    return tuple(_make_bins(one, kinds.get(one.name), revision) for one in profile)


def _make_bins(profile: ColumnProfile, kind: str | None, revision: str) -> ColumnBins:
    """Return one column's bins; a column of texts without any category still has one for all values."""
    what, name = f"{revision}, profile of {profile.name!r}", profile.name
    if kind is None:
        raise _make_unfit_error(what, "no such input column", "an input column with one value a row")
    if profile.edges and kind == TEXT:
        raise _make_unfit_error(
            what, f"edges {list(profile.edges)} for {kind}", "categories for texts, edges for numbers"
        )
    if profile.categories and kind not in {TEXT, "bool"}:
        raise _make_unfit_error(what, f"categories {list(profile.categories)} for {kind}", "edges for numbers")
    if not all(map(isfinite, profile.edges)):  # the profile itself checks that they rise
        raise _make_unfit_error(what, f"edges {list(profile.edges)}", "finite numbers")
    if len(set(profile.categories)) != len(profile.categories):
        raise _make_unfit_error(what, f"categories {list(profile.categories)}", "different texts")
    if profile.categories or kind == TEXT:
        return ColumnBins(name=name, categories=tuple(profile.categories))
    return ColumnBins(name=name, edges=tuple(map(float, profile.edges)))


def _make_unfit_error(what: str, seen: str, expected: str) -> PackagingFailed:
    do = "profile the validation rows by the model's own signature, then release again"
    return PackagingFailed(what, seen=seen, expected=expected, do=do)
