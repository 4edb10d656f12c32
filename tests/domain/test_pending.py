"""Which versions wait for a release, from what the registry says."""

import pytest

from slipway.domain.model import CHAMPION, ModelVersion, ReleaseState
from slipway.domain.pending import interrupted, may_need_a_run, waiting, waits
from slipway.domain.status import Phase, RolloutStatus
from tests.domain.looks import given


def version(number: int, state: ReleaseState | None = None, *aliases: str) -> ModelVersion:
    """Return a version as the registry has it."""
    tags = {} if state is None else {"slipway.state": state.value}
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


def test_the_newest_version_that_nobody_began_waits() -> None:
    """Older ones stay skipped; the champion's own and what is older never waits."""
    champion = version(2, None, CHAMPION)

    assert waiting([version(1), champion, version(3), version(4)]) == version(4)
    assert waiting([version(1), champion]) is None
    assert waiting([champion, version(3, ReleaseState.STOPPED)]) is None
    assert waiting([]) is None


def test_a_release_that_began_and_did_not_end_was_interrupted() -> None:
    """The newest of them."""
    begun = version(3, ReleaseState.RELEASING)

    assert interrupted([version(2, ReleaseState.RELEASING), begun, version(4)]) == begun
    assert interrupted([version(2, ReleaseState.PROMOTED)]) is None


@pytest.mark.parametrize("state", ENDED)
def test_a_model_at_rest_needs_no_run(state: ReleaseState) -> None:
    """However it ended."""
    assert not may_need_a_run(version(3, state), None)
    assert not may_need_a_run(version(3, state), given(Phase.SUCCEEDED))


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
    """Whatever `waiting` or `interrupted` finds, or an orphan at the target."""
    assert may_need_a_run(newest, status)


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.HELD])
def test_what_waits_on_purpose_is_left_to_the_watch(phase: Phase) -> None:
    """Nobody drives a bake window, or a rollout that waits for a person."""
    assert not may_need_a_run(version(3, ReleaseState.PROMOTED, CHAMPION), given(phase))


@pytest.mark.parametrize("phase", Phase)
def test_only_what_is_held_waits_on_purpose(phase: Phase) -> None:
    """A run that died right after promotion wrote no record: the next one does, though the version bakes."""
    assert waits(given(phase), 2) is (phase is Phase.HELD)
    assert not waits(given(phase), 3)
    assert not waits(None, 2)
