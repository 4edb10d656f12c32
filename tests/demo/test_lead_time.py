"""Lead time: from a release's own record, without a clock."""

import pytest

from demo.lead_time import lead_time
from slipway.domain.release.record import ReleaseRecord, StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Moment, Phase

WAY = ((20, Phase.STARTING), (25, Phase.SHADOW), (27, Phase.SHADOW), (30, Phase.SHIFTING), (40, Phase.PROMOTING))


def record(*, ended_at: float, timeline: tuple[Moment, ...] = ()) -> ReleaseRecord:
    """Return a record whose gates took from second 10 to 20."""
    return ReleaseRecord(
        release_id="digits-v2-a1",
        model="digits",
        version=2,
        digest="",
        state=ReleaseState.PROMOTED,
        reason="",
        replaced=1,
        trigger="webhook",
        started_at=8.0,
        ended_at=ended_at,
        stages=(
            StageRecord(name="validate data", started_at=1.0, ended_at=4.0),  # from the cache
            StageRecord(name="fetch", started_at=10.0, ended_at=11.0),
            StageRecord(name="package", started_at=11.0, ended_at=20.0),
        ),
        timeline=timeline,
    )


def test_time_in_shadow_and_steps_is_waiting_for_evidence_and_the_rest_is_overhead() -> None:
    """Each moment of the timeline lasts until the next one."""
    timeline = tuple(Moment(at=float(at), phase=phase, weight_percent=0, reason="") for at, phase in WAY)

    lead = lead_time(record(ended_at=43.0, timeline=timeline), registered_at=5.0)

    assert lead.total == pytest.approx(38.0)
    assert lead.evidence == pytest.approx(15.0)
    assert lead.overhead == pytest.approx(23.0)
    assert lead.stages == pytest.approx(
        {
            "trigger": 3,
            "validate data": 0,
            "fetch": 1,
            "package": 9,
            "start revision": 5,
            "shadow": 5,
            "shifting": 10,
            "record": 3,
        }
    )


def test_a_release_that_a_gate_stopped_waited_for_nothing() -> None:
    """Without a rollout there is no timeline, and everything is overhead."""
    lead = lead_time(record(ended_at=21.0), registered_at=5.0)

    assert lead.evidence == 0
    assert lead.overhead == pytest.approx(16.0)
    assert lead.stages["record"] == pytest.approx(1.0)
