"""Cold replicas: what is left out after a rise, for how long, and what is found all the same."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.decisions.played.stage import play_many
from benchmarks.decisions.played.worlds import World
from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.readings import Summary
from slipway.domain.rollout.actions import Observation
from slipway.domain.rollout.analysis import update_warming
from slipway.domain.rollout.machine import advance, begin_traffic
from slipway.domain.rollout.revision import Health, RevisionState
from slipway.domain.rollout.scaling import Scale
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.rollout.warming import MOST_IN_A_ROW, NOTHING_WARMS, Warming, add_replicas, more_than_cold
from tests.domain.looks import GOOD, NEW, NOTHING, NOW, SHADOWED, TENTH, given, release_spec, seen, update_verdicts

STEPS = [{"weight_percent": 10, "duration_seconds": 600}, {"weight_percent": 50, "duration_seconds": 600}]
SPEC = release_spec(warm_up_seconds=30, shadow={"duration_seconds": 600}, steps=STEPS)
SPEC_OF_ALL = release_spec({"refused": {}}, warm_up_seconds=30, shadow=None, steps=STEPS)
WARM = {name: Summary(warm=True) for name in ("new", "old")}


def judged_at(status: RolloutStatus) -> RolloutStatus:
    """Return the rollout with what a look at live requests weighs."""
    when = seen(traffic=TENTH, live=GOOD)
    return update_verdicts(SPEC, update_warming(SPEC, status, when, NOW), when, NOW)


def looked(status: RolloutStatus, when: Observation, now: float) -> RolloutStatus:
    """Return the rollout after one look."""
    return advance(SPEC, status, when, now).status


def scaled(new: int, old: int, **more: Any) -> Observation:  # noqa: ANN401 - fields of the observation
    """Return what was seen of so many replicas."""
    states = {
        name: RevisionState(
            name=name, health=Health.READY, scale=Scale(ready=ready, floor=1, minimum=1, maximum=9, loads=())
        )
        for name, ready in (("new", new), ("old", old))
    }
    return replace(seen(traffic=TENTH, **more), revisions=states)


@pytest.mark.parametrize(("seconds", "weighed"), [(10, False), (29.9, False), (30, True), (300, True)])
def test_looks_soon_after_a_rise_do_not_weigh(seconds: float, *, weighed: bool) -> None:
    """They are remembered: the next look begins behind them."""
    after = judged_at(given(Phase.SHIFTING, seconds))

    assert after.evidence.canary == (GOOD["new"] if weighed else ZERO)
    assert after.evidence.cursors["requests"].last["new"].requests == GOOD["new"]


def test_zero_seconds_turn_it_off() -> None:
    """Everything is weighed from the first look on."""
    status = given(Phase.SHIFTING, 1)

    after = advance(release_spec(warm_up_seconds=0), status, seen(traffic=TENTH, live=GOOD), NOW).status

    assert after.evidence.canary == GOOD["new"]


def test_half_of_a_short_step_is_weighed_at_least() -> None:
    """A demo's steps last some seconds."""
    short = release_spec(warm_up_seconds=30, steps=[{"weight_percent": 10, "duration_seconds": 8}])
    cold = [
        update_warming(short, given(Phase.SHIFTING, seconds), seen(traffic=TENTH, live=GOOD), NOW).warming.cold
        for seconds in (1, 3.9, 4, 7)
    ]

    assert cold == [True, True, False, False]


def test_copies_do_not_weigh_while_replicas_are_cold() -> None:
    """Nor later: the next look begins behind them."""
    cold = ShadowComparison(compared=100, canary_failed=9)
    warm = ShadowComparison(compared=160, canary_failed=9)

    early = looked(given(Phase.SHADOW, 10), seen(traffic=SHADOWED, shadow=cold), NOW)
    late = looked(early, seen(traffic=SHADOWED, shadow=warm), NOW + 25)

    assert early.evidence.rate(Check.COPIES).canary == ZERO
    assert late.evidence.rate(Check.COPIES).canary == Counters(requests=60, errors=0)


def test_services_that_say_they_are_warm_end_it() -> None:
    """At the look after the first one at which both say so: what came before that was not all warm."""
    first = looked(given(Phase.SHIFTING, 1), seen(traffic=TENTH, live=NOTHING, summaries=WARM), NOW)
    second = looked(first, seen(traffic=TENTH, live=GOOD, summaries=WARM), NOW + 5)

    assert (first.warming.cold, second.warming.cold) == (True, False)
    assert second.evidence.canary == GOOD["new"]


@pytest.mark.parametrize("summaries", [None, {}, {"new": Summary(warm=True)}, WARM | {"old": Summary(warm=False)}])
def test_one_that_is_not_warm_or_does_not_say_so_keeps_it(summaries: dict[str, Summary] | None) -> None:
    """The window then lasts as long as the spec says."""
    first = looked(given(Phase.SHIFTING, 1), seen(traffic=TENTH, live=NOTHING, summaries=summaries), NOW)
    second = looked(first, seen(traffic=TENTH, live=GOOD, summaries=summaries), NOW + 5)

    assert (second.warming.cold, second.evidence.canary) == (True, ZERO)


@pytest.mark.parametrize(("new", "old"), [(3, 2), (2, 3)])
def test_a_replica_that_comes_is_cold_whichever_arm_has_it(new: int, old: int) -> None:
    """A new one of stable would make the canary look well."""
    before = looked(given(Phase.SHIFTING, 300), scaled(2, 2, live=NOTHING), NOW)
    came = looked(before, scaled(new, old, live=GOOD), NOW + 10)
    later = looked(came, scaled(new, old, live=GOOD), NOW + 40)

    assert [one.warming.cold for one in (before, came, later)] == [False, True, False]
    assert (came.evidence.canary, later.evidence.canary) == (ZERO, ZERO)


def test_a_replica_that_goes_makes_none_cold() -> None:
    """The others are as warm as before."""
    before = looked(given(Phase.SHIFTING, 300), scaled(2, 2, live=NOTHING), NOW)
    gone = looked(before, scaled(1, 2, live=GOOD), NOW + 10)

    assert (gone.warming.cold, gone.evidence.canary) == (False, GOOD["new"])


def test_an_autoscaler_that_never_rests_does_not_blind_the_judge() -> None:
    """A replica every 10 s: of five windows at least one is weighed."""
    warming, cold = add_replicas(NOTHING_WARMS, {"new": 1}, 0.0, 30.0), []
    for look in range(1, 91):
        warming = add_replicas(warming, {"new": 1 + look}, 10.0 * look, 30.0)
        cold.append(10.0 * look < warming.until)

    assert cold.count(False) >= len(cold) // (MOST_IN_A_ROW + 1)
    assert cold.count(True) >= len(cold) // 2


def test_replicas_that_come_far_apart_have_a_window_each() -> None:
    """The second one's is whole."""
    first = add_replicas(Warming(replicas={"new": 1}), {"new": 2}, 100.0, 30.0)
    second = add_replicas(first, {"new": 3}, 170.0, 30.0)

    assert (first.until, second.until) == (130.0, 200.0)


def test_a_canary_that_answers_nothing_right_is_found_while_cold() -> None:
    """No window for it: twelve requests, all refused, while stable is well."""
    live = {"new": Counters(requests=12, errors=0, refused=12), "old": Counters(requests=108, errors=0)}

    before = given(Phase.SHIFTING, warming=Warming(counted=NOTHING))

    found = advance(SPEC, before, seen(traffic=TENTH, live=live), NOW)

    assert found.status.phase is Phase.ROLLING_BACK
    assert found.reason.startswith("canary failed, refused or shed 12 of its first 12 requests")


def test_refusals_weigh_while_cold() -> None:
    """No cold replica refuses what a warm one takes: a third of the requests, on a canary that is well otherwise."""
    live = {"new": Counters(requests=30, errors=9, refused=10), "old": Counters(requests=270, errors=0)}

    found = advance(SPEC_OF_ALL, given(Phase.SHIFTING), seen(traffic=TENTH, live=live), NOW)

    assert found.status.warming.cold
    assert found.status.phase is Phase.ROLLING_BACK
    assert found.reason.startswith("canary refuses ")
    assert found.status.evidence.canary == ZERO, "its errors do not weigh yet"


def test_a_canary_that_answers_no_copy_right_is_found_while_cold() -> None:
    """Nobody waits for the window's end to know that."""
    bad, half = (ShadowComparison(compared=100, canary_failed=failed) for failed in (100, 50))

    found, patient = (
        advance(SPEC, given(Phase.SHADOW), seen(traffic=SHADOWED, shadow=one), NOW) for one in (bad, half)
    )

    assert (found.status.phase, patient.status.phase) == (Phase.ROLLING_BACK, Phase.SHADOW)
    assert found.reason.startswith("canary failed, refused or shed 100 of its first 100 requests")


@pytest.mark.parametrize(
    ("canary", "stable"),
    [
        (Counters(requests=1000, errors=400), Counters(requests=1000, errors=0)),
        (Counters(requests=5, errors=5), Counters(requests=1000, errors=0)),
        (Counters(requests=1000, errors=999), Counters(requests=1000, errors=300)),
        (Counters(requests=0, errors=0), Counters(requests=0, errors=0)),
    ],
)
def test_what_a_cold_replica_may_do_is_not_held_against_it(canary: Counters, stable: Counters) -> None:
    """Up to half of its answers; few requests; or stable fails as well."""
    now = {"new": canary, "old": stable}

    assert not more_than_cold(Warming(counted=NOTHING), ("new", "old"), now, 0.01)


def test_without_counters_nothing_is_said() -> None:
    """Of one that began anew neither."""
    before = {"new": Counters(requests=50, errors=0), "old": Counters(requests=50, errors=0)}

    assert not more_than_cold(NOTHING_WARMS, ("new", "old"), GOOD, 0.01)
    assert not more_than_cold(Warming(counted=before), ("new", "old"), NOTHING, 0.01)


def test_cold_replicas_take_no_canary_back() -> None:
    """Three times as slow and 5 % errors for 20 s after each rise: all are taken back without the window."""
    cold = World(
        cold_seconds=20,
        cold_slower=3,
        cold_errors=0.05,
        requests_per_second=20,
        history_minutes=10,
        longest_seconds=400,
        rollout={"shadow": None},
    )
    at_once = replace(cold, rollout={"shadow": None, "warm_up_seconds": 0})

    assert not any(one.found_in for one in play_many(cold, 8))
    assert all(one.found_in for one in play_many(at_once, 3))


def test_a_broken_canary_is_found_within_two_looks_of_its_first_requests() -> None:
    """At 1 % of 50 requests/s: some ten of them."""
    broken = World(ratio=200, history_minutes=0, rollout={"shadow": None})

    assert all(one.seconds <= 41 and one.found_in is Phase.SHIFTING for one in play_many(broken, 10))


def test_a_new_rollout_knows_of_no_replicas() -> None:
    """What an earlier one saw is of other revisions."""
    pending = replace(given(Phase.PENDING), warming=Warming(replicas={"new": 9}, until=1e9, cold=True))

    assert begin_traffic(pending, NEW, pending.stable, NOW).warming == NOTHING_WARMS
