"""What a model's code finds in its environment while its package is rehearsed."""

from pathlib import Path

import pytest

from slipway.adapters.bento.rehearsal import ProcessRehearsal
from slipway.artifacts import model_environment
from slipway.domain.spec.release import RehearsalSpec
from tests.adapters.local.packaged import packaged_pyfunc
from tests.environments import check_noted, set_secrets, write_noting_model


def test_a_model_in_a_rehearsal_sees_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the written list, in the process that predicts."""
    set_secrets(monkeypatch)
    model = write_noting_model(tmp_path / "model", tmp_path / "note")
    package = packaged_pyfunc(tmp_path, "noting", 1, model).package
    (tmp_path / "rows.csv").write_text("x\n1\n2\n")

    seen = ProcessRehearsal(tmp_path / "logs").rehearse(
        package, tmp_path / "rows.csv", ("x",), RehearsalSpec(requests=2)
    )

    assert seen.predictions.tolist() == [1.0, 2.0]
    check_noted((tmp_path / "note").read_text(), {*model_environment.SERVICE_NAMES, *model_environment.SERVICE_SET})
