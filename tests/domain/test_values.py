"""The small values: traffic, verdicts, phases, versions, and the status as a document."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from slipway.domain.counters import Counters
from slipway.domain.model import ModelVersion, ReleaseState, Signature
from slipway.domain.revision import Package, Revision, Traffic
from slipway.domain.status import Evidence, Moment, Phase, RolloutStatus
from slipway.domain.verdict import Outcome, Verdict, worst

DOCUMENT = TypeAdapter(RolloutStatus)
PACKAGE = Package(model="digits", version=2, path=Path("p"), digest="sha256:0", tag="digits:v2", runtime="onnx")


# traffic


@given(percent=st.integers(0, 100))
def test_weights_add_up_to_a_hundred(percent: int) -> None:
    """Whatever the canary gets, stable gets the rest."""
    weights = Traffic(stable="old", canary="new", canary_percent=percent).weights

    assert weights == {"old": 100 - percent, "new": percent}


def test_without_a_canary_stable_gets_everything() -> None:
    """A shadow gets copies, no share."""
    assert Traffic(stable="old", shadow="new").weights == {"old": 100}


@pytest.mark.parametrize(
    ("canary", "percent", "message"),
    [
        ("new", -1, "canary_percent is -1; allowed 0 to 100"),
        ("new", 101, "canary_percent is 101; allowed 0 to 100"),
        (None, 5, "5 % for a canary that is not named"),
        ("old", 20, "old is named as stable and as canary"),
    ],
)
def test_impossible_traffic_is_refused(canary: str | None, percent: int, message: str) -> None:
    """No router may be told of it: shares under 0 or over 100, for nobody, or twice for the same revision."""
    with pytest.raises(ValueError, match=message):
        Traffic(stable="old", canary=canary, canary_percent=percent)


# verdicts


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        ([], Outcome.NO_DATA),
        ([Outcome.PASS], Outcome.PASS),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.INCONCLUSIVE, Outcome.NO_DATA, Outcome.PASS], Outcome.NO_DATA),
        ([Outcome.NO_DATA, Outcome.FAIL, Outcome.PASS], Outcome.FAIL),
    ],
)
def test_the_worst_outcome_stands_for_all(outcomes: list[Outcome], together: Outcome) -> None:
    """FAIL, then NO_DATA, then INCONCLUSIVE, then PASS; nothing checked is no data."""
    assert worst(Verdict(check="x", outcome=outcome, reason="") for outcome in outcomes) is together


def test_what_does_not_block_does_not_count() -> None:
    """A warning is shown, and stops nothing."""
    warning = Verdict(check="x", outcome=Outcome.FAIL, reason="", blocking=False)
    fine = Verdict(check="y", outcome=Outcome.PASS, reason="")

    assert worst([warning, fine]) is Outcome.PASS
    assert worst([warning]) is Outcome.NO_DATA


# phases and versions


def test_every_phase_is_either_over_or_somebodys_business() -> None:
    """Terminal phases are not driven; a bake window and a hold are looked after by the watch."""
    terminal = {phase for phase in Phase if phase.terminal}
    driven = {phase for phase in Phase if phase.driven}

    assert terminal == {Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED}
    assert set(Phase) - terminal - driven == {Phase.BAKING, Phase.HELD}
    assert not terminal & driven


def test_the_champion_is_whoever_serves_at_rest() -> None:
    """The canary once promoted, the stable revision otherwise."""
    old, new = (Revision(name=name, model="digits", version=1, package=PACKAGE) for name in ("old", "new"))

    champions = {
        phase: RolloutStatus(
            model="digits",
            version=2,
            release_id="r",
            phase=phase,
            stable=old,
            canary=new,
            started_at=0,
            entered_at=0,
            heartbeat_at=0,
        ).champion
        for phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED)
    }

    assert champions == {Phase.SUCCEEDED: new, Phase.ROLLED_BACK: old, Phase.STOPPED: old}


def test_a_version_tells_its_state_and_its_name() -> None:
    """The state is the tag that Slipway wrote; the name is the revision's."""
    version = ModelVersion(model="digits", version=7, source="s", tags={"slipway.state": "promoted"})

    assert (version.name, version.state) == ("digits-v7", ReleaseState.PROMOTED)
    assert ModelVersion(model="digits", version=8, source="s").state is None


def test_a_state_that_slipway_never_writes_is_an_error() -> None:
    """Nothing unreadable becomes a default."""
    version = ModelVersion(model="digits", version=7, source="s", tags={"slipway.state": "great"})

    with pytest.raises(ValueError, match="great"):
        _ = version.state


def test_a_signature_without_inputs_has_no_columns() -> None:
    """Edge of the property that stages read."""
    assert Signature(inputs=(), outputs=()).columns == ()


# the status as a document

finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**12).flatmap(
    lambda n: st.builds(Counters, requests=st.just(n), errors=st.integers(0, n)),
)
logs = st.lists(finite, max_size=16).map(tuple)
evidences = st.builds(
    Evidence,
    worse=logs,
    fine=logs,
    negligible=logs,
    canary=counts,
    stable=counts,
    last=st.dictionaries(st.text(), counts, max_size=4),
)
moments = st.builds(
    Moment,
    at=finite,
    phase=st.sampled_from(Phase),
    weight_percent=st.integers(0, 100),
    reason=st.text(),
    evidence_against=finite,
    evidence_for=finite,
    canary=counts,
    stable=counts,
)
revisions = st.builds(
    Revision,
    name=st.text(),
    model=st.text(),
    version=st.integers(),
    package=st.just(PACKAGE),
    memory_limit_mebibytes=st.none() | st.integers(),
)
statuses = st.builds(
    RolloutStatus,
    model=st.text(),
    version=st.integers(),
    release_id=st.text(),
    phase=st.sampled_from(Phase),
    stable=st.none() | revisions,
    canary=st.none() | revisions,
    direct=st.booleans(),
    step=st.integers(0, 99),
    weight_percent=st.integers(0, 100),
    started_at=finite,
    entered_at=finite,
    heartbeat_at=finite,
    reason=st.text(),
    held_from=st.none() | st.sampled_from(Phase),
    yielded=st.booleans(),
    awaits_approval=st.booleans(),
    approved_by=st.none() | st.text(),
    evidence=evidences,
    timeline=st.lists(moments, max_size=4).map(tuple),
)


@given(status=statuses)
def test_a_status_survives_its_document(status: RolloutStatus) -> None:
    """Written as JSON and read again it is equal, to the last bit of every float."""
    assert DOCUMENT.validate_json(DOCUMENT.dump_json(status)) == status


def test_a_damaged_status_is_refused() -> None:
    """Counts that can't be are no evidence: the document names them instead of going on with them."""
    status = RolloutStatus(model="m", version=1, release_id="r", started_at=0, entered_at=0, heartbeat_at=0)
    document = DOCUMENT.dump_json(status).replace(b'"requests":0', b'"requests":-4', 1)

    with pytest.raises(ValidationError, match="requests=-4"):
        DOCUMENT.validate_json(document)
