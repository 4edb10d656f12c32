"""The rollout's timeline: what changed, and what looks showed, kept small."""

from dataclasses import replace
from itertools import pairwise

from slipway.domain.rollout.status import Moment, RolloutStatus

TIMELINE_LIMIT = 400
"""Moments kept: a status stays well under the megabyte that a ConfigMap may hold."""


def append_to_timeline(status: RolloutStatus, now: float) -> RolloutStatus:
    """Add this look to the timeline, and thin it evenly when it grows long; changes of phase and weight stay."""
    moment = moment_of(status, now)
    timeline = (*status.timeline, moment) if status.timeline[-1:] != (moment,) else status.timeline
    if len(timeline) > TIMELINE_LIMIT:
        kept = [
            at
            for number, (earlier, at) in enumerate(pairwise(timeline), start=1)
            if number % 2 == 0 or (earlier.phase, earlier.weight_percent) != (at.phase, at.weight_percent)
        ]
        timeline = (timeline[0], *kept)
    return replace(status, timeline=timeline)


def moment_of(status: RolloutStatus, now: float) -> Moment:
    """Return a rollout as it is now, as a line of its timeline."""
    return Moment(
        at=now,
        phase=status.phase,
        weight_percent=status.weight_percent,
        reason=status.reason,
        evidence_against=status.evidence_against,
        evidence_for=status.evidence_for,
        canary=status.evidence.canary,
        stable=status.evidence.stable,
        hold=status.hold,
    )
