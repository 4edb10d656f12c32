"""Models whose loading runs code that came with them: refused, unless the release spec allows it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.adapters.runner import SubprocessModelRunner
from slipway.errors import ArtifactBroken

Describe = Callable[..., Path]
SAFE = {"loader_module": "mlflow.sklearn"}


@pytest.mark.parametrize(
    ("flavors", "message"),
    [
        ({"python_function": SAFE, "sklearn": {"serialization_format": "cloudpickle"}}, "serialized with cloudpickle"),
        ({"python_function": SAFE, "sklearn": {}}, "serialized with pickle"),
        ({"python_function": {"loader_module": "mlflow.pyfunc.model"}}, "loader 'mlflow.pyfunc.model'"),
        ({"python_function": {"loader_module": "mine"}}, "loader 'mine'"),
        ({"python_function": {**SAFE, "code": "code"}}, "code of its own in 'code'"),
        (
            {
                "python_function": SAFE,
                "sklearn": {"serialization_format": "skops", "skops_trusted_types": ["os.system"]},
            },
            "types that are not trusted: os.system",
        ),
    ],
)
def test_a_model_that_runs_code_needs_permission(describe: Describe, flavors: dict[str, Any], message: str) -> None:
    """Pickles, custom loaders, code of its own, trust in arbitrary types."""
    model = describe(flavors=flavors)

    with pytest.raises(ArtifactBroken, match=f"{message}.*allow_pickle: true"):
        SubprocessModelRunner().read_signature(model, allow_pickle=False)
    assert SubprocessModelRunner().read_signature(model, allow_pickle=True).columns == ("x",)


@pytest.mark.parametrize("name", ["model.pkl", "deep/inside/MODEL.JOBLIB", "weights.pth"])
def test_a_pickle_anywhere_in_the_folder_needs_permission(describe: Describe, name: str) -> None:
    """Whatever the description says of it."""
    model = describe()
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_bytes(b"\x80\x04.")

    with pytest.raises(ArtifactBroken, match=f"pickle file {name}"):
        SubprocessModelRunner().read_signature(model, allow_pickle=False)


def test_classes_of_known_packages_may_be_trusted(describe: Describe) -> None:
    """A skops file needs them for custom losses and boosters."""
    flavor = {
        "serialization_format": "skops",
        "skops_trusted_types": ["sklearn._loss.link.IdentityLink", "xgboost.core.Booster"],
    }
    model = describe(flavors={"python_function": SAFE, "sklearn": flavor})

    assert SubprocessModelRunner().read_signature(model, allow_pickle=False).columns == ("x",)


@pytest.mark.parametrize("loader", [["mlflow.sklearn"], {"a": 1}, 7, None])
def test_a_loader_of_another_type_needs_permission(describe: Describe, loader: object) -> None:
    """It is no loader that is known to read data only."""
    model = describe(flavors={"python_function": {"loader_module": loader}})

    with pytest.raises(ArtifactBroken, match=r"loader .*allow_pickle: true"):
        SubprocessModelRunner().read_signature(model, allow_pickle=False)


def test_reasons_as_long_as_the_file_are_cut(describe: Describe) -> None:
    """An error is read by people."""
    model = describe(flavors={"python_function": {"loader_module": "m" * 1_000_000}})

    with pytest.raises(ArtifactBroken) as caught:
        SubprocessModelRunner().read_signature(model, allow_pickle=False)
    assert len(caught.value.seen) < 500
