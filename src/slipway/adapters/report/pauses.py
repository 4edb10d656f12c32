"""Stretches of a rollout in which its weights stayed for a reason that is not the canary's: from the timeline alone."""

from dataclasses import dataclass
from itertools import pairwise

from slipway.domain.release import ReleaseRecord
from slipway.domain.status import Moment, Phase

STAYS = "the weights stay"
"""What every such reason says, but for drifted inputs'."""
REASONS = {
    "both versions fail together": "both fail",
    "stable fails on": "stable fails",
    "the router sent": "wrong route",
    "requests can't be counted": "not counted",
    "live values of": "inputs drifted",
}
"""By how the timeline's sentence begins: the pause in two words, for the figure."""
OTHERWISE = "stable not ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One stretch."""

    begins: float
    """Unix seconds."""
    ends: float
    """Unix seconds."""
    name: str
    """In two words."""
    reason: str
    """The sentence of the look that began it."""


def pauses(record: ReleaseRecord) -> list[Pause]:
    """Return the pauses, oldest first; looks one after the other with the same kind of reason are one pause."""
    found: list[Pause] = []
    for one, following in pairwise([*record.timeline, *record.timeline[-1:]]):
        name = _name(one)
        if name is None:
            continue
        last = found.pop() if found and (found[-1].name, found[-1].ends) == (name, one.at) else None
        begins, reason = (last.begins, last.reason) if last else (one.at, one.reason)
        found.append(Pause(begins=begins, ends=following.at, name=name, reason=reason))
    return found


def _name(one: Moment) -> str | None:
    if one.phase is not Phase.SHIFTING:
        return None
    known = next((name for start, name in REASONS.items() if one.reason.startswith(start)), None)
    return known or (OTHERWISE if STAYS in one.reason else None)
