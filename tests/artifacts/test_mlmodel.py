"""What is read from a model's description, and what is refused before anything is loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.runner import SubprocessModelRunner
from slipway.artifacts.mlmodel import LARGEST_BYTES
from slipway.domain.release.version import Column, Param
from slipway.errors import ArtifactBroken

Describe = Callable[..., Path]


def inputs(*entries: dict[str, Any]) -> dict[str, str]:
    """Return a signature with these inputs and one nameless column of output."""
    return {"inputs": json.dumps(entries), "outputs": json.dumps([{"type": "string"}])}


def test_reads_the_signature_of_a_real_model(digits_model: Path) -> None:
    """64 columns in, one tensor of labels out, nothing loaded."""
    signature = SubprocessModelRunner().read_signature(digits_model, allow_pickle=False)

    assert signature.columns == tuple(f"pixel_{number}" for number in range(64))
    assert {column.kind for column in signature.inputs} == {"float64"}
    assert signature.outputs == (Column(name="output", kind="int64"),)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("double", "float64"),
        ("float", "float32"),
        ("long", "int64"),
        ("integer", "int32"),
        ("string", "str"),
        ("boolean", "bool"),
        ("datetime", "datetime64[ns]"),
    ],
)
def test_column_types_get_numpy_names(describe: Describe, said: str, kind: str) -> None:
    """Each of MLflow's plain types has one."""
    model = describe(signature=inputs({"type": said, "name": "x", "required": False}))

    signature = SubprocessModelRunner().read_signature(model, allow_pickle=False)

    assert signature.inputs == (Column(name="x", kind=kind, required=False),)
    assert signature.outputs == (Column(name="output", kind="str"),)


def test_a_nameless_tensor_is_called_input(describe: Describe) -> None:
    """Its shape goes with it."""
    model = describe(signature=inputs({"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 8, 8]}}))

    signature = SubprocessModelRunner().read_signature(model, allow_pickle=False)

    assert signature.inputs == (Column(name="input", kind="float32", shape=(-1, 8, 8)),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signature": None}, "no signature; .*infer_signature"),
        ({"signature": {"inputs": "[]", "outputs": "[]"}}, "no signature"),
        ({"signature": {"inputs": '[{"type": "long", "name": "x"}]', "outputs": None}}, "a signature without outputs"),
        ({"signature": inputs({"type": "object", "name": "x"})}, "'x' is of type 'object'"),
        (
            {"signature": inputs({"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [3]}})},
            "without a row axis",
        ),
        ({"signature": {"inputs": "{broken", "outputs": "[]"}}, "can't be read"),
        ({"signature": {"inputs": "[" * 100_000, "outputs": "[]"}}, "can't be read"),
        ({"saved_input_example_info": None}, r"no input example; .*input_example=inputs.head\(3\)"),
        ({"saved_input_example_info": {"artifact_path": "gone.json"}}, "no file 'gone.json'"),
        ({"saved_input_example_info": {"artifact_path": "../rows.csv"}}, "no file '../rows.csv'"),
        ({"flavors": None}, "without flavors"),
        ({"flavors": {"python_function": "x"}}, "flavor 'python_function' without settings"),
    ],
)
def test_a_description_that_lacks_something_is_refused(
    describe: Describe, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """The error says how to log the model with it."""
    model, rows = describe(**changes), tmp_path / "rows.csv"
    rows.write_text("x,y\n1,0\n")

    assert rows.exists()
    with pytest.raises(ArtifactBroken, match=message):
        SubprocessModelRunner().read_signature(model, allow_pickle=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"flavors: [", "unreadable MLmodel"),
        (b"\xff\xfe\x00", "unreadable MLmodel"),
        (b"[" * 50_000, "unreadable MLmodel"),
        (b"a: !!python/object/apply:os.system ['true']", "unreadable MLmodel"),
        (b"- 1", "without flavors"),
        (b"", "without flavors"),
        (b" " * (LARGEST_BYTES + 1), "bytes; expected at most"),
    ],
)
def test_a_description_that_is_no_yaml_of_ours_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Truncated, binary, bottomless, with objects, of the wrong kind, empty, too large."""
    (tmp_path / "MLmodel").write_bytes(content)

    with pytest.raises(ArtifactBroken, match=message):
        SubprocessModelRunner().read_signature(tmp_path, allow_pickle=True)


def test_a_folder_without_a_description_is_refused(tmp_path: Path) -> None:
    """It is no MLflow model."""
    with pytest.raises(ArtifactBroken, match="no MLmodel file"):
        SubprocessModelRunner().read_signature(tmp_path, allow_pickle=True)


def test_params_are_read_with_their_defaults(describe: Describe) -> None:
    """What a request may set beside its rows; a model without has none."""
    params = [
        {"name": "k", "type": "long", "default": 3, "shape": None},
        {"name": "t", "type": "string", "default": "x"},
    ]
    raw = inputs({"type": "double", "name": "x"})

    with_params = SubprocessModelRunner().read_signature(
        describe(signature=raw | {"params": json.dumps(params)}), allow_pickle=False
    )
    without = SubprocessModelRunner().read_signature(describe(signature=raw | {"params": None}), allow_pickle=False)

    assert with_params.params == (
        Param(name="k", kind="long", default="3"),
        Param(name="t", kind="string", default='"x"'),
    )
    assert without.params == ()


@pytest.mark.parametrize("params", ["{", '[{"name": "k"}]', "7"])
def test_params_that_can_not_be_read_are_refused(describe: Describe, params: str) -> None:
    """They are part of the contract."""
    model = describe(signature=inputs({"type": "double", "name": "x"}) | {"params": params})

    with pytest.raises(ArtifactBroken, match="signature params that can't be read"):
        SubprocessModelRunner().read_signature(model, allow_pickle=False)
