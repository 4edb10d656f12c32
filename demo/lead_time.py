"""Where the time between a version's registration and its decision went. Pure."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from slipway.domain.release.record import ReleaseRecord, StageRecord
from slipway.domain.rollout.status import Phase

WAITING_FOR_EVIDENCE = {Phase.SHADOW, Phase.SHIFTING}
NAMES = {
    Phase.STARTING: "start revision",
    Phase.SHADOW: "shadow",
    Phase.SHIFTING: "shifting",
    Phase.PROMOTING: "promote",
    Phase.ROLLING_BACK: "roll back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTime:
    """Seconds from registration to decision, by what they were spent on."""

    total: float
    evidence: float
    """Wait for live requests: shadow and the canary's steps."""
    stages: dict[str, float]
    """By stage, in order. Gates run in parallel: they may add up to more than the total."""

    @property
    def overhead(self) -> float:
        """Everything that is not waiting for evidence."""
        return self.total - self.evidence


def lead_time(record: ReleaseRecord, registered_at: float) -> LeadTime:
    """Return a decided release's lead time; `registered_at` in unix seconds."""
    phases: dict[Phase, float] = defaultdict(float)
    for moment, after in pairwise(record.timeline):
        phases[moment.phase] += after.at - moment.at
    stages = {"trigger": record.started_at - registered_at}
    stages |= {stage.name: _took(stage, record.started_at) for stage in record.stages}
    stages |= {name: phases[phase] for phase, name in NAMES.items() if phase in phases}
    last = record.timeline[-1].at if record.timeline else max((one.ended_at for one in record.stages), default=None)
    if last is not None:
        stages["record"] = max(0.0, record.ended_at - last)
    return LeadTime(
        total=record.ended_at - registered_at,
        evidence=sum(phases[phase] for phase in WAITING_FOR_EVIDENCE),
        stages=stages,
    )


def _took(stage: StageRecord, release_began: float) -> float:
    """Return a stage's seconds; a result from an earlier release's cache took none."""
    return stage.ended_at - stage.started_at if stage.started_at >= release_began else 0.0
