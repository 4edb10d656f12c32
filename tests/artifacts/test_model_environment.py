"""What a model's code finds in its environment, in the processes of the gates and of the conversion."""

import re
from pathlib import Path

import pytest

from slipway.adapters.onnx import worker
from slipway.adapters.onnx.optimizer import OnnxOptimizer
from slipway.adapters.runner import SubprocessModelRunner, runner
from slipway.artifacts import model_environment, sandbox
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import ConversionSpec
from tests.environments import SECRETS, check_noted, set_secrets, write_noting_estimator, write_noting_model

LIMITS = Path(__file__).parents[2] / "docs" / "limits.md"
SANDBOXED = {*model_environment.INHERITED, *sandbox.FIXED}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return four rows of one input `x`, and a label."""
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n0.0,0\n0.1,0\n0.9,1\n1.0,1\n")
    return path


def test_a_model_in_the_gates_sees_no_secret(tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the written list, while it predicts."""
    set_secrets(monkeypatch)
    model = write_noting_model(tmp_path / "model", tmp_path / "note")

    SubprocessModelRunner().predict(model, rows, ["x"])

    check_noted((tmp_path / "note").read_text(), SANDBOXED | runner.SETTINGS.keys())


def test_a_model_that_is_converted_sees_no_secret(tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the written list, while it is unpickled."""
    set_secrets(monkeypatch)
    model = write_noting_estimator(tmp_path / "model", tmp_path / "note")
    signature = Signature(inputs=(Column(name="x", kind="float64"),), outputs=())

    converted = OnnxOptimizer().convert(model, signature, rows, ConversionSpec(), tmp_path / "out")

    assert converted.path.is_file()
    check_noted((tmp_path / "note").read_text(), SANDBOXED | worker.SETTINGS.keys())


@pytest.mark.parametrize(
    ("begin", "listed"),
    [
        ("| passed on to every process with a model ", model_environment.INHERITED),
        ("| passed on to inference services besides ", model_environment.SERVICE_INHERITED),
        ("| set for inference services ", model_environment.SERVICE_SET),
        ("| set in gates and conversion ", {**sandbox.FIXED, **runner.SETTINGS, **worker.SETTINGS, "TMPDIR": ""}),
    ],
)
def test_the_documentation_has_the_lists(begin: str, listed: dict[str, str]) -> None:
    """Every name, and no other."""
    (row,) = (line for line in LIMITS.read_text().splitlines() if line.startswith(begin))

    assert sorted(re.findall("`([A-Z0-9_]+)`", row)) == sorted(listed)


def test_the_lists_hold_no_secret() -> None:
    """Neither one of those that tests know, nor a name that sounds like one."""
    listed = {*model_environment.SERVICE_NAMES, *model_environment.SERVICE_SET, *sandbox.FIXED}

    assert not listed & SECRETS.keys()
    assert not [name for name in listed if re.search("TOKEN|SECRET|PASSWORD|KEY|AUTH|CREDENTIAL|HEADERS", name)]
