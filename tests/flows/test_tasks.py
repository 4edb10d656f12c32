"""Tasks one by one, on a real Prefect server: cached by content, retried where that is safe, stopped by verdicts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prefect import flow, task
from prefect.testing.utilities import prefect_test_harness

from slipway import wiring
from slipway.adapters.local.recorded import LoggedRequests
from slipway.domain.model import Artifact, Column, ModelVersion, Signature
from slipway.domain.revision import Package
from slipway.domain.spec import Contract, DataSpec, QualitySpec
from slipway.domain.verdict import Outcome, Verdict
from slipway.errors import GateFailed, NotFound, RegistryUnavailable
from slipway.rows import read_labels
from slipway.store import file_digest
from slipway.usecases.stages.check_contract import check_contract
from slipway.usecases.stages.fetch import Fetched, Holdout
from slipway.usecases.stages.rehearse import recorded_of
from slipway.usecases.stages.stage import begin_stage, require
from slipway.usecases.stages.validate_data import validate_data
from slipway.usecases.stages.validate_model import Compared, validate_model
from tasks.retrying import RETRIED

PIXELS = tuple(f"pixel_{number}" for number in range(64))


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    """Give these tests a Prefect server and storage of their own."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


def test_same_content_is_validated_once_whatever_the_run(digits_rows: Path) -> None:
    """A second run finds the first one's result; other rows, or another spec, are validated anew."""
    rows = Holdout(path=digits_rows, digest=file_digest(digits_rows), label="digit", columns=PIXELS)
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


@pytest.mark.parametrize(("error", "tries"), [(RegistryUnavailable, 2), (NotFound, 1)])
def test_only_what_may_go_away_is_tried_again(error: type[Exception], tries: int) -> None:
    """A registry that is down for a moment is asked again; a version that does not exist is not."""
    seen: list[int] = []
    quick = RETRIED | {"retries": 1, "retry_delay_seconds": [0.01]}

    @task(**quick)
    def ask() -> None:
        seen.append(1)
        raise error("registry", seen="no answer", expected="an answer", do="wait")  # type: ignore[call-arg]  # ours

    @flow
    def run() -> None:
        ask()

    with pytest.raises(error):
        run()

    assert len(seen) == tries


@pytest.mark.parametrize(
    ("outcome", "blocking", "stops"),
    [
        (Outcome.PASS, True, False),
        (Outcome.FAIL, True, True),
        (Outcome.NO_DATA, True, True),
        (Outcome.INCONCLUSIVE, True, False),
        (Outcome.FAIL, False, False),
    ],
)
def test_a_blocking_no_stops_the_release(outcome: Outcome, *, blocking: bool, stops: bool) -> None:
    """FAIL and NO_DATA stop; a warning and an inconclusive gate that the spec lets pass do not."""
    verdict = Verdict(check="quality", outcome=outcome, reason="5 of 9", blocking=blocking)
    stage = begin_stage("validate model").stage("value", (verdict,))

    if not stops:
        assert require(stage) == "value"
        return
    with pytest.raises(GateFailed, match="validate model: quality: 5 of 9"):
        require(stage)


def fetched(before: Signature | None, after: Signature, rows: Path) -> Fetched:
    """Return what the gates work on: two versions of churn with these signatures."""
    one, two = (
        Artifact(version=ModelVersion(model="churn", version=number, source=""), path=rows, digest=f"sha256:{number}")
        for number in (1, 2)
    )
    holdout = Holdout(path=rows, digest="", label="digit", columns=after.columns)
    champion = one if before else None
    return Fetched(challenger=two, champion=champion, signature=after, promised=before, rows=holdout)


OLD = Signature(inputs=(Column(name="age", kind="float64"),), outputs=(Column(name="y", kind="int64"),))
NEW = replace(OLD, inputs=(*OLD.inputs, Column(name="tenure", kind="float64")))


@pytest.mark.parametrize(
    ("choice", "stops", "asks"),
    [(Contract.REFUSE, True, False), (Contract.APPROVE, False, True), (Contract.ALLOW, False, False)],
)
def test_a_version_that_breaks_clients_is_stopped_as_the_spec_says(
    digits_rows: Path, choice: Contract, *, stops: bool, asks: bool
) -> None:
    """The column is named, with what to do; the differences stand in the record whatever the spec says."""
    stage = check_contract.fn(fetched(OLD, NEW, digits_rows), choice)

    assert [one["where"] for one in stage.record.details["differences"]] == ["column 'tenure'"]
    assert stage.record.verdicts[0].outcome is Outcome.FAIL
    if not stops:
        assert require(stage) is asks
        return
    with pytest.raises(GateFailed, match=r"clients of churn-v1 break: column 'tenure' is new: .*default .* the model"):
        require(stage)


@pytest.mark.parametrize("before", [None, NEW])
def test_nobody_breaks_where_nothing_served_or_nothing_changed(digits_rows: Path, before: Signature | None) -> None:
    """The first version has no contract to keep."""
    stage = check_contract.fn(fetched(before, NEW, digits_rows), Contract.REFUSE)

    assert require(stage) is False
    assert stage.record.verdicts[0].outcome is Outcome.PASS


def test_a_label_that_is_gone_breaks_clients_and_a_person_may_decide(digits_model: Path, digits_rows: Path) -> None:
    """Both versions' answers to the same rows: zeros that the champion is right with and the challenger never gives."""
    truth = read_labels(digits_rows, "digit")
    one = Artifact(version=ModelVersion(model="digits", version=1, source=""), path=digits_model, digest="sha256:1")
    compared = Compared(challenger=one, champion=one, predictions=np.where(truth == 0, 6, truth), before=truth)
    rows = Holdout(path=digits_rows, digest="", label="digit", columns=PIXELS)

    stage = validate_model.fn(compared, rows, QualitySpec(tolerance=0.5), Contract.APPROVE)

    assert stage.value is True
    assert [one["where"] for one in stage.record.details["differences"]] == ["label '0'"]
    assert [(one.check, one.outcome, one.blocking) for one in stage.record.verdicts][1:] == [
        ("quality", Outcome.PASS, True),
        ("labels", Outcome.FAIL, False),
    ]


def test_recorded_requests_that_can_not_be_read_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said why: the requests made from the signature are there all the same."""
    (tmp_path / "models" / "digits").mkdir(parents=True)
    (tmp_path / "models" / "digits" / "digits-v1.json").write_text("{")
    monkeypatch.setattr(wiring, "recorded", lambda: LoggedRequests(tmp_path))
    champion = Package(model="digits", version=1, path=tmp_path, digest="d", tag="digits:v1", runtime="onnx")

    said = recorded_of(champion).remark

    assert said == "recorded live requests can't be read: it can't be read (ValidationError)"
