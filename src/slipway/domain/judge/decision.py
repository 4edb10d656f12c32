"""Decisions from evidence: one verdict per metric, and one decision over all of them.

`score_metrics` reads the evidence once per look. `combine_scores` decides from these scores and builds one sentence;
`word_scores` builds a verdict with its sentence for each of them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from slipway.domain.judge.checks import Check
from slipway.domain.judge.evidence import Evidence
from slipway.domain.judge.judge import copies_guard
from slipway.domain.judge.metrics import INTERVAL_ALPHA, Score, find_others, rate_guards
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.judge.statistics import counts, drift, rates, wording
from slipway.domain.spec.judge import Guard, JudgeSpec, RateGuard
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome, Verdict

LIVE_ALONE = 4.0
"""Evidence for the canary that live requests must show by themselves if copies supply the rest
(docs/decisions/0023)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """All metrics together."""

    outcome: Outcome
    reason: str
    evidence_against: float
    """The largest evidence against the canary, scaled so that each metric fails at 1/alpha."""
    evidence_for: float
    """The least evidence for it among the metrics that are required; it passes at 1/beta."""


def decide(evidence: Evidence, spec: ReleaseSpec) -> Decision:
    """Return the decision on the evidence so far: its metrics scored and combined."""
    return combine_scores(score_metrics(evidence, spec), spec)


def combine_scores(scored: Sequence[Score], spec: ReleaseSpec) -> Decision:
    """Return the decision over all metrics, with the sentence of the metric that decides.

    If the spec requires no metric, errors must pass: nothing is promoted without evidence.
    """
    judge = spec.judge
    evidence_against = max(scored, key=lambda one: one.evidence_against + math.log(one.alpha))
    outcomes = {one.check: one.outcome(judge.beta) for one in scored}
    required = [one for one in scored if one.required] or scored[:1]
    missing = [one for one in required if outcomes[one.check] is not Outcome.PASS]
    if outcomes[evidence_against.check] is Outcome.FAIL:
        outcome, telling = Outcome.FAIL, evidence_against
    elif missing:
        blind = all(outcomes[one.check] is Outcome.NO_DATA for one in missing)
        outcome, telling = (Outcome.NO_DATA if blind else Outcome.INCONCLUSIVE), missing[0]
    else:
        outcome, telling = Outcome.PASS, required[0]
    return Decision(
        outcome=outcome,
        reason=telling.tell(outcomes[telling.check])[0],
        evidence_against=_e_value_of(
            evidence_against.evidence_against + math.log(evidence_against.alpha) - math.log(judge.alpha)
        ),
        evidence_for=_e_value_of(min(one.evidence_for for one in required)),
    )


def build_verdicts(evidence: Evidence, spec: ReleaseSpec, profiles: tuple[ColumnProfile, ...] = ()) -> list[Verdict]:
    """Return one verdict per metric, and one on drift if the spec asks for it."""
    return [*word_scores(score_metrics(evidence, spec), spec), *drift_verdicts(evidence, spec, profiles)]


def word_scores(scored: Sequence[Score], spec: ReleaseSpec) -> list[Verdict]:
    """Return one verdict per metric."""
    found = []
    for one in scored:
        outcome = one.outcome(spec.judge.beta)
        sentence, numbers = one.tell(outcome)
        numbers |= {
            "evidence_against": _e_value_of(one.evidence_against),
            "evidence_for": _e_value_of(one.evidence_for),
            "alpha": one.alpha,
        }
        found.append(Verdict(check=one.check, outcome=outcome, reason=sentence, numbers=numbers, blocking=one.required))
    return found


def find_drift(evidence: Evidence, spec: JudgeSpec, profiles: tuple[ColumnProfile, ...]) -> str:
    """Return a sentence on the input that drifted from the validation rows; empty: none, or nothing is known."""
    if spec.drift is None or not profiles or not evidence.drift.counts:
        return ""
    worst = drift.find_most_drifted(evidence.drift, profiles, spec.drift.tolerance, evidence.drift.rows_together)
    return wording.drift_sentence(worst) if worst and worst.overall >= 1 / spec.alpha else ""


def score_metrics(evidence: Evidence, spec: ReleaseSpec) -> list[Score]:
    """Return every metric of the spec, errors first; each has its share of alpha by its weight.

    The part of alpha for the comparison after promotion is reserved.
    """
    rates, others = _rate_guards(spec), list(find_others(spec))
    guards: dict[Check, Guard] = {**rates, **{one.check: guard for one, guard in others}}
    whole = sum(guard.weight for guard in guards.values())
    alpha = spec.judge.alpha * (1 - spec.rollout.part_of_alpha_while_baking)
    shares = {check: alpha * guard.weight / whole for check, guard in guards.items()}
    return [
        *_score_rates(evidence, spec, shares),
        *(one.score(evidence, spec, shares[one.check]) for one, _ in others),
    ]


def _rate_guards(spec: ReleaseSpec) -> dict[Check, RateGuard]:
    """Return the guards on shares of requests; errors first."""
    copies = {Check.COPIES: copies_guard(spec.judge)} if spec.rollout.shadow is not None else {}
    return {**rate_guards(spec.judge), **copies}


def _score_rates(evidence: Evidence, spec: ReleaseSpec, shares: dict[Check, float]) -> Iterator[Score]:
    judge = spec.judge
    rated = [(check, evidence.rate(check), guard) for check, guard in _rate_guards(spec).items()]
    evidence_against, evidence_for = counts.log_evidence(
        [one for _, one, _ in rated], [guard for *_, guard in rated], judge.burst_cv
    )
    if evidence.rate(Check.COPIES).tally:
        evidence_for[0] = _with_copies(evidence, judge, float(evidence_for[0]))
    for number, (name, one, guard) in enumerate(rated):
        yield Score(
            check=name,
            evidence_against=float(evidence_against[number]),
            evidence_for=float(evidence_for[number]),
            alpha=shares[name],
            required=guard.required,
            seen=bool(one.canary.requests and one.stable.requests),
            tell=partial(_tell_rate, name, evidence, spec, float(evidence_against[number])),
        )


def _with_copies(evidence: Evidence, judge: JudgeSpec, evidence_for: float) -> float:
    """Return the log evidence for the canary on errors, copies included, on the scale on which live requests pass.

    The same processes answered both, so their evidence adds up if copies fail as live requests do. If they don't,
    live requests must have shown `LIVE_ALONE` by themselves.
    """
    both = [evidence.rate(Check.ERRORS), evidence.rate(Check.COPIES)]
    whole, alone = counts.log_evidence_for_with(both, judge.errors, judge.burst_cv)
    return max(evidence_for, min(whole, alone - math.log(LIVE_ALONE) - math.log(judge.beta)))


def _tell_rate(
    check: Check, evidence: Evidence, spec: ReleaseSpec, evidence_against: float, outcome: Outcome
) -> tuple[str, dict[str, float]]:
    """Put one share of requests into words; the interval is computed only if the sentence contains it."""
    one, guard, judge = evidence.rate(check), _rate_guards(spec)[check], spec.judge
    if outcome is Outcome.NO_DATA:
        return wording.nothing_counted(check, evidence.threshold_milliseconds, one.canary), {}
    total, grid = counts.metric_likelihood(one, guard, judge.burst_cv)
    passing, nearer = counts.ratio_passes(one, guard, judge.burst_cv)
    ratio = wording.Ratio(rates.likeliest_ratio(total, grid), *rates.ratio_interval(total, grid, INTERVAL_ALPHA))
    said = wording.Rate(
        check=check,
        canary=one.canary,
        stable=one.stable,
        ratio=ratio,
        evidence=_e_value_of(evidence_against),
        threshold_milliseconds=evidence.threshold_milliseconds,
        under_tolerance=passing >= -math.log(judge.beta),
        nearer=nearer,
    )
    return wording.rate_sentence(said, guard, judge.beta, outcome), wording.rate_numbers(said)


def drift_verdicts(evidence: Evidence, spec: ReleaseSpec, profiles: tuple[ColumnProfile, ...]) -> Iterator[Verdict]:
    """Yield the verdict on input drift if the spec asks for it."""
    if spec.judge.drift is None:
        return
    sentence = find_drift(evidence, spec.judge, profiles)
    psi = drift.largest_psi(evidence.drift, profiles)
    if psi is None:
        outcome, said = Outcome.NO_DATA, "no input was compared with the validation rows yet"
    else:
        outcome, said = (Outcome.FAIL, sentence) if sentence else (Outcome.PASS, wording.no_drift(psi))
    numbers = {} if psi is None else {"largest_psi": psi}
    yield Verdict(check=Check.DRIFT, outcome=outcome, reason=said, numbers=numbers, blocking=False)


def _e_value_of(log: float) -> float:
    return math.exp(max(min(log, counts.LARGEST_LOG), -counts.LARGEST_LOG))
