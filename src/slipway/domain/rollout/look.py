"""One look at a rollout: what was seen, the evidence after it, and what that evidence decides.

Evidence is weighed and scored at most once per look; everything that asks again reads the kept result.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from slipway.domain.judge.decision import Decision, combine_scores, drift_verdicts, score_metrics, word_scores
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.metrics import Score
from slipway.domain.rollout import baking
from slipway.domain.rollout.actions import Observation
from slipway.domain.rollout.analysis import moment_seen, weigh_after_promotion, weigh_look
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome, Verdict


@dataclass(frozen=True, kw_only=True)  # no slots: cached properties need a dictionary
class Look:
    """One look at a rollout."""

    spec: ReleaseSpec
    before: RolloutStatus
    """The status before the look is weighed; which replicas are cold is known."""
    seen: Observation
    now: float
    """Unix seconds."""

    @cached_property
    def evidence(self) -> Evidence:
        """The evidence after this look."""
        return weigh_look(self.spec, self.before, self.seen, moment_seen(self.before, self.seen, self.now))

    @cached_property
    def evidence_after_promotion(self) -> Evidence:
        """The evidence of the comparison after promotion, after this look."""
        return weigh_after_promotion(self.spec, self.before, self.seen, moment_seen(self.before, self.seen, self.now))

    @cached_property
    def scores(self) -> list[Score]:
        """The evidence, scored by metric."""
        return score_metrics(self.evidence, self.spec)

    @cached_property
    def scores_after_promotion(self) -> list[Score]:
        """The evidence of the comparison after promotion, scored by metric."""
        return baking.score_after_promotion(self.evidence_after_promotion, self.spec)

    @cached_property
    def decision(self) -> Decision:
        """What the evidence decides; after promotion, whichever comparison shows more against the canary."""
        said = combine_scores(self.scores, self.spec)
        if said.outcome is Outcome.FAIL or not baking.is_comparing(self.before):
            return said
        late = baking.decide_after_promotion(self.scores_after_promotion, self.spec)
        evidence_against = max(said.evidence_against, late.evidence_against)
        return replace(late if late.outcome is Outcome.FAIL else said, evidence_against=evidence_against)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One verdict per metric, and one on drift where the spec asks for it."""
        canary = self.before.canary
        profiles = canary.package.profile if canary else ()
        found = [*word_scores(self.scores, self.spec), *drift_verdicts(self.evidence, self.spec, profiles)]
        if baking.is_comparing(self.before):
            found += baking.verdicts_after_promotion(self.scores_after_promotion, self.spec)
        return tuple(found)

    def update_verdicts(self) -> RolloutStatus:
        """Return the status with the evidence after this look, and the verdicts on it if it changed."""
        before = self.before
        evidence, after = self.evidence, self.evidence_after_promotion
        weighed = replace(before, evidence=evidence, evidence_after_promotion=after)
        shadow = self.seen.shadow or before.shadow
        if weighed == before or before.alone:
            return replace(weighed, shadow=shadow)
        return replace(
            weighed,
            shadow=shadow,
            evidence_against=self.decision.evidence_against,
            evidence_for=self.decision.evidence_for,
            verdicts=self.verdicts,
        )
