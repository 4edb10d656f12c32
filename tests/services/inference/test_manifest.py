"""A package that does not describe itself well never becomes ready, and says why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.inference.manifest import parse_manifest, read_manifest
from slipway_interface.manifest import ManifestError

Maker = Callable[..., dict[str, Any]]
TEXTS = {"columns": [{"name": "a", "kind": "str"}], "runtime": "pyfunc", "single_matrix": False, "inputs": []}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"extra": 1}, "keys is ['extra']"),
        ({"model": ""}, "model is ''"),
        ({"version": 3}, "version is 3"),
        ({"runtime": "tensorflow"}, "runtime is 'tensorflow'; expected onnx or pyfunc"),
        ({"single_matrix": "yes"}, "single_matrix is 'yes'"),
        ({"file": "../model.onnx"}, "file is '../model.onnx'; expected a path inside the package"),
        ({"columns": []}, "columns is []"),
        ({"columns": [{"name": "a"}]}, "objects with name, kind"),
        ({"columns": [{"name": 1, "kind": "int64"}]}, "name is 1"),
        ({"columns": [{"name": "a", "kind": "datetime"}]}, "kind of 'a' is 'datetime'"),
        ({"columns": [{"name": "a", "kind": "int64", "shape": [4]}]}, "shape of 'a' is [4]"),
        ({"columns": [{"name": "a", "kind": "int64"}] * 2}, "every name once"),
        ({"columns": [{"name": "a", "kind": "str"}]}, "numbers only"),
        ({"inputs": ["x", "y"]}, "expected 1 name(s)"),
        ({"inputs": "x"}, "inputs is 'x'"),
        ({"outputs": []}, "at least the prediction's name"),
        ({"profile": {}}, "profile is {}; expected a list"),
        ({"profile": ["a"]}, "profile is 'a'; expected objects with name, and either edges or categories"),
        ({"profile": [{"name": "a"}]}, "either edges or categories"),
        ({"profile": [{"name": "a", "edges": [1], "categories": ["x"]}]}, "either edges or categories"),
        ({"profile": [{"name": "a", "edges": [1], "counts": [1, 2]}]}, "either edges or categories"),
        ({"profile": [{"name": "z", "edges": [1]}]}, "profile: name is 'z'; expected a column with one value a row"),
        ({"profile": [{"name": ["a"], "edges": [1]}]}, "profile: name is ['a']"),
        ({"profile": [{"name": "a", "edges": [1]}] * 2}, "profile is 'a name that comes twice'"),
        ({"profile": [{"name": "a", "edges": [1, 1]}]}, "edges of 'a' is [1, 1]; expected a list of finite numbers"),
        ({"profile": [{"name": "a", "edges": [2, 1]}]}, "edges of 'a' is [2, 1]"),
        ({"profile": [{"name": "a", "edges": [float("nan")]}]}, "edges of 'a' is [nan]"),
        ({"profile": [{"name": "a", "edges": [1, float("inf")]}]}, "edges of 'a' is [1, inf]"),
        ({"profile": [{"name": "a", "edges": [True]}]}, "edges of 'a' is [True]"),
        ({"profile": [{"name": "a", "edges": 1}]}, "edges of 'a' is 1"),
        ({"profile": [{"name": "a", "categories": ["x"]}]}, "categories of 'a' is ['x']; expected edges"),
        (TEXTS | {"profile": [{"name": "a", "edges": [1]}]}, "edges of 'a' is [1]; expected categories"),
        (TEXTS | {"profile": [{"name": "a", "categories": ["x", "x"]}]}, "expected a list of different texts"),
        (TEXTS | {"profile": [{"name": "a", "categories": ["x", 1]}]}, "expected a list of different texts"),
        (TEXTS | {"profile": [{"name": "a", "categories": None}]}, "expected a list of different texts"),
        (
            {
                "columns": [{"name": "a", "kind": "int64", "shape": [-1, 8, 8]}],
                "profile": [{"name": "a", "edges": [1]}],
            },
            "a column with one value a row",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_by_key(manifest_document: Maker, changes: dict[str, Any], said: str) -> None:
    """The message names the key, what is there and what may be there."""
    document = manifest_document(**changes)

    with pytest.raises(ManifestError) as caught:
        parse_manifest(document)

    assert said in str(caught.value)


def test_a_manifest_must_say_whether_inputs_are_counted(manifest_document: Maker) -> None:
    """An empty list says that none are; without the key it could have been forgotten."""
    document = manifest_document()
    del document["profile"]

    with pytest.raises(ManifestError, match=r"keys is \['profile'\]"):
        parse_manifest(document)


def test_a_profile_is_read_as_it_stands(manifest_document: Maker) -> None:
    """Edges as floats, categories in their order; a column may have neither edge nor category."""
    columns = [{"name": name, "kind": kind} for name, kind in (("a", "int64"), ("b", "str"), ("c", "bool"))]
    profile = [{"name": "b", "categories": ["x", ""]}, {"name": "a", "edges": [1, 2.5]}, {"name": "c", "edges": []}]
    document = manifest_document(columns=columns, runtime="pyfunc", single_matrix=False, inputs=[], profile=profile)

    texts, numbers, empty = parse_manifest(document).profile

    assert (texts.name, texts.categories, texts.edges) == ("b", ("x", ""), ())
    assert (numbers.name, numbers.categories, numbers.edges) == ("a", None, (1.0, 2.5))
    assert (empty.name, empty.categories, empty.edges) == ("c", None, ())


def test_a_manifest_that_is_no_object_is_refused() -> None:
    """A list is not a manifest."""
    with pytest.raises(ManifestError, match="expected an object"):
        parse_manifest([])


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"{", "not JSON")])
def test_a_manifest_that_is_not_readable_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    """A missing or cut file is named."""
    if content is not None:
        (tmp_path / "slipway.json").write_bytes(content)

    with pytest.raises(ManifestError, match=said):
        read_manifest(tmp_path)


def test_a_manifest_without_its_model_is_refused(tmp_path: Path, manifest_document: Maker) -> None:
    """The model must lie beside it."""
    (tmp_path / "slipway.json").write_text(json.dumps(manifest_document()))

    with pytest.raises(ManifestError, match=r"file is 'model.onnx', which is not there"):
        read_manifest(tmp_path)


def test_columns_of_one_kind_may_come_as_a_matrix(manifest_document: Maker) -> None:
    """Mixed kinds need one tensor per column, unless the model itself takes a matrix."""
    mixed = [{"name": "a", "kind": "int64"}, {"name": "b", "kind": "float64"}]
    apart = manifest_document(columns=mixed, single_matrix=False, inputs=["a", "b"])

    same, together, separate = (
        parse_manifest(document).matrix_kind
        for document in (manifest_document(), manifest_document(columns=mixed), apart)
    )

    assert (same, together, separate) == ("float64", "float64", None)
