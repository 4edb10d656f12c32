"""What the evidence means: one metric's outcome, alpha's parts, and what is waited for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.judge.checks import Check
from slipway.domain.judge.decision import build_verdicts, decide, score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.metrics import Score
from slipway.domain.verdict import Outcome
from tests.domain.judge.decided import EVERYTHING, FAIL, INCONCLUSIVE, NO_DATA, PASS, live_spec, outcomes
from tests.domain.judged import Bench, after, arms, counted, latencies
from tests.domain.looks import release_spec

SPEC = release_spec(shadow=None)
ONE_EACH = (
    Check.LATENCY,
    Check.COPIES,
    Check.SCORES,
    Check.CLASSES,
    Check.QUANTILES,
    Check.DISAGREEMENT,
    Check.SLOWDOWN,
)


@pytest.mark.parametrize(
    ("looks", "outcome", "sentence"),
    [
        ((0, 0, 5000, 50), NO_DATA, "no answer of the canary was counted yet"),
        ((500, 0, 0, 0), NO_DATA, "no answer of stable was counted yet: there is nothing to compare with"),
        ((30, 1, 300, 3), INCONCLUSIVE, "not enough evidence yet either way; errors: 1 of 30 against 3 of 300"),
        (
            (4000, 200, 4000, 200),
            PASS,
            (
                "canary fails less than 1.5x as often as stable (confidence 95 %); "
                "errors: 200 of 4,000 against 200 of 4,000"
            ),
        ),
        (
            (500, 0, 4500, 0),
            PASS,
            "canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 500 against 0 of 4,500",
        ),
        (
            (1500, 4, 4500, 9),
            PASS,
            "canary fails on less than 1 % of its requests (confidence 95 %); errors: 4 of 1,500 against 9 of 4,500",
        ),
        (
            (100, 30, 900, 0),
            FAIL,
            (
                "canary fails where stable never does; chance of that for an equal model below 1 in 1,000,000,000; "
                "30 of 100 against 0 of 900"
            ),
        ),
    ],
)
def test_one_look_decides_by_the_errors(looks: tuple[int, int, int, int], outcome: Outcome, sentence: str) -> None:
    """Outcome and sentence, each in full."""
    said = decide(after(looks), SPEC)

    assert (said.outcome, said.reason) == (outcome, sentence)
    assert [(one.outcome, one.reason) for one in build_verdicts(after(looks), SPEC)] == [(outcome, sentence)]


def test_the_example_of_the_documentation() -> None:
    """41 of 2,004 against 71 of 8,010: 2.31 times as often, with the evidence that the numbers behind it give."""
    evidence = after((2004, 41, 8010, 71))
    said = decide(evidence, SPEC)

    [verdict] = build_verdicts(evidence, SPEC)

    assert said.outcome is FAIL
    assert said.reason.startswith("canary fails 2.31x as often as stable (1.")
    assert said.reason.endswith("; 41 of 2,004 against 71 of 8,010")
    assert f"below 1 in {int(verdict.numbers['evidence_against'] // 10 * 10):,};" in said.reason
    assert verdict.numbers["ratio"] == pytest.approx(2.31, abs=0.01)
    assert verdict.numbers["alpha"] == 0.01
    assert verdict.blocking


def test_a_worse_canary_is_found_although_the_sums_look_well() -> None:
    """Simpson: its weight rose as everybody's errors fell; the sentence says how it was compared."""
    said = decide(after((10, 7, 1000, 300), (30, 21, 3000, 900), (4030, 75, 3100, 900)), SPEC)

    assert said.outcome is FAIL
    assert said.reason.startswith("look by look canary fails ")


@pytest.mark.parametrize("canary", [(0, 0), (1000, 0), (1000, 500)])
def test_a_stable_arm_without_traffic_says_nothing(canary: tuple[int, int]) -> None:
    """There is no reference: however the canary does, it is not compared, so it neither fails nor is fine."""
    said = decide(after((*canary, 0, 0)), SPEC)

    counted_by_canary = "stable" if canary[0] else "the canary"
    assert (said.outcome, said.reason.split(" was")[0]) == (NO_DATA, f"no answer of {counted_by_canary}")
    assert said.evidence_against == pytest.approx(1.0)


@given(
    n=st.integers(1, 3000), m=st.integers(0, 3000), x=st.integers(0, 60), y=st.integers(0, 60), more=st.integers(1, 60)
)
def test_more_errors_never_lower_the_evidence_against(n: int, m: int, x: int, y: int, more: int) -> None:
    """Nor raise what speaks for the canary."""
    m = max(m, y)
    few, many = (decide(after((n + 200, min(x + one, n + 200), m, y)), SPEC) for one in (0, more))

    assert many.evidence_against >= few.evidence_against * (1 - 1e-9)
    assert many.evidence_for <= few.evidence_for * (1 + 1e-9)


def test_overwhelming_evidence_is_told_like_any_other() -> None:
    """A canary that always fails: a number, a sentence, no error."""
    said = decide(after((100_000, 100_000, 100_000, 100)), SPEC)

    assert (said.outcome, 1e200 < said.evidence_against < math.inf) == (FAIL, True)
    assert said.reason.startswith("canary fails more than ")


def test_alpha_is_split_by_weight() -> None:
    """Errors have three parts and those on copies one, labels two as the spec says, everything else one each."""
    shares = {one.check: one.alpha for one in score_metrics(NO_EVIDENCE, EVERYTHING)}

    parts = {Check.ERRORS: 3, Check.LABELS: 2} | dict.fromkeys(ONE_EACH, 1)
    assert shares == {check: pytest.approx(0.01 * part / 12) for check, part in parts.items()}
    assert sum(shares.values()) == pytest.approx(0.01)


def test_a_metric_fails_at_its_own_share_of_alpha() -> None:
    """Evidence of 150 is enough where errors alone decide, and not where they have a third of alpha."""
    evidence = after((1000, 30, 9000, 120))
    together = live_spec({"errors": {"tolerance": 1.5, "negligible": 0.01, "weight": 1.0}, "labels": {"weight": 2.0}})

    alone, shared = decide(evidence, SPEC), decide(evidence, together)

    assert 100 < alone.evidence_against < 300
    assert (alone.outcome, shared.outcome) == (FAIL, INCONCLUSIVE)
    assert shared.evidence_against == pytest.approx(alone.evidence_against / 3)


def test_any_metric_that_fails_decides() -> None:
    """Labels alone: errors are fine, and the sentence is the labels'."""
    spec = live_spec({"labels": {}})
    bench = Bench(spec=spec)
    for number in (0, 1):
        labels = {"new": counted(400 * number, 120 * number), "old": counted(3600 * number, 100 * number)}
        bench.look(arms(counted(2000 * number), counted(8000 * number), labels=labels))

    said = decide(bench.evidence, spec)

    assert (said.outcome, outcomes(bench.evidence, spec)) == (FAIL, {Check.ERRORS: PASS, Check.LABELS: FAIL})
    assert said.reason.startswith("canary is wrong 10.8")
    assert said.reason.endswith("120 of 400 against 100 of 3,600")


def test_what_is_not_required_is_not_waited_for() -> None:
    """Labels come days later: the canary is promoted without them."""
    evidence = after((4000, 200, 4000, 200), spec=live_spec({"labels": {}}))

    waited = {required: decide(evidence, live_spec({"labels": {"required": required}})) for required in (False, True)}

    assert waited[False].outcome is PASS
    assert (waited[True].outcome, waited[True].reason) == (NO_DATA, "no label arrived yet for both versions")


def test_where_nothing_is_required_errors_must_pass_still() -> None:
    """Nothing is promoted on no evidence."""
    spec = live_spec({"errors": {"tolerance": 1.5, "negligible": 0.01, "required": False}})

    assert decide(NO_EVIDENCE, spec).outcome is NO_DATA
    assert decide(after((4000, 200, 4000, 200)), spec).outcome is PASS


def test_the_least_sure_of_what_is_required_is_told() -> None:
    """Evidence for the canary is the weakest metric's."""
    spec = live_spec({"latency": {"threshold_milliseconds": 50.0}})
    bench = Bench(spec=spec)
    for number in (0, 1):
        slow = {name: latencies(20 * number, 10 * number, number, 0) for name in ("new", "old")}
        bench.look(arms(counted(4000 * number, 200 * number), counted(4000 * number, 200 * number), latencies=slow))

    said = decide(bench.evidence, spec)

    least = min(one.evidence_for for one in score_metrics(bench.evidence, spec))
    assert said.outcome is INCONCLUSIVE
    assert said.reason == "not enough evidence yet either way; slow answers: 1 of 20 against 1 of 20 slower than 50 ms"
    assert said.evidence_for == pytest.approx(math.exp(least))


def test_nothing_seen_is_no_data_whatever_else_is_said() -> None:
    """Of one metric: FAIL by its evidence, else nothing without counts, else PASS or not yet."""
    one = Score(
        check="x",
        evidence_against=0.0,
        evidence_for=9.0,
        alpha=0.01,
        required=True,
        seen=False,
        tell=lambda _outcome: ("", {}),
    )

    assert one.outcome(0.05) is NO_DATA
    assert replace(one, seen=True).outcome(0.05) is PASS
    assert replace(one, seen=True, evidence_for=1.0).outcome(0.05) is INCONCLUSIVE
    assert replace(one, evidence_against=5.0).outcome(0.05) is FAIL


@given(seen=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5))
def test_the_same_evidence_gives_the_same_decision(seen: list[tuple[int, int]]) -> None:
    """Asked twice, or of an equal value."""
    rows = np.cumsum([[50, x, 450, y] for x, y in seen], axis=0)
    one, other = (after(*[tuple(int(value) for value in row) for row in rows]) for _ in range(2))

    assert decide(one, SPEC) == decide(one, SPEC) == decide(other, SPEC)
