"""What the champion's clients rely on, by both signatures."""

from dataclasses import replace
from pathlib import Path

import pytest

from slipway.domain.release.version import Artifact, Column, ModelVersion, Signature
from slipway.domain.spec.release import Contract
from slipway.domain.verdict import Outcome
from slipway.errors import GateFailed
from slipway.usecases.stages.check_contract import check_contract
from slipway.usecases.stages.fetch import Fetched, Holdout
from slipway.usecases.stages.stage import require_passed

OLD = Signature(inputs=(Column(name="age", kind="float64"),), outputs=(Column(name="y", kind="int64"),))
NEW = replace(OLD, inputs=(*OLD.inputs, Column(name="tenure", kind="float64")))


def fetched(before: Signature | None, after: Signature, rows: Path) -> Fetched:
    """Return what the gates work on: two versions of churn with these signatures."""
    one, two = (
        Artifact(version=ModelVersion(model="churn", version=number, source=""), path=rows, digest=f"sha256:{number}")
        for number in (1, 2)
    )
    holdout = Holdout(path=rows, digest="", label="digit", columns=after.columns)
    champion = one if before else None
    return Fetched(challenger=two, champion=champion, signature=after, promised=before, rows=holdout)


@pytest.mark.parametrize(
    ("choice", "stops", "asks"),
    [(Contract.REFUSE, True, False), (Contract.APPROVE, False, True), (Contract.ALLOW, False, False)],
)
def test_a_version_that_breaks_clients_is_stopped_as_the_spec_says(
    digits_rows: Path, choice: Contract, *, stops: bool, asks: bool
) -> None:
    """The column is named, with what to do; the differences stand in the record whatever the spec says."""
    stage = check_contract(fetched(OLD, NEW, digits_rows), choice)

    assert [one["where"] for one in stage.record.details["differences"]] == ["column 'tenure'"]
    assert stage.record.verdicts[0].outcome is Outcome.FAIL
    if not stops:
        assert require_passed(stage) is asks
        return
    with pytest.raises(GateFailed, match=r"clients of churn-v1 break: column 'tenure' is new: .*default .* the model"):
        require_passed(stage)


@pytest.mark.parametrize("before", [None, NEW])
def test_nobody_breaks_where_nothing_served_or_nothing_changed(digits_rows: Path, before: Signature | None) -> None:
    """The first version has no contract to keep."""
    stage = check_contract(fetched(before, NEW, digits_rows), Contract.REFUSE)

    assert require_passed(stage) is False
    assert stage.record.verdicts[0].outcome is Outcome.PASS
