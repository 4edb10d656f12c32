"""What the champion's clients sent lately, for the rehearsal."""

from pathlib import Path

import pytest

from slipway import wiring
from slipway.adapters.local.recorded import LoggedRequests
from slipway.domain.rollout.revision import Package
from slipway.usecases.stages.rehearse import read_recorded


def test_recorded_requests_that_can_not_be_read_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said why: the requests made from the signature are there all the same."""
    (tmp_path / "models" / "digits").mkdir(parents=True)
    (tmp_path / "models" / "digits" / "digits-v1.json").write_text("{")
    monkeypatch.setattr(wiring, "get_recorded_requests", lambda: LoggedRequests(tmp_path))
    champion = Package(model="digits", version=1, path=tmp_path, digest="d", tag="digits:v1", runtime="onnx")

    said = read_recorded(champion).remark

    assert said == "recorded live requests can't be read: it can't be read (JSONDecodeError)"
