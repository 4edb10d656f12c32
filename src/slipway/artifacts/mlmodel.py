"""Reads a model folder's `MLmodel` file: what goes in, what comes out, and whether loading runs its author's code.

The file is untrusted and read as data only: nothing is imported or executed, MLflow included; its size is bounded.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from slipway.domain.model import Column, Param, Signature
from slipway.errors import ArtifactBroken

LARGEST_BYTES = 4 << 20
"""A signature of 10,000 columns takes about 1 MiB."""

DEEPEST = 50
"""MLflow nests about six deep."""

LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

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

DATA_LOADERS = frozenset(
    f"mlflow.{flavor}"
    for flavor in ("catboost", "keras", "lightgbm", "onnx", "pytorch", "sklearn", "tensorflow", "xgboost")
)
"""Loaders that read data, given that none of the files is a pickle."""

PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill", ".pth", ".pt"})

TRUSTED_ROOTS = frozenset({"catboost", "lightgbm", "numpy", "scipy", "sklearn", "xgboost"})
"""Packages whose classes a skops file may ask to be trusted with."""

Description = Mapping[str, Any]


def read(model: Path) -> Description:
    """Return the parsed `MLmodel` file; raise ArtifactBroken when it is missing, too large, or no mapping."""
    path = model / "MLmodel"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise _broken(model, f"an MLmodel file of {path.stat().st_size:,} bytes", f"at most {LARGEST_BYTES:,}")
        content = _parse(path.read_bytes())
    except FileNotFoundError as error:
        raise _broken(model, "no MLmodel file", "a model that MLflow logged") from error
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise _broken(
            model, f"an unreadable MLmodel file ({type(error).__name__})", "YAML as MLflow writes it"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("flavors"), dict):
        raise _broken(model, "an MLmodel file without flavors", "YAML as MLflow writes it")
    return content


def _parse(text: bytes) -> object:
    """Return YAML as plain values; raise ValueError for lists in lists in lists: libyaml would overflow its stack."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            message = f"nested more than {DEEPEST} deep"
            raise ValueError(message)
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - both loaders are safe ones


def read_signature(model: Path, description: Description) -> Signature:
    """Return the signature; raise ArtifactBroken without one, or with inputs that are neither columns nor tensors."""
    raw = description.get("signature")
    inputs = list(_columns(model, raw, "inputs")) if isinstance(raw, dict) else []
    outputs = list(_columns(model, raw, "outputs")) if isinstance(raw, dict) else []
    if not inputs or not outputs:
        raise ArtifactBroken(
            f"model {model.name}",
            seen="no signature"
            if not (inputs or outputs)
            else f"a signature without {'outputs' if inputs else 'inputs'}",
            expected="a signature that says what goes in and what comes out",
            do="log the model with signature=mlflow.models.infer_signature(inputs, model.predict(inputs))",
        )
    return Signature(inputs=tuple(inputs), outputs=tuple(outputs), params=_params(model, raw))


def require_example(model: Path, description: Description) -> None:
    """Raise ArtifactBroken unless the model brings an input example that lies in its folder."""
    info = description.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    if not isinstance(name, str):
        raise ArtifactBroken(
            f"model {model.name}",
            seen="no input example",
            expected="a few rows that the model is known to work on",
            do="log the model with input_example=inputs.head(3)",
        )
    example = (model / name).resolve()
    if not example.is_relative_to(model.resolve()) or not example.is_file():
        raise _broken(
            model, f"no file {name!r}, which the MLmodel file names as input example", "the example in the folder"
        )


def refuse_code(model: Path, description: Description) -> None:
    """Raise ArtifactBroken for a model whose loading runs code that came with it."""
    reason = next(_code_reasons(model, description["flavors"]), None)
    if reason is not None:
        raise ArtifactBroken(
            f"model {model.name}",
            seen=f"{reason}: loading it runs whatever code its author put there",
            expected="a format that holds data only, such as skops or ONNX",
            do="log it with serialization_format='skops' or mlflow.onnx.log_model(...); or, where you trust whoever "
            "can register versions of this model, write `allow_pickle: true` into the release spec",
        )


def _code_reasons(model: Path, flavors: Mapping[str, Any]) -> Iterator[str]:
    for name, flavor in flavors.items():
        if not isinstance(flavor, dict):
            raise _broken(model, f"flavor {name!r} without settings", "YAML as MLflow writes it")
        written = str(flavor.get("serialization_format", "pickle" if name == "sklearn" else ""))
        if "pickle" in written:
            yield f"{name} model serialized with {written}"
        if flavor.get("code"):
            yield f"code of its own in {flavor['code']!r}"
        yield from map("skops file that asks to trust {}".format, _untrusted(flavor.get("skops_trusted_types")))
    loader = flavors.get("python_function", {}).get("loader_module")
    if loader not in DATA_LOADERS:
        yield f"loader {loader!r}"
    for file in sorted(model.rglob("*")):
        if file.suffix.lower() in PICKLE_SUFFIXES:
            yield f"pickle file {file.relative_to(model).as_posix()}"


def _untrusted(names: object) -> list[str]:
    """Return the types that are not classes of a known package: the list is the file author's own word.

    >>> _untrusted(["sklearn.linear_model._sag.SAG", "numpy.testing.runstring", "os.system"])
    ['numpy.testing.runstring', 'os.system']
    """
    listed = [str(name) for name in names] if isinstance(names, list) else [str(names)] if names else []
    return [
        name
        for name in listed
        if name.split(".")[0] not in TRUSTED_ROOTS or not name.rsplit(".", maxsplit=1)[-1].lstrip("_")[:1].isupper()
    ]


def _columns(model: Path, signature: Mapping[str, Any], side: str) -> Iterator[Column]:
    raw = signature.get(side) or "[]"
    try:
        entries = json.loads(raw) if isinstance(raw, str) else raw
        for entry in entries:
            yield _column(entry, side.removesuffix("s"))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactBroken(
            f"model {model.name}",
            seen=f"signature {side} that can't be read ({error})"[:300],
            expected=f"tensors, or columns of {', '.join(KINDS)}",
            do="log the model with a signature of plain columns, or of one matrix",
        ) from error


def _params(model: Path, signature: object) -> tuple[Param, ...]:
    """Return what a request may set beside its rows; raise ArtifactBroken for what is no such list."""
    raw = signature.get("params") or "[]" if isinstance(signature, dict) else "[]"
    try:
        entries = json.loads(raw) if isinstance(raw, str) else raw
        return tuple(
            Param(name=str(one["name"]), kind=str(one["type"]), default=json.dumps(one["default"])) for one in entries
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        seen = f"signature params that can't be read ({error})"[:300]
        raise _broken(model, seen, "params with name, type and default") from error


def _column(entry: Mapping[str, Any], nameless: str) -> Column:
    """Return one entry of a signature; `nameless` is the name of an entry without one.

    >>> _column({"type": "double", "name": "age"}, "input")
    Column(name='age', kind='float64', shape=(-1,), required=True)
    >>> _column({"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 64]}}, "input")
    Column(name='input', kind='float32', shape=(-1, 64), required=True)
    """
    name = str(entry.get("name", nameless))
    if entry["type"] == "tensor":
        tensor = entry["tensor-spec"]
        shape = tuple(int(length) for length in tensor["shape"])
        if not shape or shape[0] != -1 or any(length == 0 for length in shape):
            message = f"shape {list(shape)} without a row axis: need [-1, ...]"
            raise ValueError(message)
        return Column(name=name, kind=_kind(str(tensor["dtype"])), shape=shape)
    if entry["type"] not in KINDS:
        message = f"{name!r} is of type {entry['type']!r}"
        raise ValueError(message)
    required = bool(entry.get("required", not entry.get("optional", False)))
    return Column(name=name, kind=KINDS[entry["type"]], required=required)


def _kind(dtype: str) -> str:
    """Return numpy's name for a tensor's type; text of any width is `str`.

    >>> _kind("<U7"), _kind("float64"), _kind("object")
    ('str', 'float64', 'str')
    """
    parsed = np.dtype(dtype)
    return "str" if parsed.kind in "UO" else parsed.name


def _broken(model: Path, seen: str, expected: str) -> ArtifactBroken:
    return ArtifactBroken(f"model {model.name}", seen=seen, expected=expected, do="log the model again with MLflow")
