"""Who served when, from releases' records."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.release.history import find_serving_periods, make_entry
from slipway.domain.release.record import HistoryEntry, ReleaseRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.status import Moment, Phase

Line = tuple[int, str, float | None, float | None]


def release(version: int, began: float, *phases: tuple[float, Phase], **more: Any) -> HistoryEntry:  # noqa: ANN401
    """Return the line of one release, with the moments of its timeline."""
    timeline = tuple(Moment(at=at, phase=phase, weight_percent=0, reason="") for at, phase in phases)
    fields: dict[str, Any] = {
        "release_id": f"digits-v{version}-a1",
        "model": "digits",
        "version": version,
        "digest": "",
        "state": ReleaseState.PROMOTED,
        "reason": "because",
        "replaced": None,
        "trigger": "webhook",
        "started_at": began,
        "ended_at": began + 50,
        "timeline": timeline,
    }
    return make_entry(ReleaseRecord(**fields | more), f"run-{version}")


def shown(lines: list[HistoryEntry]) -> list[Line]:
    """Return what matters of some lines."""
    return [(line.version, line.state.value, line.served_from, line.served_until) for line in lines]


def test_a_version_serves_from_its_promotion_to_the_next() -> None:
    """The first moment with all traffic counts, not the end of the bake window; the order of writing does not."""
    second = release(2, 100, (110, Phase.SHIFTING), (120, Phase.BAKING), (150, Phase.SUCCEEDED), replaced=1)
    first = release(1, 0, (10, Phase.BAKING), (50, Phase.SUCCEEDED))

    assert shown(find_serving_periods([second, first])) == [(1, "promoted", 10, 120), (2, "promoted", 120, None)]


@pytest.mark.parametrize("state", [ReleaseState.STOPPED, ReleaseState.ROLLED_BACK, ReleaseState.SUPERSEDED])
def test_a_version_that_never_had_all_traffic_never_served(state: ReleaseState) -> None:
    """It is a line of the history, and changes nothing about who serves."""
    first = release(1, 0, (10, Phase.BAKING))
    failed = release(2, 100, (110, Phase.SHIFTING), (120, Phase.ROLLED_BACK), state=state, replaced=1)

    assert shown(find_serving_periods([first, failed])) == [(1, "promoted", 10, None), (2, state.value, None, None)]


def test_a_promotion_without_a_timeline_counts_from_its_end() -> None:
    """All traffic at once leaves no moments behind."""
    assert shown(find_serving_periods([release(1, 0)])) == [(1, "promoted", 50, None)]


def test_a_rollback_is_the_promotion_of_the_version_that_comes_back() -> None:
    """A person took version 2 back: version 1 has two lines."""
    first = release(1, 0, (10, Phase.BAKING))
    second = release(2, 100, (120, Phase.BAKING), replaced=1)
    back = release(1, 200, (210, Phase.PROMOTING), (220, Phase.SUCCEEDED), trigger="rollback", replaced=2)

    lines = find_serving_periods([first, second, back])

    assert shown(lines) == [(1, "promoted", 10, 120), (2, "promoted", 120, 220), (1, "promoted", 220, None)]


def test_a_version_taken_back_in_its_bake_window_hands_over_to_the_one_before() -> None:
    """The one before gets a second line, under the release that was taken back."""
    first = release(1, 0, (10, Phase.BAKING))
    second = release(
        2,
        100,
        (120, Phase.BAKING),
        (140, Phase.ROLLING_BACK),
        (145, Phase.ROLLED_BACK),
        state=ReleaseState.ROLLED_BACK,
        replaced=1,
    )
    third = release(3, 200, (210, Phase.BAKING), replaced=1)

    lines = find_serving_periods([first, second, third])

    assert shown(lines) == [
        (1, "promoted", 10, 120),
        (2, "rolled-back", 120, 140),
        (1, "promoted", 140, 210),
        (3, "promoted", 210, None),
    ]
    assert lines[2].release_id == "digits-v2-a1"
    assert lines[2].reason == "version 1 serves again: version 2 was taken back"


def test_a_first_version_taken_back_leaves_nobody() -> None:
    """There was nothing before it."""
    first = release(1, 0, (10, Phase.BAKING), (20, Phase.ROLLED_BACK), state=ReleaseState.ROLLED_BACK)

    assert shown(find_serving_periods([first])) == [(1, "rolled-back", 10, 20)]


def test_a_release_under_way_is_shown() -> None:
    """It serves nobody wholly yet."""
    assert shown(find_serving_periods([release(1, 0, (5, Phase.SHIFTING), state=ReleaseState.RELEASING)])) == [
        (1, "releasing", None, None)
    ]


def test_no_release_no_history() -> None:
    """Nothing comes of nothing."""
    assert find_serving_periods([]) == []


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.floats(min_value=1, max_value=1e6, allow_nan=False)), max_size=12
    )
)
def test_one_version_serves_at_a_time(releases: list[tuple[bool, bool, float]]) -> None:
    """From the first promotion on the reigns follow one another without gap or overlap, if nothing was taken back."""
    lines, champion, now = [], None, 0.0
    for version, (promoted, taken_back, seconds) in enumerate(releases, start=1):
        phases = [(now + seconds / 4, Phase.BAKING)] if promoted else [(now + seconds / 4, Phase.SHIFTING)]
        gone = champion is not None and taken_back
        phases += [(now + seconds / 2, Phase.ROLLED_BACK)] if gone else []
        state = ReleaseState.PROMOTED if promoted and not gone else ReleaseState.ROLLED_BACK
        lines.append(release(version, now, *phases, state=state, replaced=champion))
        champion = version if promoted and not gone else champion
        now += seconds

    reigns = sorted(
        (line.served_from, line.served_until) for line in find_serving_periods(lines) if line.served_from is not None
    )

    assert all(left[1] == right[0] for left, right in pairwise(reigns))
    assert [until for _, until in reigns if until is None] == [None] * bool(reigns)
