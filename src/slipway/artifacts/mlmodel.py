"""Reads a model folder's `MLmodel` file: its flavors, and what goes into the model and comes out.

The only code of Slipway that reads this file. It is untrusted and read as data only: nothing is imported or executed,
MLflow included; size, depth and aliases are bounded, and neither a link nor a path may lead out of the folder.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from slipway.artifacts.bounded import parse_yaml, read_bounded
from slipway.artifacts.store import walk_files
from slipway.domain.release.version import Column, Param, Signature
from slipway.errors import ArtifactBroken

FILE = "MLmodel"

LARGEST_BYTES = 4 << 20
"""A signature of 10,000 columns takes about 1 MiB."""

LONGEST_SEEN = 300
"""Characters of what was seen that go into an error: names and values in the file may be as long as the file."""

LONGEST_AXIS = 2**31 - 1
"""More values along one axis than any array here has."""

KINDS = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
    "binary": "bytes",
    "datetime": "datetime64[ns]",
}
"""MLflow's column types, as numpy names them."""

PATH_KEYS = frozenset(
    {
        *("artifact_path", "code", "conda", "data", "env", "model_binary", "model_code_path"),
        *("model_data", "model_path", "path", "pickled_model", "python_model", "saved_model_dir"),
        *("serving_input_path", "virtualenv"),
    }
)
"""Keys of flavors and of the input example that name files of the folder. MLflow opens them wherever they lead."""

FREE_KEYS = frozenset({"config", "model_config", "uri"})
"""Keys whose values the author may choose: what is below them names no file of the folder."""

Description = Mapping[str, Any]


def read_description(model: Path, what: str | None = None) -> Description:
    """Return the parsed `MLmodel` file of a folder; every flavor in it has a name and settings.

    Raises ArtifactBroken about `what` (by default the model, by its folder's name): the file is missing, too large, no
    YAML or over a bound; the folder has a link in it, or the file names a path out of it.
    """
    subject = what or f"model {model.name}"
    _check_folder(model, subject)
    content = _parse_file(model / FILE, subject)
    if not isinstance(content, dict) or not isinstance(content.get("flavors"), dict):
        raise _make_broken_error(subject, "an MLmodel file without flavors", "YAML as MLflow writes it")
    for name, flavor in content["flavors"].items():
        if not isinstance(name, str) or not isinstance(flavor, dict):
            raise _make_broken_error(subject, f"flavor {name!r} without settings", "YAML as MLflow writes it")
    for key, path in _list_paths({name: content.get(name) for name in ("flavors", "saved_input_example_info")}):
        if not _is_inside(path):
            seen = f"no file {path!r} in its folder, which the MLmodel file names as {key}"
            raise _make_broken_error(subject, seen, "paths inside the model's folder")
    return content


def _check_folder(model: Path, subject: str) -> None:
    """Raise ArtifactBroken for a link in the folder, or without an MLmodel file of an allowed size in it."""
    try:
        files = dict(walk_files(model))
    except (FileNotFoundError, NotADirectoryError):
        files = {}
    except OSError as error:
        seen = f"a folder that can't be read ({error.strerror})"
        raise _make_broken_error(subject, seen, "a folder with files that this user may read") from error
    except ArtifactBroken as error:
        raise ArtifactBroken(
            subject, seen=f"{error.what}: {error.seen}", expected=error.expected, do=error.do
        ) from error
    if FILE not in files:
        raise _make_broken_error(
            subject, "no MLmodel file", "a model folder that MLflow wrote, with MLmodel at its top"
        )
    size = files[FILE].stat().st_size
    if size > LARGEST_BYTES:
        raise _make_broken_error(subject, f"an MLmodel file of {size:,} bytes", f"at most {LARGEST_BYTES:,}")


def _parse_file(path: Path, subject: str) -> object:
    try:
        return parse_yaml(read_bounded(path, LARGEST_BYTES))
    except yaml.YAMLError as error:
        seen = f"an unreadable MLmodel file, that is no YAML ({type(error).__name__})"
        raise _make_broken_error(subject, seen, "YAML as MLflow writes it") from error
    except Exception as error:  # the file is untrusted: whatever its parser raises means that it can't be read
        seen = f"an unreadable MLmodel file ({type(error).__name__}: {error})"
        raise _make_broken_error(subject, seen, "YAML as MLflow writes it") from error


def _list_paths(content: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield what the file says is a path in its folder, with its key; see PATH_KEYS."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name not in FREE_KEYS:
                yield from _list_paths(value, str(name))
    elif isinstance(content, list):
        for value in content:
            yield from _list_paths(value, key)
    elif isinstance(content, str) and key in PATH_KEYS:
        yield key, content


def _is_inside(path: str) -> bool:
    """Return whether a path stays in the folder that it is relative to; links are refused before.

    >>> [_is_inside(path) for path in ("model.skops", "data/model.onnx", "../other", "/etc/passwd")]
    [True, True, False, False]
    """
    parts = PurePosixPath(path)
    return not (parts.is_absolute() or ".." in parts.parts or "\0" in path)


def read_signature(model: Path, description: Description) -> Signature:
    """Return the signature; raise ArtifactBroken without one, or with inputs that are neither columns nor tensors."""
    raw = description.get("signature")
    inputs = list(_read_columns(model, raw, "inputs")) if isinstance(raw, dict) else []
    outputs = list(_read_columns(model, raw, "outputs")) if isinstance(raw, dict) else []
    if not inputs or not outputs:
        raise ArtifactBroken(
            f"model {model.name}",
            seen="no signature"
            if not (inputs or outputs)
            else f"a signature without {'outputs' if inputs else 'inputs'}",
            expected="a signature with inputs and outputs",
            do="log the model with signature=mlflow.models.infer_signature(inputs, model.predict(inputs))",
        )
    return Signature(inputs=tuple(inputs), outputs=tuple(outputs), params=_read_params(model, raw))


def require_example(model: Path, description: Description) -> None:
    """Raise ArtifactBroken unless the model brings an input example that lies in its folder."""
    info = description.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    if not isinstance(name, str) or not name:
        raise ArtifactBroken(
            f"model {model.name}",
            seen="no input example",
            expected="a few rows that the model is known to work on",
            do="log the model with input_example=inputs.head(3)",
        )
    if not any(name == file for file, _ in walk_files(model)):
        seen = f"no file {name!r} in its folder, which the MLmodel file names as input example"
        raise _make_broken_error(f"model {model.name}", seen, "the example in the folder")


def _read_columns(model: Path, signature: Mapping[str, Any], side: str) -> Iterator[Column]:
    raw = signature.get(side) or "[]"
    try:
        entries = json.loads(raw) if isinstance(raw, str) else raw
        for entry in entries:
            yield _read_column(entry, side.removesuffix("s"))
    except Exception as error:  # the file is untrusted: whatever reading it raises means that it can't be read
        raise ArtifactBroken(
            f"model {model.name}",
            seen=f"signature {side} that can't be read ({error})"[:LONGEST_SEEN],
            expected=f"tensors, or columns of {', '.join(KINDS)}",
            do="log the model with a signature of plain columns, or of one matrix",
        ) from error


def _read_params(model: Path, signature: object) -> tuple[Param, ...]:
    """Return what a request may set beside its rows; raise ArtifactBroken for what is no such list."""
    raw = signature.get("params") or "[]" if isinstance(signature, dict) else "[]"
    try:
        entries = json.loads(raw) if isinstance(raw, str) else raw
        return tuple(
            Param(name=_check_text(one["name"]), kind=_check_text(one["type"]), default=json.dumps(one["default"]))
            for one in entries
        )
    except Exception as error:  # as above
        seen = f"signature params that can't be read ({error})"
        raise _make_broken_error(f"model {model.name}", seen, "params with name, type and default") from error


def _read_column(entry: Mapping[str, Any], nameless: str) -> Column:
    """Return one entry of a signature; `nameless` is the name of an entry without one.

    >>> _read_column({"type": "double", "name": "age"}, "input")
    Column(name='age', kind='float64', shape=(-1,), required=True)
    >>> _read_column({"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 64]}}, "input")
    Column(name='input', kind='float32', shape=(-1, 64), required=True)
    """
    name = _check_text(entry.get("name", nameless))
    if entry["type"] == "tensor":
        tensor = entry["tensor-spec"]
        shape = tuple(int(length) for length in tensor["shape"])
        if not shape or shape[0] != -1 or any(length == 0 or length > LONGEST_AXIS for length in shape):
            message = f"shape {list(shape)} without a row axis: need [-1, ...]"
            raise ValueError(message)
        return Column(name=name, kind=_name_kind(str(tensor["dtype"])), shape=shape)
    if entry["type"] not in KINDS:
        message = f"{name!r} is of type {entry['type']!r}"
        raise ValueError(message)
    required = bool(entry.get("required", not entry.get("optional", False)))
    return Column(name=name, kind=KINDS[entry["type"]], required=required)


def _check_text(value: object) -> str:
    """Return a value as text that can be written down: JSON may hold halves of characters. Raises ValueError."""
    text = str(value)
    text.encode()
    return text


def _name_kind(dtype: str) -> str:
    """Return numpy's name for a tensor's type; text of any width is `str`.

    >>> _name_kind("<U7"), _name_kind("float64"), _name_kind("object")
    ('str', 'float64', 'str')
    """
    parsed = np.dtype(dtype)
    return "str" if parsed.kind in "UO" else parsed.name


def _make_broken_error(subject: str, seen: str, expected: str) -> ArtifactBroken:
    return ArtifactBroken(subject, seen=seen[:LONGEST_SEEN], expected=expected, do="log the model again with MLflow")
