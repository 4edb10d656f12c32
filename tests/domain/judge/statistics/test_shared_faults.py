"""Faults that both arms share: told from the canary's own, from drift, and from chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.judge.counters import Counters
from slipway.domain.judge.statistics.shared_faults import (
    USUAL_REQUESTS,
    SharedFault,
    both_fail,
    describe_fault,
    follow_rate,
    update_fault,
)


def counted(requests: int, errors: int) -> Counters:
    """Return counters."""
    return Counters(requests=requests, errors=errors)


USUAL = SharedFault(usual=0.004, requests=9000)


def looks(fault: SharedFault, *pairs: tuple[int, int, int, int]) -> list[bool]:
    """Return whether a fault is on after each look at (canary requests, errors, stable requests, errors)."""
    on = []
    for n_c, x, n_s, y in pairs:
        fault = update_fault(fault, counted(n_c, x), counted(n_s, y))
        on.append(fault.now)
    return on


def test_an_outage_of_both_is_seen_within_one_look_and_ends_with_it() -> None:
    """A dependency is down for three looks."""
    good, bad = (100, 0, 900, 4), (100, 35, 900, 300)

    assert looks(USUAL, good, bad, bad, bad, good, good) == [False, True, True, True, False, False]


def test_the_look_that_says_so_is_told() -> None:
    """With both shares, and what is usual: that is not moved by the fault."""
    fault = update_fault(USUAL, counted(100, 31), counted(900, 306))

    assert (fault.usual, fault.requests) == (USUAL.usual, USUAL.requests)
    assert describe_fault(fault) == (
        "both versions fail together (stable on 34 %, canary on 31 %, usual 0.4 %): "
        "a dependency is down, not the canary"
    )


def test_stable_alone_beside_a_canary_without_requests_is_told_so() -> None:
    """Nothing is said of a canary that was not asked."""
    fault = update_fault(USUAL, counted(0, 0), counted(900, 306))

    assert fault.now
    assert describe_fault(fault) == (
        "stable fails on 34 % (usual 0.4 %) while the canary gets no request: nothing can be compared"
    )


@pytest.mark.parametrize("errors", [1, 50, 500, 1000])
def test_what_the_canary_does_alone_is_never_shared(errors: int) -> None:
    """However badly it fails: stable does what it always does."""
    assert looks(USUAL, *[(1000, errors, 1000, 4)] * 20) == [False] * 20


def test_what_stable_does_alone_is_not_shared_either() -> None:
    """A canary that answers where stable fails is not down with it."""
    assert looks(USUAL, *[(1000, 4, 1000, 400)] * 5) == [False] * 5


def test_slow_drift_is_followed() -> None:
    """Ten times the usual rate within a day, in both arms, is how the day goes."""
    rates = np.geomspace(0.004, 0.04, 600)

    assert not any(looks(USUAL, *[(400, round(400 * rate), 3600, round(3600 * rate)) for rate in rates]))


def test_noise_is_no_fault() -> None:
    """A thousand looks at equal arms with the usual rate, up to two errors in a hundred."""
    random = np.random.default_rng(3)
    for rate in (0.0, 0.001, 0.02):
        drawn = random.binomial([100, 900], rate, (1000, 2))
        assert not any(looks(USUAL, *[(100, int(x), 900, int(y)) for x, y in drawn]))


@given(requests=st.integers(1, USUAL_REQUESTS - 1), errors=st.integers(0, 900))
def test_with_few_requests_nothing_is_usual_yet(requests: int, errors: int) -> None:
    """A stable revision that was hardly seen has no habits to compare with."""
    hardly = SharedFault(usual=0.0, requests=requests)

    assert looks(hardly, (100, 100, 900, errors)) == [False]


def test_a_handful_of_errors_is_no_outage() -> None:
    """Four errors, where there never was one, may be anything."""
    assert looks(USUAL, (5, 4, 10, 4)) == [False]
    assert looks(USUAL, (10, 9, 20, 15)) == [True]


def test_a_look_without_requests_of_stable_changes_nothing() -> None:
    """Whether a fault is on or not."""
    on = update_fault(USUAL, counted(100, 40), counted(900, 400))

    assert update_fault(USUAL, counted(50, 50), counted(0, 0)) == USUAL
    assert update_fault(on, counted(50, 0), counted(0, 0)) == on


def test_what_is_usual_is_the_mean_at_first_and_moves_slowly_later() -> None:
    """The first hundreds of requests count alike; then a look moves it by a fiftieth."""
    first = update_fault(update_fault(SharedFault(), counted(0, 0), counted(100, 2)), counted(0, 0), counted(100, 4))
    later = update_fault(SharedFault(usual=0.01, requests=10**6), counted(0, 0), counted(1000, 20))

    assert (first.usual, first.requests) == (pytest.approx(0.03), 200)
    assert later.usual == pytest.approx(0.01 + 0.02 * 0.01)


def test_many_rollouts_at_once_are_what_each_is_alone() -> None:
    """As the benchmark asks: arrays, one row per rollout."""
    random = np.random.default_rng(4)
    usual, requests, now = random.uniform(0, 0.05, 300), random.integers(0, 5000, 300), random.random(300) < 0.5
    rows = np.stack([random.binomial(200, rate) for rate in (random.random(300) ** 3, random.random(300) ** 3)], axis=1)
    look = np.stack([np.full(300, 200), rows[:, 0], np.full(300, 200), rows[:, 1]], axis=1).astype(float)

    found, moved = both_fail(usual, requests.astype(float), now, look), follow_rate(usual, requests.astype(float), look)

    assert 0 < found.sum() < 300
    for row in range(300):
        before = SharedFault(usual=usual[row], requests=int(requests[row]), now=bool(now[row]))
        after = update_fault(before, counted(200, int(rows[row, 0])), counted(200, int(rows[row, 1])))
        assert after.now == found[row]
        assert after.usual == pytest.approx(before.usual if after.now else moved[row])
