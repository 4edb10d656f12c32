"""The autoscaler's arithmetic, and what a share of the requests needs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.rollout.scaling import (
    Arm,
    Load,
    Scale,
    bearable_percent,
    desired_replicas,
    needed_replicas,
    stabilize_replicas,
)

counts = st.integers(1, 200)
averages = st.floats(0, 1000)
targets = st.floats(0.5, 200)


def load(average: float, target: float = 4.0, signal: str = "requests in flight") -> Load:
    """Return one signal's load."""
    return Load(signal=signal, average=average, target=target)


def scale(ready: int, *loads: Load, minimum: int = 1, maximum: int = 1000) -> Scale:
    """Return replicas under a load."""
    return Scale(ready=ready, floor=minimum, minimum=minimum, maximum=maximum, loads=loads)


@pytest.mark.parametrize(
    ("current", "average", "target", "wanted"),
    [
        # the worked examples of Kubernetes' documentation: 200m over 100m doubles, 50m under 100m halves
        (3, 200, 100, 6),
        (4, 50, 100, 2),
        (5, 50, 100, 3),
        # within a tenth nothing happens, at a little more it does
        (10, 110, 100, 10),
        (10, 111, 100, 12),
        (10, 90, 100, 10),
        (10, 89, 100, 9),
        (7, 0, 100, 0),
    ],
)
def test_the_autoscaler_s_formula(current: int, average: float, target: float, wanted: int) -> None:
    """`ceil(current * average / target)`, unless the ratio is within the tolerance."""
    assert desired_replicas(current, [load(average, target)]) == wanted


def test_the_signal_that_wants_most_decides() -> None:
    """Several signals: the largest count; none that can be read: the count stays."""
    assert desired_replicas(4, [load(2), load(90, 60, "cpu"), load(10, 80, "memory")]) == 6
    assert desired_replicas(4, []) == 4


def test_fewer_replicas_come_only_after_the_window() -> None:
    """The largest recommendation of the window counts; what is older is forgotten."""
    recommended = [(0.0, 9), (100.0, 6), (200.0, 4)]

    assert stabilize_replicas(recommended, now=200, window_seconds=300) == 9
    assert stabilize_replicas(recommended, now=310, window_seconds=300) == 6
    assert stabilize_replicas(recommended, now=410, window_seconds=300) == 4


@given(ready=counts, average=averages, target=targets, percent=st.integers(1, 100))
def test_what_is_needed_is_what_the_autoscaler_would_want(
    ready: int, average: float, target: float, percent: int
) -> None:
    """A side with all requests, asked for the share it has, needs what the formula without tolerance gives."""
    one = Arm(percent=percent, scale=scale(ready, load(average, target), maximum=10**9))
    wanted = needed_replicas([one], 0, percent) if percent >= 5 else None

    if wanted is not None:
        exact = ready * average / target
        assert wanted == max(1, math.ceil(exact - 1e-9)) or abs(wanted - exact) <= 1 + 1e-6 * exact


@given(ready=counts, average=averages, target=targets, percent=st.integers(0, 100), more=st.integers(0, 100))
def test_a_larger_share_never_needs_less(ready: int, average: float, target: float, percent: int, more: int) -> None:
    """Monotone, and within the bounds."""
    arms = [
        Arm(percent=100 - percent, scale=scale(ready, load(average, target), maximum=50)),
        Arm(percent=percent, scale=scale(1, minimum=2, maximum=20)),
    ]
    few, many = needed_replicas(arms, 1, min(percent, more)), needed_replicas(arms, 1, max(percent, more))

    assert 2 <= few <= many <= 20


@given(ready=counts, average=averages, target=targets)
def test_replicas_carry_what_they_are_said_to_need(ready: int, average: float, target: float) -> None:
    """`bearable_percent` and `needed` agree: the share that is carried needs no more replicas than are ready."""
    arms = [Arm(percent=50, scale=scale(ready, load(average, target), maximum=10**9))]
    share = bearable_percent(arms, 0)

    assert 0 <= share <= 100
    assert needed_replicas(arms, 0, share) <= max(ready, 1)
    assert share == 100 or needed_replicas(arms, 0, share + 1) > ready


def test_a_new_version_is_not_taken_for_a_faster_one() -> None:
    """A percent costs at least what it costs the other side; a slower canary costs what it shows itself."""
    stable = Arm(percent=90, scale=scale(9, load(4)))
    fast = Arm(percent=10, scale=scale(1, load(1)))
    slow = Arm(percent=10, scale=scale(1, load(8)))
    hardly = Arm(percent=1, scale=scale(1, load(400)))

    assert needed_replicas([stable, fast], 1, 50) == 5
    assert needed_replicas([stable, slow], 1, 50) == 10
    assert needed_replicas([stable, hardly], 1, 50) == 5


def test_where_nothing_is_known_the_minimum_will_do() -> None:
    """No load read: the spec's minimum, and nothing speaks against any share."""
    arms = [Arm(percent=100, scale=scale(3)), Arm(percent=0, scale=scale(1, minimum=2))]

    assert needed_replicas(arms, 1, 100) == 2
    assert bearable_percent(arms, 0) == 100


def test_no_more_is_waited_for_than_there_may_be() -> None:
    """At the spec's maximum all that can be had is there."""
    full = [Arm(percent=50, scale=scale(4, load(100), maximum=4))]

    assert needed_replicas(full, 0, 100) == 4
    assert bearable_percent(full, 0) == 100
