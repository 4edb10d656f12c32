"""Results cached by content, on a real Prefect server."""

from dataclasses import replace
from pathlib import Path

from prefect import flow

from slipway.artifacts.store import compute_file_digest
from slipway.domain.release.version import Column, Signature
from slipway.domain.spec.release import DataSpec
from slipway.usecases.stages.fetch import Holdout
from tasks.gates import validate_data

PIXELS = tuple(f"pixel_{number}" for number in range(64))


def test_same_content_is_validated_once_whatever_the_run(digits_rows: Path) -> None:
    """A second run finds the first one's result; other rows, or another spec, are validated anew."""
    rows = Holdout(path=digits_rows, digest=compute_file_digest(digits_rows), label="digit", columns=PIXELS)
    spec = DataSpec(path=digits_rows, label="digit")
    signature = Signature(inputs=tuple(Column(name=name, kind="float64") for name in PIXELS), outputs=())

    @flow
    def check(rows: Holdout, spec: DataSpec) -> str:
        return str(validate_data(rows, spec, signature, return_state=True).name)

    states = [
        check(rows, spec),
        check(rows, spec),
        check(replace(rows, digest="sha256:other"), spec),
        check(rows, spec.model_copy(update={"minimum_rows": 60})),
    ]

    assert states == ["Completed", "Cached", "Completed", "Completed"]
