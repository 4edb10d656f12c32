"""What was decided is written down where people and the next release look."""

from collections.abc import Callable

from slipway import wiring
from slipway.domain.release.record import StageName, StageRecord
from slipway.domain.release.version import CHALLENGER, ReleaseState
from slipway.usecases.begin import NEWEST, begin_release, clear_previous
from slipway.usecases.leases import keep_lease
from slipway.usecases.record import record_release, report_path
from tests.usecases.conftest import Here


def stage(name: StageName, began: float) -> StageRecord:
    """Return a stage that took a second."""
    return StageRecord(name=name, started_at=began, ended_at=began + 1)


def test_a_record_grows_and_is_written_twice_without_harm(here: Here, register: Callable[[str], int]) -> None:
    """Stages are added to those of the record that is there; the version, the run and the page say the same."""
    here.spec("kept")
    register("kept")
    active = begin_release("kept", NEWEST, 0, "test")
    with keep_lease(active.lease, 30):
        clear_previous(active)
        begun = record_release(active, ReleaseState.RELEASING, "the gates run", (stage(StageName.FETCH, 1.0),))
        stages = (stage(StageName.VALIDATE_DATA, 2.0),)
        stopped, again = (record_release(active, ReleaseState.STOPPED, "a gate failed", stages) for _ in range(2))

    assert [one.name for one in begun.stages] == [StageName.FETCH]
    assert [one.name for one in stopped.stages] == [StageName.FETCH, StageName.VALIDATE_DATA]
    assert (again.stages, again.started_at) == (stopped.stages, stopped.started_at)
    assert wiring.get_ledger().read("kept-v1-a1") == again
    assert len(wiring.get_ledger().read_history("kept")) == 1
    assert "a gate failed" in report_path("kept", "kept-v1-a1").read_text()
    version = wiring.get_registry().get_version("kept", "1")
    assert version.state is ReleaseState.STOPPED
    assert CHALLENGER not in version.aliases
