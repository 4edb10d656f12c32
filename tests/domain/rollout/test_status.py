"""The status of a rollout: its phases, its champion, and its document."""

import builtins
import collections.abc
import types
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Cursor, Latencies, Reading, Source, Summary, Sums
from slipway.domain.rollout.revision import Package, Revision
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Evidence, Moment, Phase, RolloutStatus
from slipway.domain.verdict import Verdict

DOCUMENT = TypeAdapter(RolloutStatus)
PACKAGE = Package(model="digits", version=2, path=Path("p"), digest="sha256:0", tag="digits:v2", runtime="onnx")


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


finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**12).flatmap(
    lambda n: st.builds(Counters, requests=st.just(n), errors=st.integers(0, n)),
)
KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    float: finite,
    int: st.integers(-(10**12), 10**12),
    Counters: counts,
    Sums: st.builds(Sums, count=st.integers(0, 10**12), total=finite, squares=finite.map(abs)),
    Latencies: st.builds(
        Latencies, requests=st.integers(9, 99), edges_milliseconds=st.just((1.0, 2.5)), slower=st.just((9, 0))
    ),
    Summary: st.builds(
        Summary,
        classes=st.dictionaries(st.text(), st.integers(0, 99), max_size=2),
        inputs=st.dictionaries(st.text(), st.lists(st.integers(0, 99), max_size=3).map(tuple), max_size=2),
    ),
}


@cache
def drawn(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401, PLR0911 - a type, or an alias such as tuple[int, ...]
    """Return a strategy for a type that evidence is made of, down to its numbers: finite, as JSON wants them."""
    if kind in KNOWN:
        return KNOWN[kind]
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{part.name: drawn(hints[part.name]) for part in fields(kind)})
    inner = get_args(kind)
    match get_origin(kind):
        case types.UnionType:
            return st.one_of([drawn(one) for one in inner])
        case collections.abc.Mapping | builtins.dict:
            return st.dictionaries(drawn(inner[0]), drawn(inner[1]), max_size=2)
        case builtins.tuple if inner[1:] != (...,):
            return st.tuples(*map(drawn, inner))
        case builtins.tuple:
            return st.lists(drawn(inner[0]), max_size=3).map(tuple)
        case _:
            return st.from_type(kind)


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
    evidence=drawn(Evidence),
    verdicts=st.lists(drawn(Verdict), max_size=2).map(tuple),
    shadow=drawn(ShadowComparison),
    timeline=st.lists(moments, max_size=4).map(tuple),
)


@given(status=statuses)
def test_a_status_survives_its_document(status: RolloutStatus) -> None:
    """Written as JSON and read again it is equal, to the last bit of every float."""
    assert DOCUMENT.validate_json(DOCUMENT.dump_json(status)) == status


def test_a_damaged_status_is_refused() -> None:
    """Counts that can't be are no evidence: the document names them instead of going on with them."""
    reading = Reading(requests=Counters(requests=7, errors=0), summary=Summary(scores=Sums(count=5, squares=5.0)))
    evidence = Evidence(cursors={Source.REQUESTS: Cursor(last={"old": reading})})
    status = RolloutStatus(
        model="m", version=1, release_id="r", started_at=0, entered_at=0, heartbeat_at=0, evidence=evidence
    )
    document = DOCUMENT.dump_json(status)

    with pytest.raises(ValidationError, match="requests=-4"):
        DOCUMENT.validate_json(document.replace(b'"requests":7', b'"requests":-4'))
    with pytest.raises(ValidationError, match="count=-5"):
        DOCUMENT.validate_json(document.replace(b'"count":5', b'"count":-5'))
    assert DOCUMENT.validate_json(document) == status
