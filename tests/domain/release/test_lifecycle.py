"""What is decided between releases, from what the registry and the target show."""

from dataclasses import replace

import pytest
from hypothesis import given as sampled
from hypothesis import strategies as st

from slipway.domain.release.lifecycle import (
    WATCHED,
    Cleanup,
    Entry,
    Rollback,
    decide_cleanup,
    decide_entry,
    decide_rollback,
    find_due_release,
    find_moved_aliases,
    find_release_state,
    find_version_to_restore,
    may_need_run,
    new_status,
    share_watch_time,
)
from slipway.domain.release.record import HistoryEntry
from slipway.domain.release.version import CHALLENGER, CHAMPION, ModelVersion, ReleaseState, VersionTag
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import Busy
from tests.domain.looks import NEW, OLD, given


def version(number: int, state: ReleaseState | None = None, *aliases: str) -> ModelVersion:
    """Return a version as the registry has it."""
    tags: dict[str, str] = {} if state is None else {VersionTag.STATE: state.value}
    return ModelVersion(
        model="m",
        version=number,
        source="models:/m",
        run_id=None,
        aliases=aliases,
        tags=tags,
        created_at=0.0,
        identity="0",
    )


ENDED = [state for state in ReleaseState if state is not ReleaseState.RELEASING]
ALONE = replace(given(Phase.BAKING), stable=None)
PENDING = replace(given(Phase.PENDING), canary=None)
NOTHING_SERVED = replace(given(Phase.STOPPED), canary=None, stable=None)


def due(versions: list[ModelVersion], status: RolloutStatus | None = None) -> tuple[int, bool] | None:
    """Return number and interruption of the version that is due."""
    found = find_due_release(versions, status)
    return (found.version.version, found.interrupted) if found else None


def test_the_newest_version_that_nobody_began_waits() -> None:
    """Older ones stay skipped; the champion's own and what is older never waits."""
    champion = version(2, None, CHAMPION)

    assert due([version(1), champion, version(3), version(4)]) == (4, False)
    assert due([version(1), champion]) is None
    assert due([champion, version(3, ReleaseState.STOPPED)]) is None
    assert due([]) is None


def test_a_release_that_began_and_did_not_end_was_interrupted() -> None:
    """The newest of them."""
    begun = version(3, ReleaseState.RELEASING)

    assert due([version(2, ReleaseState.RELEASING), begun, version(4)]) == (3, True)
    assert due([version(2, ReleaseState.PROMOTED, CHAMPION)]) is None


@pytest.mark.parametrize("state", ENDED)
def test_a_model_at_rest_needs_no_run(state: ReleaseState) -> None:
    """However it ended."""
    assert not may_need_run(version(3, state), None)
    assert not may_need_run(version(3, state), given(Phase.SUCCEEDED))


@pytest.mark.parametrize(
    ("newest", "status"),
    [
        (version(3), None),
        (version(3, ReleaseState.RELEASING), None),
        (version(3, ReleaseState.PROMOTED), given(Phase.ROLLING_BACK)),
        (version(3, ReleaseState.STOPPED), given(Phase.SHIFTING)),
    ],
)
def test_what_is_left_under_way_or_was_not_begun_may_need_one(
    newest: ModelVersion, status: RolloutStatus | None
) -> None:
    """Whatever `find_due_release` finds, or an orphan at the target."""
    assert may_need_run(newest, status)


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.HELD])
def test_what_waits_on_purpose_is_left_to_the_watch(phase: Phase) -> None:
    """Nobody drives a bake window, or a rollout that waits for a person."""
    assert not may_need_run(version(3, ReleaseState.PROMOTED, CHAMPION), given(phase))


@pytest.mark.parametrize("phase", Phase)
def test_only_what_is_held_waits_on_purpose(phase: Phase) -> None:
    """A run that died right after promotion wrote no record: the next one does, though the version bakes."""
    begun = [version(2, ReleaseState.RELEASING)]

    assert due(begun, given(phase)) == (None if phase is Phase.HELD else (2, True))
    assert due([version(3, ReleaseState.RELEASING)], given(phase)) == (3, True)
    assert due(begun, None) == (2, True)


@pytest.mark.parametrize(
    ("wanted", "status", "lease_taken", "while_busy", "expected"),
    [
        (3, None, False, Busy.SUPERSEDE, Entry.BEGIN),
        (3, None, True, Busy.SUPERSEDE, Entry.SUPERSEDE),
        (3, None, True, Busy.QUEUE, Entry.WAIT),
        (3, given(Phase.SHIFTING), True, Busy.SUPERSEDE, Entry.SUPERSEDE),
        (3, given(Phase.SHIFTING), True, Busy.QUEUE, Entry.WAIT),
        (1, given(Phase.SHIFTING), True, Busy.SUPERSEDE, Entry.REFUSE),
        (1, given(Phase.HELD), True, Busy.QUEUE, Entry.REFUSE),
        (1, given(Phase.SUCCEEDED), True, Busy.QUEUE, Entry.WAIT),
        (1, ALONE, True, Busy.SUPERSEDE, Entry.SUPERSEDE),
        (3, given(Phase.HELD), False, Busy.QUEUE, Entry.WAIT),
        (3, given(Phase.HELD), False, Busy.SUPERSEDE, Entry.BEGIN),
        (3, given(Phase.SHIFTING), False, Busy.QUEUE, Entry.BEGIN),
    ],
)
def test_who_begins_waits_or_is_refused(
    wanted: int, status: RolloutStatus | None, *, lease_taken: bool, while_busy: Busy, expected: Entry
) -> None:
    """Version 2 is under way. A newer one supersedes it or waits, as the spec says; an older one is refused."""
    assert decide_entry(wanted, "m-v3-a1", status, lease_taken=lease_taken, while_busy=while_busy) is expected


def test_a_release_that_is_held_continues_before_its_own_queue() -> None:
    """The one that a person answered has the same name: it does not wait for itself."""
    held = given(Phase.HELD)

    assert decide_entry(2, held.release_id, held, lease_taken=False, while_busy=Busy.QUEUE) is Entry.BEGIN


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Cleanup.NOTHING),
        (given(Phase.SUCCEEDED), Cleanup.NOTHING),
        (given(Phase.ROLLED_BACK), Cleanup.NOTHING),
        (NOTHING_SERVED, Cleanup.NOTHING),
        (PENDING, Cleanup.TAKE_BACK),
        (given(Phase.SHIFTING), Cleanup.TAKE_BACK),
        (given(Phase.HELD), Cleanup.TAKE_BACK),
        (given(Phase.ROLLING_BACK), Cleanup.TAKE_BACK),
        (given(Phase.BAKING), Cleanup.END_BAKE),
        (ALONE, Cleanup.END_BAKE),
    ],
)
def test_the_rollout_before_comes_to_rest_first(status: RolloutStatus | None, expected: Cleanup) -> None:
    """What was promoted keeps its traffic; what was under way is taken back."""
    assert decide_cleanup("m-v3-a1", "m-v3", status) is expected


@pytest.mark.parametrize("phase", Phase)
def test_a_release_resumes_its_own_rollout_wherever_it_is(phase: Phase) -> None:
    """The name of the release tells, not the version: another attempt is another release."""
    status = given(phase)

    assert decide_cleanup(status.release_id, NEW.name, status) is Cleanup.RESUME
    assert decide_cleanup("m-v2-a9", NEW.name, status) is (
        Cleanup.REFUSE if status.champion == NEW else decide_cleanup("m-v3-a1", "m-v3", status)
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Rollback.REFUSE),
        (NOTHING_SERVED, Rollback.REFUSE),
        (given(Phase.STOPPED), Rollback.RESTORE),
        (given(Phase.SUCCEEDED), Rollback.RESTORE),
        (ALONE, Rollback.RESTORE),
        (PENDING, Rollback.TAKE_BACK),
        (given(Phase.SHADOW), Rollback.TAKE_BACK),
        (given(Phase.HELD), Rollback.TAKE_BACK),
        (given(Phase.BAKING), Rollback.TAKE_BACK),
    ],
)
def test_a_rollback_takes_back_what_is_under_way_else_restores(
    status: RolloutStatus | None, expected: Rollback
) -> None:
    """Without anything in production there is nothing to roll back."""
    assert decide_rollback(status) is expected


def line(number: int, served_from: float | None) -> HistoryEntry:
    """Return a line of the history."""
    return HistoryEntry(
        model="m",
        version=number,
        release_id=f"m-v{number}-a1",
        state=ReleaseState.PROMOTED,
        reason="",
        started_at=0.0,
        ended_at=0.0,
        replaced=None,
        run_id="",
        served_from=served_from,
    )


def test_what_served_last_before_is_restored() -> None:
    """By when it got all traffic, not by its number; versions that never served don't count."""
    history = [line(1, 30.0), line(2, 10.0), line(3, None), line(4, 40.0)]

    restored = find_version_to_restore(history, serving=4)

    assert restored == history[0]
    assert find_version_to_restore([line(4, 40.0)], serving=4) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (given(Phase.SUCCEEDED), ReleaseState.PROMOTED),
        (given(Phase.BAKING), ReleaseState.PROMOTED),
        (given(Phase.ROLLED_BACK), ReleaseState.ROLLED_BACK),
        (replace(given(Phase.ROLLED_BACK), yielded=True), ReleaseState.SUPERSEDED),
        (given(Phase.STOPPED), ReleaseState.STOPPED),
        (given(Phase.HELD), ReleaseState.RELEASING),
        (given(Phase.SHIFTING), ReleaseState.RELEASING),
    ],
)
def test_a_phase_means_one_state_of_the_version(status: RolloutStatus, expected: ReleaseState) -> None:
    """Held and driven phases are not at their end."""
    assert find_release_state(status) is expected


@pytest.mark.parametrize(
    ("state", "replaced", "aliases", "expected"),
    [
        (ReleaseState.PROMOTED, 1, [CHALLENGER], {CHAMPION: 2, CHALLENGER: None}),
        (ReleaseState.PROMOTED, None, [], {CHAMPION: 2, CHALLENGER: None}),
        (ReleaseState.RELEASING, 1, [CHALLENGER], {}),
        (ReleaseState.ROLLED_BACK, 1, [CHALLENGER], {CHALLENGER: None}),
        (ReleaseState.ROLLED_BACK, 1, [CHAMPION], {CHAMPION: 1, CHALLENGER: None}),
        (ReleaseState.ROLLED_BACK, None, [CHAMPION], {CHALLENGER: None}),
        (ReleaseState.STOPPED, None, [], {CHALLENGER: None}),
    ],
)
def test_aliases_follow_what_serves(
    state: ReleaseState, replaced: int | None, aliases: list[str], expected: dict[str, int | None]
) -> None:
    """A version that was taken back after its promotion gives `champion` back to the one before it."""
    assert find_moved_aliases(state, 2, replaced, aliases) == expected


def test_the_watch_begins_with_what_may_be_taken_back() -> None:
    """First versions that serve alone share the time where they are more than fit side by side."""
    rollouts = {f"alone-{number}": ALONE for number in range(8)}
    rollouts |= {"bakes": given(Phase.BAKING), "held": given(Phase.HELD), "over": given(Phase.SUCCEEDED)}

    times = share_watch_time(rollouts, 50, at_once=4)

    assert list(times)[:2] == ["bakes", "held"]
    assert times["bakes"] == times["held"] == 50
    assert {times[f"alone-{number}"] for number in range(8)} == {25}
    assert "over" not in times


statuses = st.builds(
    lambda phase, stable, yielded, number: replace(
        given(phase), stable=stable, yielded=yielded, version=number, release_id=f"m-v{number}-a1"
    ),
    st.sampled_from(Phase),
    st.sampled_from([OLD, None]),
    st.booleans(),
    st.integers(1, 5),
)


@sampled(
    status=statuses | st.none(), wanted=st.integers(1, 5), lease_taken=st.booleans(), while_busy=st.sampled_from(Busy)
)
def test_every_release_ends_its_wait_and_no_older_one_takes_a_newer_ones_place(
    *, status: RolloutStatus | None, wanted: int, lease_taken: bool, while_busy: Busy
) -> None:
    """With a free lease a release begins at once, unless it queues behind one that is held.

    While the lease is taken it never begins; a newer version under way is never asked to make room for an older one.
    """
    entry = decide_entry(wanted, f"m-v{wanted}-a1", status, lease_taken=lease_taken, while_busy=while_busy)

    if not lease_taken:
        queues = status is not None and status.phase is Phase.HELD and while_busy is Busy.QUEUE
        assert entry is (Entry.WAIT if queues and status.version != wanted else Entry.BEGIN)
    else:
        assert entry is not Entry.BEGIN
    if status is not None and not status.phase.terminal and not status.alone and status.version > wanted:
        assert entry is not Entry.SUPERSEDE


@sampled(statuses | st.none(), st.integers(6, 9))
def test_between_releases_what_serves_goes_on_serving(status: RolloutStatus | None, wanted: int) -> None:
    """A new release begins beside the champion of the rollout before; a rollback never drops the only version.

    Every rollout is driven by a release, watched, or at its end: none is left to nobody.
    """
    cleanup = decide_cleanup(f"m-v{wanted}-a1", f"m-v{wanted}", status)
    if cleanup is Cleanup.NOTHING:
        begun = new_status(version(wanted), f"m-v{wanted}-a1", 1.0, status)
        assert begun.stable == (status.champion if status else None)
    else:
        assert cleanup in {Cleanup.END_BAKE, Cleanup.TAKE_BACK}
        assert status is not None
        assert not status.phase.terminal
    if status is not None:
        assert status.phase.driven + (status.phase in WATCHED) + status.phase.terminal == 1
        if decide_rollback(status) is Rollback.TAKE_BACK:
            assert not status.alone
