"""The manifest is written and read by the same code; a reader takes older formats and refuses newer ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_interface.manifest import (
    FORMAT,
    NUMBERS,
    TEXT,
    ColumnBins,
    ManifestColumn,
    ManifestError,
    PackageManifest,
    read_document,
    write_document,
)

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = st.text(min_size=1, max_size=8)


@st.composite
def manifests(draw: st.DrawFn) -> PackageManifest:
    """Return any manifest of a pyfunc model."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    columns = tuple(
        ManifestColumn(
            name=name,
            kind=draw(st.sampled_from([*NUMBERS, TEXT])),
            shape=(-1, *draw(st.lists(st.integers(1, 9), max_size=2))),
        )
        for name in names
    )
    return PackageManifest(
        **{key: draw(NAMES) for key in ("model", "version", "revision", "digest")},
        runtime="pyfunc",
        file="mlflow",
        columns=columns,
        inputs=(),
        single_matrix=False,
        outputs=(),
        profile=tuple(draw(bins(column)) for column in columns if column.shape == (-1,) and draw(st.booleans())),
        batchable=draw(st.booleans()),
    )


@st.composite
def bins(draw: st.DrawFn, column: ManifestColumn) -> ColumnBins:
    """Return any bins of a column."""
    if column.kind in {TEXT, "bool"}:
        return ColumnBins(name=column.name, categories=tuple(draw(st.lists(NAMES, max_size=3, unique=True))))
    edges = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3, unique=True)
    return ColumnBins(name=column.name, edges=tuple(sorted(draw(edges))))


@given(manifests())
def test_what_is_written_is_read(manifest: PackageManifest) -> None:
    """Through JSON, with the newest format's number."""
    document = json.loads(json.dumps(write_document(manifest)))

    assert document["format"] == FORMAT
    assert read_document(document) == manifest


@pytest.mark.parametrize("name", ["manifest-1-onnx", "manifest-1-pyfunc"])
def test_format_1_is_read(name: str) -> None:
    """As packages were written before formats had a number: the same document but for that."""
    document = json.loads((FIXTURES / f"{name}.json").read_text())
    manifest = read_document(document)

    assert "format" not in document
    assert write_document(manifest) == document | {"format": FORMAT}


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (FORMAT + 1, "expected at most 2: a newer version of Slipway made this package"),
        (0, "expected a whole number from 1 on"),
        (True, "format is True"),
        ("2", "format is '2'"),
        (None, "format is None"),
    ],
)
def test_another_format_is_refused(number: Any, said: str) -> None:  # noqa: ANN401 - any JSON
    """Before anything else is looked at: a newer one may have other keys."""
    with pytest.raises(ManifestError) as caught:
        read_document({"format": number})

    assert said in str(caught.value)
