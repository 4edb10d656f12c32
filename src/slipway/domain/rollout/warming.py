"""Cold replicas: when looks are not weighed, and which failures no cold replica explains.

A replica that has just started, or that suddenly gets much more traffic, answers slowly at first, and may time out or
shed requests: caches are empty, code is loaded, connections are made. That says nothing about the model. So for
`warm_up_seconds` after a revision's share rose, or after replicas were added, requests and their latencies are stored
and not weighed. The window ends early once the services of both arms report that they are warm.

A canary that answers more than half of its requests badly is not just cold: it is found within the window, by an
e-value against "at most half of its answers are bad".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slipway.domain.judge.counters import ZERO, Counters, counters_since
from slipway.domain.rollout.revision import Health, RevisionState

MOST_IN_A_ROW = 4
"""Consecutive windows, as replicas are added one by one, last together at most this many times as long as one."""
COLD_SHARE = 0.5
"""A cold replica gives at most this share of bad answers."""
WORSE_SHARES = (0.75, 0.9, 0.99)
"""Alternatives to it."""
WELL_SHARE = 0.25
"""If stable's share of bad answers is over this, the canary is not blamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warming:
    """State on added replicas, from one look to the next."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    """Ready ones at the last look, by revision."""
    began: float = 0.0
    """Unix seconds: when the first of the consecutive windows began."""
    until: float = 0.0
    """Unix seconds: when the last one ends."""
    cold: bool = False
    """Whether replicas may have been cold between the last two looks."""
    warm: bool = False
    """Whether both versions reported at the last look that they are warm."""
    counted: Mapping[str, Counters] = field(default_factory=dict)
    """Counters, by revision, where the window under way began."""


NOTHING_WARMS = Warming()


def ready_replicas(state: RevisionState) -> int:
    """Return how many of a revision's replicas answer; a target without replicas has one."""
    return state.scale.ready if state.scale is not None else int(state.health is Health.READY)


def add_replicas(before: Warming, replicas: Mapping[str, int], now: float, seconds: float) -> Warming:
    """Return the state after a look with this many ready replicas, by revision.

    Replicas that are added one after the other make the window longer, up to `MOST_IN_A_ROW`; after that looks are
    weighed for as long as one window, so that an autoscaler that never settles does not disable the judge.
    """
    known = {name: before.replicas[name] for name in replicas if name in before.replicas}
    if all(replicas[name] <= known[name] for name in known):
        return replace(before, replicas=replicas)
    if now - before.until >= seconds:
        return replace(before, replicas=replicas, began=now, until=now + seconds)
    until = min(now + seconds, before.began + MOST_IN_A_ROW * seconds)
    return replace(before, replicas=replicas, until=max(until, before.until))


def begin_window(before: Warming, counters: Mapping[str, Counters] | None, *, cold: bool) -> Warming:
    """Return the state with the counters at the window's start: the last ones before it, or its first."""
    if counters is None or (cold and counters.keys() <= before.counted.keys()):
        return before
    return replace(before, counted={**counters, **(before.counted if cold else {})})


def more_than_cold(warming: Warming, names: tuple[str, str], now: Mapping[str, Counters], alpha: float) -> str:
    """Describe what no cold replica explains in the canary's window; `names`: canary, stable. Empty: nothing.

    >>> counted = {"new": Counters(requests=5, errors=0), "old": Counters(requests=495, errors=2)}
    >>> later = {"new": Counters(requests=17, errors=0, refused=12), "old": Counters(requests=1683, errors=9)}
    >>> more_than_cold(Warming(counted=counted), ("new", "old"), later, 0.01)
    'canary failed, refused or shed 12 of its first 12 requests; a cold replica does so to at most half of them'
    """
    ours, theirs = (_count_in_window(warming, name, now) for name in names)
    return worse_than_cold(ours, theirs, alpha)


def worse_than_cold(ours: Counters, theirs: Counters, alpha: float) -> str:
    """Describe that the canary gives more bad answers than any cold replica, compared with stable; empty: it does not.

    The mean over r in `WORSE_SHARES` of the likelihood ratio of r and `COLD_SHARE` is an e-value against "at most half
    of its answers are bad": it reaches 1/alpha with a probability of at most alpha. If stable fails too, the result is
    empty.
    """
    bad = _count_bad(ours)
    if _count_bad(theirs) > WELL_SHARE * theirs.requests or bad <= COLD_SHARE * ours.requests:
        return ""
    logs = [
        bad * math.log(share / COLD_SHARE) + (ours.requests - bad) * math.log((1 - share) / (1 - COLD_SHARE))
        for share in WORSE_SHARES
    ]
    evidence = max(logs) + math.log(sum(math.exp(log - max(logs)) for log in logs) / len(logs))
    if evidence < -math.log(alpha):
        return ""
    return (
        f"canary failed, refused or shed {bad:,} of its first {ours.requests:,} requests; "
        "a cold replica does so to at most half of them"
    )


def _count_in_window(warming: Warming, name: str, now: Mapping[str, Counters]) -> Counters:
    if name not in now or name not in warming.counted:
        return ZERO
    return counters_since(warming.counted[name], now[name]) or ZERO


def _count_bad(one: Counters) -> int:
    return one.errors + one.refused + one.shed
