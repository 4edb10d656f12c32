"""Models that write their environment down, and secrets that must not be in it."""

import json
import pickle
from collections.abc import Iterable
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from tests.models import write_coded_model, write_model

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "aws",
    "MLFLOW_TRACKING_TOKEN": "mlflow",
    "MY_TOKEN": "mine",
    "PREFECT_API_AUTH_STRING": "prefect",
    "SLIPWAY_WEBHOOK_SECRET": "webhook",
}
"""Variables of our own environment: of clients that Slipway uses, and of one that it does not know."""


def set_secrets(patch: pytest.MonkeyPatch) -> None:
    """Put the secrets into our own environment."""
    for name, value in SECRETS.items():
        patch.setenv(name, value)


IN_TEMPORARY_FOLDER = "__import__('tempfile').gettempdir() + '/note'"
"""An expression: a file in the temporary folder of the process that evaluates it."""


def write_down(note: str) -> str:
    """Return an expression that writes the environment down: as the process was started with, and as it is now.

    `note`: an expression for the file's path.
    """
    path = "__import__('pathlib').Path"
    at_start = f"{path}('/proc/self/environ').read_text().split(chr(0))"
    now = "dict(__import__('os').environ)"
    return f"{path}({note}).write_text(__import__('json').dumps([{at_start}, {now}]))"


def write_noting_model(model: Path, note: Path) -> Path:
    """Write a model with code of its own, that writes its environment down when it predicts."""
    return write_coded_model(model, f"{write_down(repr(str(note)))}\nreturn rows['x']")


class _Noting:
    """Unpickled, it writes the environment down and is an estimator."""

    def __init__(self, note: Path) -> None:
        self._note = note

    def __reduce__(self) -> tuple[object, ...]:
        fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        return eval, (
            f"[{write_down(repr(str(self._note)))}, __import__('pickle').loads({pickle.dumps(fitted)!r})][1]",
        )


def write_noting_estimator(model: Path, note: Path) -> Path:
    """Write a scikit-learn model, pickled, that writes its environment down when it is loaded."""
    flavor = {"pickled_model": "model.pkl", "serialization_format": "pickle", "sklearn_version": "1"}
    write_model(model, flavors={"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": flavor})
    (model / "model.pkl").write_bytes(pickle.dumps(_Noting(note)))
    return model


def check_noted(note: str, allowed: Iterable[str]) -> None:
    """Check that a process was started with allowed variables only, and that no secret is in its environment."""
    at_start, now = json.loads(note)
    names = {line.partition("=")[0] for line in at_start if line}

    assert "PATH" in names
    assert names <= set(allowed), sorted(names - set(allowed))
    assert not SECRETS.keys() & now.keys()
    assert not set(SECRETS.values()) & set(now.values())
