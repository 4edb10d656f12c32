"""Replicas while traffic moves: the autoscaler's alone, raised before they are needed, and never fought over."""

from itertools import pairwise

from tests.end_to_end.cluster.scaling import CANARY, SETTLED_SECONDS, STABLE, Scaled

WORST_RATIO = 4.0
"""Looser than the 2.0 that is wanted, as test machines are shared; the figure says what it was."""
BEARABLE_PERCENT = 90
"""What one replica may get: at most 62 % by the arithmetic, and its measure of the load lags."""


def test_both_sides_grow_when_the_load_doubles(scaled: Scaled) -> None:
    """Stable and canary each get a second replica, and nothing moves the weights meanwhile."""
    halved = [one for one in scaled.watch.samples if scaled.halved_at <= one.at < scaled.undone_at - 1]

    assert max(one.ready(STABLE) for one in halved) >= 2
    assert max(one.ready(CANARY) for one in halved) >= 2
    assert {tuple(one.traffic.weights.items()) for one in halved} == {((STABLE, 50), (CANARY, 50))}


def test_replicas_are_the_autoscalers_alone(scaled: Scaled) -> None:
    """No field of ours is `spec.replicas`."""
    assert scaled.fields.keys() == {STABLE, CANARY}
    assert all("f:template" in fields and "f:replicas" not in fields for fields in scaled.fields.values())


def test_nothing_flaps_when_the_load_drops(scaled: Scaled) -> None:
    """Each side only shrinks then."""
    after = [one for one in scaled.watch.samples if scaled.dropped_at + 1 <= one.at < scaled.undone_at]

    for side in (STABLE, CANARY):
        counts = [one.ready(side) for one in after]
        assert all(later <= earlier for earlier, later in pairwise(counts)), (side, counts)
        assert counts[-1] == 1


def test_on_the_way_back_replicas_come_before_requests(scaled: Scaled) -> None:
    """The stable side, scaled down to one replica, is raised first; its share grows as far as it is ready."""
    back = [one for one in scaled.watch.samples if one.at >= scaled.undone_at]
    loaded = [one for one in back if one.at < scaled.over_at + SETTLED_SECONDS]  # after that nobody asks any more
    crowded = [one for one in loaded if one.traffic.weights.get(STABLE, 0) > BEARABLE_PERCENT and one.ready(STABLE) < 2]

    assert scaled.end["phase"] == "rolled-back", scaled.end
    assert scaled.end["said"] == "a person wants it back"
    assert max(one.scales[STABLE].floor for one in back) >= 2
    assert crowded == []
    assert back[-1].scales[STABLE].floor == 1


def test_the_way_back_is_hardly_felt(scaled: Scaled, figures: dict[str, object]) -> None:
    """Answers take about as long as before, and none is lost by all of this."""
    before, during, after = scaled.p99_milliseconds()
    figures |= {
        "p99_before_milliseconds": before,
        "p99_during_milliseconds": during,
        "p99_after_milliseconds": after,
        "rollback_p99_ratio": during / before,
        "rollback_seconds": scaled.over_at - scaled.undone_at,
    }

    assert during / before < WORST_RATIO
    assert scaled.load.lost == []
