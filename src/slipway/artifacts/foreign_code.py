"""Whether loading a model runs code that came with it: pickles, loaders and code of its own, trust in odd types."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from slipway.artifacts.mlmodel import Description
from slipway.artifacts.store import walk_files
from slipway.errors import ArtifactBroken

DATA_LOADERS = frozenset(
    f"mlflow.{flavor}"
    for flavor in ("catboost", "keras", "lightgbm", "onnx", "pytorch", "sklearn", "tensorflow", "xgboost")
)
"""Loaders that read data, given that none of the files is a pickle."""

PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill", ".pth", ".pt"})

TRUSTED_ROOTS = frozenset({"catboost", "lightgbm", "numpy", "scipy", "sklearn", "xgboost"})
"""Packages whose classes a skops file may ask to be trusted with."""

LONGEST_REASON = 300
"""Characters of a reason that go into an error."""


def refuse_code(model: Path, description: Description) -> None:
    """Raise ArtifactBroken for a model whose loading runs code that came with it."""
    reason = next(_find_code_reasons(model, description["flavors"]), None)
    if reason is not None:
        raise ArtifactBroken(
            f"model {model.name}",
            seen=f"{reason[:LONGEST_REASON]}: loading it runs whatever code its author put there",
            expected="a format that holds data only, such as skops or ONNX",
            do="log it with serialization_format='skops' or mlflow.onnx.log_model(...); or, where you trust whoever "
            "can register versions of this model, write `allow_pickle: true` into the release spec",
        )


def _find_code_reasons(model: Path, flavors: Mapping[str, Any]) -> Iterator[str]:
    for name, flavor in flavors.items():
        written = str(flavor.get("serialization_format", "pickle" if name == "sklearn" else ""))
        if "pickle" in written:
            yield f"{name} model serialized with {written}"
        if flavor.get("code"):
            yield f"code of its own in {flavor['code']!r}"
        for trusted in _list_untrusted(flavor.get("skops_trusted_types")):
            yield f"skops file with types that are not trusted: {trusted}"
    loader = flavors.get("python_function", {}).get("loader_module")
    if not isinstance(loader, str) or loader not in DATA_LOADERS:
        yield f"loader {loader!r}"
    for name, file in sorted(walk_files(model)):
        if file.suffix.lower() in PICKLE_SUFFIXES:
            yield f"pickle file {name}"


def _list_untrusted(names: object) -> list[str]:
    """Return the types that are not classes of a known package: the list is the file author's own word.

    >>> _list_untrusted(["sklearn.linear_model._sag.SAG", "numpy.testing.runstring", "os.system"])
    ['numpy.testing.runstring', 'os.system']
    """
    listed = [str(name) for name in names] if isinstance(names, list) else [str(names)] if names else []
    return [
        name
        for name in listed
        if name.split(".")[0] not in TRUSTED_ROOTS or not name.rsplit(".", maxsplit=1)[-1].lstrip("_")[:1].isupper()
    ]
