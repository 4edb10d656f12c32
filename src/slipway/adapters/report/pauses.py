"""Pauses of a rollout: periods in which its weights were held for a reason other than the canary, from the timeline."""

from dataclasses import dataclass
from itertools import pairwise

from slipway.domain.release.record import ReleaseRecord
from slipway.domain.rollout.status import HoldReason, Moment, Phase

NAMES = {
    HoldReason.BOTH_FAIL: "both fail",
    HoldReason.STABLE_FAILS: "stable fails",
    HoldReason.WRONG_ROUTE: "wrong route",
    HoldReason.NOT_COUNTED: "not counted",
    HoldReason.INPUTS_DRIFTED: "inputs drifted",
    HoldReason.STABLE_NOT_READY: "stable not ready",
}
"""The pause in two words, for the figure; other holds are due to the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One pause."""

    begins: float
    """Unix seconds."""
    ends: float
    """Unix seconds."""
    name: str
    """Label in two words."""
    reason: str
    """The sentence of the look that began it."""


def find_pauses(record: ReleaseRecord) -> list[Pause]:
    """Return the pauses, oldest first; consecutive looks with the same kind of reason are one pause."""
    found: list[Pause] = []
    for one, following in pairwise([*record.timeline, *record.timeline[-1:]]):
        name = _name_hold(one)
        if name is None:
            continue
        last = found.pop() if found and (found[-1].name, found[-1].ends) == (name, one.at) else None
        begins, reason = (last.begins, last.reason) if last else (one.at, one.reason)
        found.append(Pause(begins=begins, ends=following.at, name=name, reason=reason))
    return found


def _name_hold(one: Moment) -> str | None:
    return NAMES.get(one.hold) if one.hold is not None and one.phase is Phase.SHIFTING else None
