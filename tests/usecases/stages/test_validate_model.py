"""The model's own example, its quality, and the labels that its clients read."""

from pathlib import Path

import numpy as np

from slipway.artifacts.rows import read_labels
from slipway.domain.release.version import Artifact, ModelVersion
from slipway.domain.spec.release import Contract, QualitySpec
from slipway.domain.verdict import Outcome
from slipway.usecases.stages.fetch import Holdout
from slipway.usecases.stages.validate_model import Compared, validate_model

PIXELS = tuple(f"pixel_{number}" for number in range(64))


def test_a_label_that_is_gone_breaks_clients_and_a_person_may_decide(digits_model: Path, digits_rows: Path) -> None:
    """Both versions' answers to the same rows: zeros that the champion is right with and the challenger never gives."""
    truth = read_labels(digits_rows, "digit")
    one = Artifact(version=ModelVersion(model="digits", version=1, source=""), path=digits_model, digest="sha256:1")
    compared = Compared(challenger=one, champion=one, predictions=np.where(truth == 0, 6, truth), before=truth)
    rows = Holdout(path=digits_rows, digest="", label="digit", columns=PIXELS)

    stage = validate_model(compared, rows, QualitySpec(tolerance=0.5), Contract.APPROVE)

    assert stage.value is True
    assert [one["where"] for one in stage.record.details["differences"]] == ["label '0'"]
    assert [(one.check, one.outcome, one.blocking) for one in stage.record.verdicts][1:] == [
        ("quality", Outcome.PASS, True),
        ("labels", Outcome.FAIL, False),
    ]
