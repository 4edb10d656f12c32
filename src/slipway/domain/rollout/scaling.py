"""How many replicas a load needs: the autoscaler's own arithmetic, done before the traffic moves.

The Horizontal Pod Autoscaler computes `ceil(replicas * average / target)` for each of its signals, takes the largest,
and keeps the count while the ratio is within its tolerance. That is right once the load is there; before weight moves,
the same formula gives what a side will need with its new share.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOLERANCE = 0.1
"""The autoscaler's default: within 10 % of the target nothing is changed."""
TELLING_PERCENT = 5
"""Below this share a side's own load is a poor estimate of what a percent costs it."""
ALL = 100
IN_FLIGHT = "requests in flight"
"""The signal that fits inference best: CPU use lags, and means little where a device or a lock is the bottleneck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One signal of a revision: an average over its ready replicas, and the target per replica."""

    signal: str
    """`IN_FLIGHT`, `cpu` or `memory`."""
    average: float
    """Per replica: requests, or percent of what a replica requests."""
    target: float
    """Per replica, in the same unit; over 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A revision's replicas, as observed."""

    ready: int
    """Replicas that answer their readiness probe."""
    floor: int
    """Fewest that the autoscaler may go to now."""
    minimum: int
    """Fewest at rest, by its spec."""
    maximum: int
    loads: tuple[Load, ...] = ()
    """Empty: the autoscaler can't read its signals now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One revision behind a route: its replicas, and its share of the requests (copies count as requests)."""

    percent: float
    scale: Scale


def desired_replicas(current: int, loads: Iterable[Load], *, tolerance: float = TOLERANCE) -> int:
    """Return how many replicas the autoscaler requests for its measurements.

    Source: kubernetes.io, "Horizontal Pod Autoscaling", algorithm details.

    >>> desired_replicas(4, [Load(signal="cpu", average=90, target=60)])
    6
    >>> desired_replicas(4, [Load(signal="cpu", average=65, target=60)])
    4
    """
    return max((_replicas_for_ratio(current, load.average / load.target, tolerance) for load in loads), default=current)


def _replicas_for_ratio(current: int, ratio: float, tolerance: float) -> int:
    return current if 1 - tolerance <= ratio <= 1 + tolerance else _round_up(current * ratio)


def stabilize_replicas(recommendations: Sequence[tuple[float, int]], now: float, window_seconds: float) -> int:
    """Return the stabilized count of recommendations `(at, replicas)`: the largest one of the window before `now`.

    >>> stabilize_replicas([(0, 9), (100, 6), (200, 4)], now=200, window_seconds=150)
    6
    """
    return max(replicas for at, replicas in recommendations if at > now - window_seconds)


def needed_replicas(arms: Sequence[Arm], side: int, percent: float) -> int:
    """Return how many replicas the arm number `side` needs for `percent` of the current requests.

    What one percent costs is taken from the side's own load if its share is large enough, and is never less than what
    it costs the other one: a new version is not assumed to be faster before that is measured. Within the revision's
    minimum and maximum; the minimum if nothing is known.

    >>> stable = Arm(percent=90, scale=Scale(ready=9, floor=1, minimum=1, maximum=20,
    ...     loads=(Load(signal="requests in flight", average=4, target=4),)))
    >>> canary = Arm(percent=10, scale=Scale(ready=1, floor=1, minimum=1, maximum=20))
    >>> needed_replicas([stable, canary], side=1, percent=50), needed_replicas([stable, canary], side=0, percent=100)
    (5, 10)
    """
    scale = arms[side].scale
    wanted = max((_round_up(cost * percent) for cost in _percent_costs(arms)), default=0)
    return min(max(wanted, scale.minimum), scale.maximum)


def bearable_percent(arms: Sequence[Arm], side: int) -> int:
    """Return the largest share of the current requests that the arm's ready replicas can serve.

    100 if the load is not known.

    >>> stable = Arm(percent=50, scale=Scale(ready=2, floor=2, minimum=1, maximum=9,
    ...     loads=(Load(signal="requests in flight", average=4, target=4),)))
    >>> bearable_percent([stable], side=0)
    50
    """
    scale = arms[side].scale
    if scale.ready >= scale.maximum:
        return ALL  # at the maximum: no more replicas are possible
    shares = [scale.ready / cost for cost in _percent_costs(arms) if cost > 0]
    return math.floor(min([ALL, *shares]) + 1e-9)


def _percent_costs(arms: Sequence[Arm]) -> list[float]:
    """Return for each signal how many replicas one percent of the requests takes, in the most expensive arm."""
    costs: dict[str, float] = {}
    telling = [arm for arm in arms if arm.percent >= TELLING_PERCENT and arm.scale.ready]
    for arm in telling:
        for load in arm.scale.loads:
            cost = arm.scale.ready * load.average / load.target / arm.percent
            costs[load.signal] = max(costs.get(load.signal, 0.0), cost)
    return list(costs.values())


def in_flight(requests_per_second: float, answer_milliseconds: float) -> float:
    """Return how many requests are in flight: Little's law.

    >>> in_flight(200, 15)
    3.0
    """
    return requests_per_second * answer_milliseconds / 1000


def _round_up(value: float) -> int:
    """Round up, ignoring rounding errors."""
    return math.ceil(value - 1e-9)
