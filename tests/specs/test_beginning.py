"""A first spec, written from a model's signature."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from slipway.domain.release.version import Column, Signature
from slipway.errors import SpecError
from slipway.specs import Draft, begin_spec, load_spec, make_schema

SIGNATURE = Signature(
    inputs=(
        Column(name="amount", kind="float64"),
        Column(name="on", kind="str"),
        Column(name="odd: name #1", kind="bool"),
    ),
    outputs=(Column(name="fraud", kind="int64"),),
)


def begun(folder: Path, signature: Signature = SIGNATURE, *, allow_pickle: bool = False) -> Path:
    """Begin a spec in a folder."""
    draft = Draft(model="fraud", label="is fraud", data=folder / "data" / "rows.csv", allow_pickle=allow_pickle)
    return begin_spec(folder / "specs" / "fraud.yaml", draft, signature)


def test_a_begun_spec_is_valid_as_it_stands(tmp_path: Path) -> None:
    """For us and for editors; its data path is relative to it."""
    path = begun(tmp_path)

    spec = load_spec(path)
    jsonschema.validate(yaml.safe_load(path.read_text()), make_schema())

    assert (spec.model, spec.data.label, spec.data.path) == ("fraud", "is fraud", tmp_path / "data" / "rows.csv")
    assert 'path: "../data/rows.csv"' in path.read_text()


def test_the_suggested_expectations_are_valid_once_uncommented(tmp_path: Path) -> None:
    """One per column, whatever its name."""
    path = begun(tmp_path)
    text = path.read_text().replace("  # expectations:", "  expectations:").replace("  #   - ", "    - ")
    path.write_text(text)

    spec = load_spec(path)

    assert [expectation.column for expectation in spec.data.expectations] == ["amount", "on", "odd: name #1"]


@pytest.mark.parametrize(("kind", "metric"), [("float64", "mean_absolute_error"), ("int64", "accuracy")])
def test_the_metric_follows_from_the_models_output(tmp_path: Path, kind: str, metric: str) -> None:
    """Numbers are judged by their error, classes by accuracy."""
    signature = Signature(inputs=SIGNATURE.inputs, outputs=(Column(name="y", kind=kind),))

    assert load_spec(begun(tmp_path, signature)).quality.metric == metric


def test_a_matrix_signature_needs_no_columns(tmp_path: Path) -> None:
    """There are no names to suggest expectations for."""
    matrix = Signature(inputs=(Column(name="input", kind="float32", shape=(-1, 4)),), outputs=())

    assert load_spec(begun(tmp_path, matrix)).data.expectations == []


def test_pickle_is_allowed_only_where_it_was_asked_for(tmp_path: Path) -> None:
    """The spec says so, with the reason beside it."""
    path = begun(tmp_path, allow_pickle=True)

    assert load_spec(path).allow_pickle
    assert "runs code" in path.read_text()


def test_a_spec_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """A person's work stays."""
    path = begun(tmp_path)
    path.write_text("mine")

    with pytest.raises(SpecError, match="a file of that name"):
        begun(tmp_path)

    assert path.read_text() == "mine"


def test_a_model_whose_name_can_not_be_released_leaves_no_file(tmp_path: Path) -> None:
    """Its name would be in addresses."""
    path = tmp_path / "x.yaml"

    with pytest.raises(SpecError, match="model: seen"):
        begin_spec(path, Draft(model="My Model", label="y", data=tmp_path / "rows.csv"), SIGNATURE)

    assert not path.exists()
