"""Hold-back: after promotion a small share of the requests stays with the old version, and both are still compared.

This finds faults that begin after promotion (a leak, a cache that fills, a new client). They were not compared before,
so the evidence starts at zero, with its own part of alpha. The new version is still the canary of the comparison.
Labels continue: they are about answers given before.

A model's first version bakes alone. Nothing is compared, and nothing can be rolled back; the overdispersion of its
errors is learned (`judge.statistics.dispersion`), which the second release needs.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from slipway.domain.judge.checks import AFTER_PROMOTION, Check
from slipway.domain.judge.decision import Decision, combine_scores, score_metrics, word_scores
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.metrics import Score, rate_guards
from slipway.domain.judge.statistics import counts
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Verdict

AFTER = "after promotion: "
"""Prefix of the names of checks and of their sentences."""


AT_ONCE = 0.2
"""Weight of "it is worse from promotion on"; the rest is for faults that begin later."""


def find_hold_back(spec: ReleaseSpec, status: RolloutStatus) -> int:
    """Return the percent of requests that the old revision keeps while baking.

    None if there is none, and after a rollback by a person: the bad version gets no more requests.
    """
    if status.stable is None or status.direct or not spec.rollout.compares_while_baking:
        return 0
    return spec.rollout.hold_back_percent


def describe_learning(spec: ReleaseSpec, status: RolloutStatus, now: float) -> str:
    """Describe that a first version serves, and until when its errors are learned."""
    until = datetime.fromtimestamp(now + spec.rollout.bake_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{status.reason}; it serves alone, and how its errors come together is learned until {until}"


def describe_learned(status: RolloutStatus) -> str:
    """Describe what was learned about a first version that served alone."""
    pairs = status.evidence.rate(Check.ERRORS).dispersion.pairs
    name = status.canary.name if status.canary else "it"
    return f"{name} serves; while it was alone, its errors were learned from {pairs} differences of successive blocks"


def is_comparing(status: RolloutStatus) -> bool:
    """Return whether both revisions get requests although the canary was promoted."""
    return status.phase is Phase.BAKING and status.weight_percent < 100  # noqa: PLR2004 - percent


def spec_after_promotion(spec: ReleaseSpec) -> ReleaseSpec:
    """Return the spec for this comparison: its own part of alpha, live requests only."""
    alpha = spec.judge.alpha * spec.rollout.part_of_alpha_while_baking * AT_ONCE
    judge = spec.judge.model_copy(update={"alpha": alpha, "labels": None, "drift": None})
    rollout = spec.rollout.model_copy(update={"shadow": None, "hold_back_percent": 0})
    return spec.model_copy(update={"judge": judge, "rollout": rollout})


def restart_rates(before: Evidence, spec: ReleaseSpec, at: float) -> Evidence:
    """Return the evidence with one more start, where a block begins at this moment.

    Late faults are then not diluted by earlier good results. `AT_ONCE` of the weight is on the beginning, the rest
    on the blocks of the bake window alike; the evidence is counted in the beginning's weight.
    """
    block, blocks = int(at // spec.judge.burst_seconds), max(1.0, spec.rollout.bake_seconds / spec.judge.burst_seconds)
    share = (1 / AT_ONCE - 1) / blocks
    guards = rate_guards(spec.judge)
    return replace(
        before,
        rates={
            check: one if one.block in {None, block} else counts.add_start(one, guards[check], share)
            for check, one in before.rates.items()
            if check in guards
        },
    )


def score_after_promotion(evidence: Evidence, spec: ReleaseSpec) -> list[Score]:
    """Return the scores of the comparison."""
    return score_metrics(evidence, spec_after_promotion(spec))


def decide_after_promotion(scored: Sequence[Score], spec: ReleaseSpec) -> Decision:
    """Return the decision of the comparison; its evidence against is scaled so that 1/alpha means rollback."""
    said = combine_scores(scored, spec_after_promotion(spec))
    evidence_against = said.evidence_against * spec.rollout.part_of_alpha_while_baking * AT_ONCE
    return replace(said, reason=AFTER + said.reason, evidence_against=evidence_against)


def verdicts_after_promotion(scored: Sequence[Score], spec: ReleaseSpec) -> list[Verdict]:
    """Return one verdict per metric; none of them must pass."""
    found = word_scores(scored, spec_after_promotion(spec))
    return [replace(one, check=AFTER_PROMOTION + one.check, blocking=False) for one in found]
