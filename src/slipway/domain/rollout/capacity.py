"""Capacity before traffic: how many replicas a revision must have before its share of the requests may grow.

A target whose revisions have no `scale` runs one replica of each: nothing is requested or waited for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from slipway.domain.rollout.revision import Health, Rescue, RevisionState, Traffic
from slipway.domain.rollout.scaling import ALL, IN_FLIGHT, Arm, bearable_percent, needed_replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A revision that is to get more requests than its ready replicas can serve."""

    name: str
    needed: int
    ready: int
    detail: str = ""
    """The target's message about it."""

    def __str__(self) -> str:
        """Return it as a sentence."""
        because = f" ({self.detail})" if self.detail else ""
        return f"{self.name} needs {self.needed} replicas for its share and has {self.ready} ready{because}"


def find_shortages(wanted: Traffic, now: Traffic | None, revisions: Mapping[str, RevisionState]) -> list[Shortage]:
    """Return which revisions whose share grows have too few ready replicas for it."""
    needs = _find_needs(wanted, now, revisions)
    short = []
    for name, replicas in needs.items():
        state = revisions[name]
        if state.scale is not None and state.scale.ready < replicas:
            short.append(Shortage(name=name, needed=replicas, ready=state.scale.ready, detail=state.detail))
    return short


def find_floors_to_raise(
    wanted: Traffic, now: Traffic | None, revisions: Mapping[str, RevisionState]
) -> dict[str, int]:
    """Return the floors to raise, by revision, before traffic is shared as wanted; no floor is lowered."""
    needs = _find_needs(wanted, now, revisions)
    return {name: floor for name, floor in needs.items() if (scale := revisions[name].scale) and scale.floor < floor}


def find_floors_to_release(revisions: Mapping[str, RevisionState], *names: str | None) -> dict[str, int]:
    """Return the floors to set back to the minimum of the spec, so that the autoscaler alone decides again."""
    scales = {name: revisions[name].scale for name in names if name is not None and name in revisions}
    return {name: scale.minimum for name, scale in scales.items() if scale and scale.floor != scale.minimum}


def find_retreat(wanted: Traffic, now: Traffic, revisions: Mapping[str, RevisionState]) -> Traffic:
    """Return the largest part of the way to `wanted` that its stable revision can serve now.

    Its share never falls. A canary that is not ready serves nothing: then all traffic moves at once.
    """
    loser = next((name for name in now.weights if name != wanted.stable and now.weights[name]), None)
    state = revisions.get(wanted.stable)
    if loser is None or state is None or state.scale is None or not _is_ready(revisions, loser):
        return wanted
    names, arms = _list_arms(now, revisions)
    share = max(now.weights.get(wanted.stable, 0), bearable_percent(arms, names.index(wanted.stable)))
    return wanted if share >= ALL else Traffic(stable=wanted.stable, canary=loser, canary_percent=ALL - share)


def _find_needs(wanted: Traffic, now: Traffic | None, revisions: Mapping[str, RevisionState]) -> dict[str, int]:
    """Return the replicas that revisions with a growing share need, and those of one that answers for another."""
    before, after = _shares_of(now), _shares_of(wanted)
    names, arms = _list_arms(now, revisions)
    growing = (name for name in names if after.get(name, 0) > before.get(name, 0))
    needs = {name: needed_replicas(arms, names.index(name), after[name]) for name in growing}
    rescue = wanted.rescue
    if rescue and rescue.by in names and after.get(rescue.of):
        needs[rescue.by] = _with_rescue(rescue, after, names, arms)
    return needs


def _with_rescue(rescue: Rescue, shares: Mapping[str, int], names: list[str], arms: list[Arm]) -> int:
    """Return the replicas of a revision that also answers for another one.

    At worst it gets all of the other's requests, but no more at a time than each of the other's replicas may forward.
    """
    side = names.index(rescue.by)
    own, whole = shares.get(rescue.by, 0), shares.get(rescue.by, 0) + shares[rescue.of]
    at_worst = needed_replicas(arms, side, whole)
    carried = [load.target for load in arms[side].scale.loads if load.signal == IN_FLIGHT]
    if not carried:
        return at_worst
    replicas = arms[names.index(rescue.of)].scale.ready if rescue.of in names else 1
    at_once = math.ceil(rescue.at_once * max(1, replicas) / min(carried))
    return min(at_worst, needed_replicas(arms, side, own) + at_once)


def _list_arms(now: Traffic | None, revisions: Mapping[str, RevisionState]) -> tuple[list[str], list[Arm]]:
    shares = _shares_of(now)
    scaled = {name: state.scale for name, state in revisions.items() if state.scale is not None}
    return list(scaled), [Arm(percent=shares.get(name, 0), scale=scale) for name, scale in scaled.items()]


def _shares_of(traffic: Traffic | None) -> dict[str, int]:
    """Return percent of the requests by revision; a copy of every request is work like 100 % of them."""
    if traffic is None:
        return {}
    return dict(traffic.weights) | ({traffic.shadow: ALL} if traffic.shadow else {})


def _is_ready(revisions: Mapping[str, RevisionState], name: str) -> bool:
    return name in revisions and revisions[name].health is Health.READY
