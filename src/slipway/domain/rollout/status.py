"""The rollout's status: the only memory. Any process can continue a rollout from it."""

from dataclasses import dataclass
from enum import StrEnum

from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.rollout.revision import Revision
from slipway.domain.rollout.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.rollout.warming import NOTHING_WARMS, Warming
from slipway.domain.verdict import Verdict


class Phase(StrEnum):
    """Where a rollout is. The order of the first seven is the way of a good one."""

    PENDING = "pending"
    """The gates are at work; nothing was started."""
    STARTING = "starting"
    """The revision is being started; it gets no traffic."""
    SHADOW = "shadow"
    """It gets a copy of live requests."""
    SHIFTING = "shifting"
    """It gets a share of live requests."""
    PROMOTING = "promoting"
    """All traffic is on its way to it."""
    BAKING = "baking"
    """It serves nearly everything; the old revision keeps a small share, or is warm. A model's first version serves
    alone: how its errors come is learned."""
    SUCCEEDED = "succeeded"
    """It is the champion; the old revision is gone."""
    HELD = "held"
    """The weights stay; it waits for a person or for data."""
    ROLLING_BACK = "rolling-back"
    """Traffic is on its way back."""
    ROLLED_BACK = "rolled-back"
    """The stable revision serves everything; the canary is gone."""
    STOPPED = "stopped"
    """A gate stopped the release before anything was started."""

    @property
    def terminal(self) -> bool:
        """Nothing follows."""
        return self in {Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.STOPPED}

    @property
    def serving(self) -> bool:
        """Whether the canary was promoted."""
        return self in {Phase.BAKING, Phase.SUCCEEDED}

    @property
    def driven(self) -> bool:
        """Whether a release must be driving it: without a driver it is an orphan."""
        return not self.terminal and self not in {Phase.BAKING, Phase.HELD}


class HoldReason(StrEnum):
    """Why the weights stay as they are, whatever the evidence is; or why a rollout is held."""

    STABLE_NOT_READY = "stable-not-ready"
    """The stable revision is not ready: there is nothing to compare with, and nothing to go back to."""
    NOT_COUNTED = "not-counted"
    """Requests can't be counted now."""
    NOT_COPIED = "not-copied"
    """No copied request was answered by both revisions yet."""
    BOTH_FAIL = "both-fail"
    """Both versions fail together."""
    STABLE_FAILS = "stable-fails"
    """Stable fails while the canary gets no request."""
    WRONG_ROUTE = "wrong-route"
    """The router's shares differ from its configuration."""
    INPUTS_DRIFTED = "inputs-drifted"
    """Live inputs are not as in the validation rows, and the spec lets that hold the weights."""
    REPLICAS = "replicas"
    """Replicas are missing for the next weight."""
    NO_DECISION = "no-decision"
    """The deadline passed without enough evidence either way."""
    APPROVAL = "approval"
    """A person must agree before promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What keeps the weights where they are."""

    reason: HoldReason
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the rollout's timeline: what changed, or what one look showed."""

    at: float
    """Unix seconds."""
    phase: Phase
    weight_percent: int
    """Share of live requests that the canary had."""
    reason: str
    evidence_against: float = 1.0
    """E-value against the canary being healthy (it is rolled back at 1/alpha)."""
    evidence_for: float = 1.0
    """E-value for the canary being fine (it may be promoted at 1/beta)."""
    canary: Counters = ZERO
    stable: Counters = ZERO
    hold: HoldReason | None = None
    """What kept the weights at this look; None: the evidence decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """One model's rollout."""

    model: str
    version: int
    release_id: str
    """One release of one version: `digits-v7-a1` (version 7, attempt 1)."""
    phase: Phase = Phase.PENDING
    stable: Revision | None = None
    """What served when the rollout began; None at the first release."""
    canary: Revision | None = None
    """What is being released; None while the gates are at work."""
    direct: bool = False
    """All traffic at once, without shadow and steps: a person took a version back."""
    step: int = 0
    """Index into the spec's steps."""
    weight_percent: int = 0
    """Share of live requests that the canary is to have."""
    started_at: float
    """Unix seconds."""
    entered_at: float
    """When the phase, or the step within SHIFTING, began."""
    heartbeat_at: float
    """When its driver last looked."""
    reason: str = ""
    """Why it is where it is: one sentence."""
    remark: str = ""
    """What else was seen at the last look: the route was edited, the autoscaler has no metrics."""
    hold: HoldReason | None = None
    """What kept the weights at the last look, or why it is held; None: the evidence decides."""
    held_from: Phase | None = None
    """The phase that follows HELD."""
    yielded: bool = False
    """It is taken back to make room for another release, not for a fault of its own."""
    awaits_approval: bool = False
    """A person must approve before promotion."""
    approved_by: str | None = None
    evidence: Evidence = NO_EVIDENCE
    evidence_after_promotion: Evidence = NO_EVIDENCE
    """What the comparison with the requests held back shows, while baking."""
    evidence_against: float = 1.0
    """The largest evidence against the canary, scaled so that it is rolled back at 1/alpha."""
    evidence_for: float = 1.0
    """The least evidence for it among the metrics that are required; it may be promoted at 1/beta."""
    verdicts: tuple[Verdict, ...] = ()
    """Results of the last look, one per metric."""
    shadow: ShadowComparison = NOTHING_COMPARED
    """What was compared so far under shadow."""
    warming: Warming = NOTHING_WARMS
    """Which replicas were added, and until when they may be cold."""
    timeline: tuple[Moment, ...] = ()
    """Oldest first, at most 400: looks are thinned evenly beyond that, changes stay."""

    @property
    def copying(self) -> bool:
        """Whether the canary gets copies of live requests: under shadow, or held there."""
        return self.phase is Phase.SHADOW or (self.phase is Phase.HELD and self.held_from is Phase.SHADOW)

    @property
    def alone(self) -> bool:
        """Whether it bakes without an old revision, as a model's first version: nothing is compared or taken back."""
        return self.phase is Phase.BAKING and self.stable is None

    @property
    def champion(self) -> Revision | None:
        """The revision that serves when this rollout is at rest; None: none yet."""
        return self.canary if self.phase.serving else self.stable
