"""Copied requests as the judge counts them: pairs of answers, apart from live requests."""

import itertools
import math
from typing import Any

import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.decision import decide, score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence, prior_for_next_rollout
from slipway.domain.judge.judge import When, copies_guard, learn_bursts, update_from_copies
from slipway.domain.judge.metrics import Score
from slipway.domain.judge.readings import Sums
from slipway.domain.rollout.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.judge.specs import COPIED, NOW, SPEC
from tests.domain.judged import Bench, after, arms, counted
from tests.domain.looks import release_spec


def paired(spec: ReleaseSpec = COPIED, **came: Any) -> Evidence:  # noqa: ANN401 - parts of the comparison
    """Return the evidence after one look at copies."""
    return update_from_copies(NO_EVIDENCE, ShadowComparison(**came), spec.judge, NOW)


def copies(evidence: Evidence, spec: ReleaseSpec = COPIED) -> Score:
    """Return what errors on copies say."""
    [said] = [one for one in score_metrics(evidence, spec) if one.check == Check.COPIES]
    return said


def test_copies_hide_nothing_of_live_requests() -> None:
    """What a canary does on copies is not held against live ones, and passes none that show too little themselves."""
    live = ((100, 4, 900, 18), (200, 9, 1800, 36))
    bench = Bench(spec=COPIED, evidence=paired(compared=50_000, canary_failed=500, stable_failed=500))
    for n, x, m, y in ((0, 0, 0, 0), *live):
        bench.look(arms(counted(n, x), counted(m, y)))
    one, other = (score_metrics(evidence, COPIED)[0] for evidence in (bench.evidence, after(*live)))

    assert (bench.evidence.canary, bench.evidence.stable) == (counted(200, 9), counted(1800, 36))
    assert (one.check, one.evidence_against) == (Check.ERRORS, pytest.approx(other.evidence_against))
    assert other.evidence_for < one.evidence_for < -math.log(COPIED.judge.beta)
    assert bench.evidence.rate(Check.COPIES).canary == counted(50_000, 500)


def test_errors_on_copies_need_not_pass_and_can_take_it_back() -> None:
    """They have a third of the weight of live ones; few of them hold no promotion."""
    guard, errors = copies_guard(COPIED.judge), COPIED.judge.errors
    fine = Bench(evidence=paired(compared=20, canary_failed=1, stable_failed=1))
    for number in (0, 1):
        fine.look(arms(counted(4000 * number, 200 * number), counted(4000 * number, 200 * number)))
    bad = paired(compared=300, canary_failed=60)

    assert (guard.weight, guard.required) == (pytest.approx(errors.weight / 3), False)
    assert (guard.margin, guard.tolerance, guard.negligible) == (errors.margin, errors.tolerance, errors.negligible)
    assert copies(fine.evidence).outcome(0.05) is Outcome.INCONCLUSIVE
    assert decide(fine.evidence, COPIED).outcome is Outcome.PASS
    assert decide(bad, COPIED).outcome is Outcome.FAIL
    assert decide(bad, SPEC).outcome is Outcome.NO_DATA  # no shadow: nothing is asked of copies


def test_copies_begin_with_what_is_known_of_stable_now() -> None:
    """Gusts that an earlier rollout's copies showed are another stable's; those of live requests came last."""
    earlier = prior_for_next_rollout(paired(compared=900, canary_failed=3, stable_failed=3))
    learned = earlier
    for number in range(40):
        now = arms(None, counted(4000 * number, 40 * number))
        learned = learn_bursts(learned, "old", now, COPIED.judge, When(at=60.0 * number))

    copied = update_from_copies(learned, ShadowComparison(compared=50), COPIED.judge, When(at=60.0 * 39))

    assert Check.COPIES in earlier.rates
    assert copied.rate(Check.COPIES).dispersion.pairs == learned.rate(Check.ERRORS).dispersion.pairs == 37


def test_only_copies_on_which_one_fails_are_compared() -> None:
    """Two hundred requests that nobody can answer say nothing: McNemar's pairs."""
    with_shared = paired(compared=1000, canary_failed=203, stable_failed=204, both_failed=200)
    without = paired(compared=1000, canary_failed=3, stable_failed=4, both_failed=0)

    assert (with_shared.rate(Check.COPIES).canary, with_shared.rate(Check.COPIES).stable) == (
        counted(1000, 3),
        counted(1000, 4),
    )
    assert copies(with_shared).evidence_against == pytest.approx(copies(without).evidence_against)
    assert copies(with_shared).evidence_for < copies(without).evidence_for  # 203 of 1,000 are not negligible


def test_within_a_margin_shared_failures_count_for_both() -> None:
    """A canary with 1.2 times stable's failures is healthy at a margin of 1.3, although it alone fails on some."""
    spec = release_spec({"errors": {"margin": 1.3, "tolerance": 2.0}})

    evidence = paired(spec, compared=10_000, canary_failed=1200, stable_failed=1000, both_failed=1000)

    strict = paired(compared=10_000, canary_failed=1200, stable_failed=1000, both_failed=1000)
    assert copies(evidence, spec).evidence_against < 0
    assert decide(strict, COPIED).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("margin", "stable", "both"), [(1.0, 0.3, 0.2), (1.0, 0.3, 0.0), (1.5, 0.2, 0.2), (1.5, 0.2, 0.1)]
)
def test_pairs_expect_no_growth_from_a_healthy_canary(margin: float, stable: float, both: float) -> None:
    """By enumeration over three copies, at the margin, with failures that the two share."""
    spec = release_spec({"errors": {"margin": margin, "tolerance": 2.0}})
    chances = {(1, 1): both, (1, 0): margin * stable - both, (0, 1): stable - both}
    chances[0, 0] = 1 - sum(chances.values())
    whole = 0.0
    for outcome in itertools.product(chances, repeat=3):
        canary, other = (sum(pair[arm] for pair in outcome) for arm in (0, 1))
        shared = sum(pair == (1, 1) for pair in outcome)
        evidence = paired(spec, compared=3, canary_failed=canary, stable_failed=other, both_failed=shared)
        chance = math.prod(chances[pair] for pair in outcome)
        whole += chance * math.exp(copies(evidence, spec).evidence_against)

    assert whole <= 1 + 1e-9


def test_a_comparison_that_began_anew_is_left_out() -> None:
    """Counts that went backwards are not subtracted."""
    before = ShadowComparison(compared=100, canary_failed=9, log_latency_ratios=Sums(count=9, total=1.0, squares=2.0))

    for later in (NOTHING_COMPARED, ShadowComparison(compared=120, canary_failed=8), before):
        assert update_from_copies(NO_EVIDENCE, later.since(before), SPEC.judge, NOW) == NO_EVIDENCE
