"""Broken and hostile `MLmodel` files: each is ArtifactBroken, soon and in four parts, wherever the file is read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.mlflow import modelfile
from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.adapters.runner import SubprocessModelRunner
from slipway.artifacts.bounded import DEEPEST, MOST_NODES
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import ConversionSpec
from slipway.errors import ArtifactBroken
from tests.models import write_model

Describe = Callable[..., Path]
SIGNATURE = Signature(inputs=(Column(name="x", kind="float64"),), outputs=())
COLUMN = {"type": "double", "name": "x"}

ENTRY_POINTS: dict[str, Callable[[Path, Path], object]] = {
    "download": lambda model, _: modelfile.check_complete(model, "digits-v7"),
    "signature": lambda model, _: SubprocessModelRunner().read_signature(model, allow_pickle=True),
    "strict signature": lambda model, _: SubprocessModelRunner().read_signature(model, allow_pickle=False),
    "prediction": lambda model, rows: SubprocessModelRunner().predict(model, rows, ["x"]),
    "example": lambda model, _: SubprocessModelRunner().check_example(model),
    "conversion": lambda model, rows: OnnxOptimizer().convert(model, SIGNATURE, rows, ConversionSpec(), rows.parent),
}


def bomb(of: str = "x", begin: str = "[", end: str = "]") -> bytes:
    """Return nine to the power of eight values in 400 bytes."""
    lines = ["flavors: {sklearn: {}}", f"a: &a {of}"]
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} {begin}{', '.join([f'*{last}'] * 9)}{end}")
    return "\n".join(lines).encode()


def flavors(text: str) -> bytes:
    """Return a file with a flavor that has these settings."""
    return f"flavors:\n  python_function: {{loader_module: mlflow.sklearn}}\n  sklearn: {text}\n".encode()


CONTENTS = {
    "empty": b"",
    "a list": b"- 1",
    "no YAML": b"flavors: [",
    "no UTF-8": b"flavors: {sklearn: {a: \xff\xfe}}",
    "UTF-16 cut": b"\xff\xfe\x00",
    "NUL bytes": b"flavors: {sklearn: {a: \0}}",
    "5,000 deep": b"flavors: " + b"[" * 5000 + b"]" * 5000,
    "5,000 deep mappings": b"flavors: " + b"{a: " * 5000 + b"}" * 5000,
    "a little too deep": b"flavors: {sklearn: {}}\na: " + b"[" * DEEPEST + b"]" * DEEPEST,
    "50,000 deep and open": b"[" * 50_000,
    "a bomb of aliases": bomb(),
    "a bomb of merged keys": bomb()
    .replace(b"[x, x, x, x, x, x, x, x, x]", b"{k: 1}")
    .replace(b": &i [", b": &i {<<: [")
    + b"}",
    "an alias of itself": b"flavors: &a {sklearn: *a}",
    "an alias of nothing": b"flavors: {sklearn: *b}",
    "too many values": b"flavors: {sklearn: {}}\na: [" + b"1," * MOST_NODES + b"]",
    "keys twice": b"flavors: {sklearn: {}}\nflavors: {sklearn: {}}",
    "keys twice below": b"flavors: {sklearn: {a: 1, 'a': 2}}",
    "a list as key": b"flavors: {sklearn: {}}\n? [1]\n: 2",
    "a huge number": b"flavors: {sklearn: {}}\nmodel_size_bytes: 1" + b"0" * 5000,
    "a huge number in hexadecimal": b"flavors: {sklearn: {}}\nmodel_size_bytes: 0x" + b"f" * 5000,
    "a number in base 60": b"flavors: {sklearn: {}}\nmodel_size_bytes: 1" + b":59" * 1_000_000,
    "a quoted number in base 60": b'flavors: {sklearn: {}}\nmodel_size_bytes: !!int "1' + b":59" * 1_000_000 + b'"',
    "a date that is none": b"flavors: {sklearn: {}}\nutc_time_created: 2026-99-99",
    "a tagged date that is none": b"flavors: {sklearn: {}}\nutc_time_created: !!timestamp x",
    "a tagged truth that is none": b"flavors: {sklearn: {}}\na: !!bool x",
    "an object": b"flavors: {sklearn: {a: !!python/object/apply:os.system ['true']}}",
    "two documents": b"flavors: {sklearn: {}}\n---\nflavors: {sklearn: {}}",
    "flavors of text": b"flavors: sklearn",
    "flavors in a list": b"flavors: [sklearn]",
    "flavors as a date": b"flavors: 2026-01-01",
    "a flavor without settings": b"flavors: {sklearn: }",
    "a flavor of numbers": b"flavors: {sklearn: 7}",
    "a flavor named by a number": b"flavors: {7: {}}",
    "a flavor named by a date": b"flavors: {2026-01-01: {}}",
    "a flavor named by nothing": b"flavors: {~: {}}",
    "a model elsewhere": flavors("{serialization_format: skops, model_path: ../other/model.skops}"),
    "a model at the root": flavors("{serialization_format: skops, model_path: /etc/passwd}"),
    "code elsewhere": flavors("{serialization_format: skops, code: code/../../other}"),
    "artifacts elsewhere": flavors("{serialization_format: skops, artifacts: {a: {path: ../a, uri: /home/me/a}}}"),
    "an environment elsewhere": flavors("{serialization_format: skops, env: {conda: ../conda.yaml}}"),
    "a file of the list elsewhere": flavors("{serialization_format: skops, extra_files: [{path: a}, {path: ../b}]}"),
    "a NUL byte in a path": flavors(r'{serialization_format: skops, model_path: "a\0b"}'),
    "an example elsewhere": b"flavors: {sklearn: {}}\nsaved_input_example_info: {artifact_path: ../rows.csv}",
    "an example at the root": b"flavors: {sklearn: {}}\nsaved_input_example_info: {artifact_path: /etc/passwd}",
}


def _is_sparse(model: Path) -> None:
    with (model / "MLmodel").open("r+b") as file:
        file.truncate(1 << 30)


def _is_a_link(model: Path) -> None:
    (model / "MLmodel").rename(model.with_name("elsewhere"))
    (model / "MLmodel").symlink_to(model.with_name("elsewhere"))


def _is_a_pipe(model: Path) -> None:
    (model / "MLmodel").unlink()
    os.mkfifo(model / "MLmodel")


def _is_a_folder(model: Path) -> None:
    (model / "MLmodel").unlink()
    (model / "MLmodel").mkdir()


def _links_to_a_file(model: Path) -> None:
    (model / "deep").mkdir()
    (model / "deep" / "weights.skops").symlink_to("/etc/hostname")


def _links_to_a_folder(model: Path) -> None:
    (model / "data").symlink_to("..")


def _links_to_itself(model: Path) -> None:
    (model / "data").symlink_to("data")


FOLDERS: dict[str, Callable[[Path], object]] = {
    "no file": lambda model: (model / "MLmodel").unlink(),
    "1 GB, sparse": _is_sparse,
    "a link": _is_a_link,
    "a pipe": _is_a_pipe,
    "a folder": _is_a_folder,
    "a link beside it": _links_to_a_file,
    "a linked folder beside it": _links_to_a_folder,
    "a link to itself beside it": _links_to_itself,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("entry", ENTRY_POINTS)
@pytest.mark.parametrize("content", CONTENTS)
def test_a_hostile_description_is_broken_wherever_it_is_read(
    describe: Describe, tmp_path: Path, content: str, entry: str
) -> None:
    """With what it is about, what was seen, what is expected, and what to do."""
    model = describe()
    (model / "MLmodel").write_bytes(CONTENTS[content])

    refuse(entry, model, tmp_path)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("entry", ENTRY_POINTS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_hostile_folder_is_broken_wherever_it_is_read(
    describe: Describe, tmp_path: Path, folder: str, entry: str
) -> None:
    """Nothing but plain files of a bounded size is opened."""
    model = describe()
    FOLDERS[folder](model)

    refuse(entry, model, tmp_path)


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_a_folder_that_is_not_there_is_broken_wherever_it_is_read(tmp_path: Path, entry: str) -> None:
    """As one without the file is."""
    refuse(entry, tmp_path / "gone", tmp_path)


def refuse(entry: str, model: Path, folder: Path) -> None:
    """Expect ArtifactBroken from an entry point: four parts, short, without a folder of this machine."""
    rows = folder / "rows.csv"
    rows.write_text("x,y\n1,0\n")

    with pytest.raises(ArtifactBroken) as caught:
        ENTRY_POINTS[entry](model, rows)

    parts = [caught.value.what, caught.value.seen, caught.value.expected, caught.value.do]
    assert all(0 < len(part) < 500 for part in parts)
    assert model.name in parts[0] or "digits-v7" in parts[0]
    assert str(folder) not in str(caught.value)


DEEP = "[" * 100_000
ENTRIES: dict[str, Any] = {
    "no list": {"inputs": "7", "outputs": "7"},
    "a list of numbers": {"inputs": "[7]", "outputs": "[7]"},
    "a list of texts": {"inputs": '["x"]', "outputs": '["x"]'},
    "100,000 lists deep": {"inputs": DEEP, "outputs": "[]"},
    "outputs 100,000 lists deep": {"inputs": json.dumps([COLUMN]), "outputs": DEEP},
    "params 100,000 lists deep": {"inputs": json.dumps([COLUMN]), "outputs": json.dumps([COLUMN]), "params": DEEP},
    "a parameter named by half a character": {
        "inputs": json.dumps([COLUMN]),
        "outputs": json.dumps([COLUMN]),
        "params": '[{"name": "\\ud800", "type": "long", "default": 1}]',
    },
    "a list as type": {"inputs": [{"type": ["double"], "name": "x"}], "outputs": [COLUMN]},
    "half a character": {"inputs": '[{"type": "double", "name": "\\ud800"}]', "outputs": json.dumps([COLUMN])},
    "an endless axis": {
        "inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 1e999]}}]',
        "outputs": "[]",
    },
    "an axis of a hundred digits": {
        "inputs": f'[{{"type": "tensor", "tensor-spec": {{"dtype": "float32", "shape": [-1, 1{"0" * 100}]}}}}]',
        "outputs": "[]",
    },
    "an axis of 5,000 digits": {
        "inputs": f'[{{"type": "tensor", "tensor-spec": {{"dtype": "float32", "shape": [-1, 1{"0" * 5000}]}}}}]',
        "outputs": "[]",
    },
    "a type of another grammar": {
        "inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "(,)f4", "shape": [-1, 2]}}]',
        "outputs": "[]",
    },
}


@pytest.mark.parametrize("entries", ENTRIES)
def test_a_hostile_signature_is_broken(describe: Describe, tmp_path: Path, entries: str) -> None:
    """JSON inside the file is as untrusted as the file."""
    refuse("signature", describe(signature=ENTRIES[entries]), tmp_path)


def test_paths_that_are_the_authors_own_are_not_looked_at(tmp_path: Path) -> None:
    """MLflow notes where artifacts were logged from, and configurations hold anything."""
    flavor = {
        "loader_module": "mlflow.pyfunc.model",
        "artifacts": {"words": {"path": "artifacts/words.txt", "uri": "/home/me/words.txt"}},
        "config": {"path": "/srv/words"},
    }
    model = write_model(tmp_path / "model", flavors={"python_function": flavor}, artifact_path="file:///mlruns/1/model")

    assert SubprocessModelRunner().read_signature(model, allow_pickle=True).columns == ("x",)
