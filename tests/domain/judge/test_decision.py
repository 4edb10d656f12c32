"""What the evidence means: alpha shared out, what is waited for, and what can't be said."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.judge.checks import Check
from slipway.domain.judge.decision import build_verdicts, decide, find_drift, score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence
from slipway.domain.judge.judge import When, update_from_copies
from slipway.domain.judge.metrics import Score
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.judge.readings import Summary, collect_readings
from slipway.domain.judge.statistics.drift import profile_of
from slipway.domain.rollout.shadow import ShadowComparison
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.judged import Bench, after, arms, counted, latencies, summary
from tests.domain.looks import release_spec

FAIL, PASS, INCONCLUSIVE, NO_DATA = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.NO_DATA
SPEC = release_spec(shadow=None)
EVERYTHING = release_spec(
    {
        "latency": {"any_quantile": True},
        "labels": {"weight": 2.0},
        "scores": {"tolerance": 0.5},
        "classes": {},
        "drift": {},
    },
    shadow={"duration_seconds": 10, "disagreement_limit": 0.1, "slowdown_limit": 1.5},
)


def live_spec(judge: dict[str, Any]) -> ReleaseSpec:
    """Return a spec without a shadow: only live requests are judged."""
    return release_spec(judge, shadow=None)


def outcomes(evidence: Evidence, spec: ReleaseSpec) -> dict[str, Outcome]:
    """Return each metric's outcome."""
    return {one.check: one.outcome for one in build_verdicts(evidence, spec)}


ONE_EACH = (
    Check.LATENCY,
    Check.COPIES,
    Check.SCORES,
    Check.CLASSES,
    Check.QUANTILES,
    Check.DISAGREEMENT,
    Check.SLOWDOWN,
)


# one metric


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


# all together


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


def test_every_metric_has_its_verdict() -> None:
    """Before anything was read: no data, each with its sentence."""
    found = build_verdicts(NO_EVIDENCE, EVERYTHING)

    assert {one.check: one.reason for one in found} == {
        Check.ERRORS: "no answer of the canary was counted yet",
        Check.LATENCY: "how slow stable's slowest answers are is not known yet",
        Check.LABELS: "no label arrived yet for both versions",
        Check.COPIES: "no copied request was answered by both yet",
        Check.SCORES: "no score of both versions was seen yet",
        Check.CLASSES: "no predicted label of both versions was seen yet",
        Check.QUANTILES: "no latency of both versions was read yet",
        Check.DISAGREEMENT: "no copied request was answered by both yet",
        Check.SLOWDOWN: "no copied request was timed by both yet",
        Check.DRIFT: "no input was compared with the validation rows yet",
    }
    assert {one.outcome for one in found} == {NO_DATA}
    assert [one.check for one in found if one.blocking] == [Check.ERRORS, Check.LATENCY, Check.SCORES, Check.CLASSES]


@pytest.mark.parametrize(
    ("judge", "check"),
    [({"latency": {}}, Check.LATENCY), ({"scores": {"tolerance": 1}}, Check.SCORES), ({"classes": {}}, Check.CLASSES)],
)
@pytest.mark.parametrize(
    "read",
    [{}, {"latencies": {}, "summaries": {}}, {"summaries": {"new": Summary(), "old": Summary()}}],
    ids=["not read", "empty", "says nothing"],
)
def test_a_metric_that_the_source_does_not_know_is_no_data(
    judge: dict[str, Any], check: str, read: dict[str, Any]
) -> None:
    """Never a success, never a failure: what is required and unknown is waited for, with its sentence."""
    spec = live_spec(judge)
    bench = Bench(spec=spec)
    for number in range(4):
        bench.look(arms(counted(4000 * number), counted(4000 * number), **read))

    said = decide(bench.evidence, spec)

    assert outcomes(bench.evidence, spec) == {Check.ERRORS: PASS, check: NO_DATA}
    assert said.outcome is NO_DATA
    assert said.reason.endswith(("yet", "not known yet"))


def test_each_kind_of_metric_can_fail() -> None:
    """Scores that moved, labels of another mix, answers that are slower at any quantile."""
    spec = live_spec({"latency": {"any_quantile": True}, "scores": {"tolerance": 0.5, "margin": 0.05}, "classes": {}})
    bench = Bench(spec=spec)
    for number in range(12):
        requests = 400 * number
        bench.look(
            collect_readings(
                latencies={
                    "new": latencies(requests, requests * 9 // 10, requests // 2, 0),
                    "old": latencies(requests, requests // 2, requests // 20, 0),
                },
                summaries={
                    "new": summary(requests, 1.0, {"cat": requests * 3 // 4, "dog": requests // 4}),
                    "old": summary(requests, 0.0, {"cat": requests // 2, "dog": requests // 2}),
                },
            )
        )

    found = outcomes(bench.evidence, spec)

    assert {check: found[check] for check in (Check.LATENCY, Check.QUANTILES, Check.SCORES, Check.CLASSES)} == {
        Check.LATENCY: FAIL,
        Check.QUANTILES: FAIL,
        Check.SCORES: FAIL,
        Check.CLASSES: FAIL,
    }


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


# inputs


@pytest.fixture(scope="module")
def profiles() -> tuple[ColumnProfile, ...]:
    """Return the profile of one column of a thousand validation rows."""
    return (profile_of("age", np.linspace(0, 100, 1000)),)


@pytest.mark.parametrize("moved", [False, True])
def test_drift_is_told_and_does_not_block(profiles: tuple[ColumnProfile, ...], *, moved: bool) -> None:
    """A warning: stable gets the same inputs, so the canary is not rolled back for them."""
    spec = live_spec({"drift": {}})
    bins = len(profiles[0].counts)
    live = np.eye(bins, dtype=int)[0] * 5000 if moved else 5 * np.array(profiles[0].counts)
    bench = Bench(spec=spec)
    for number in (0, 1):
        inputs = {"age": tuple(int(one) for one in number * live)}
        both = {"new": Summary(inputs=inputs), "old": Summary(inputs=inputs)}
        bench.look(collect_readings(summaries=both))

    *_, drift = build_verdicts(bench.evidence, spec, profiles)

    assert (drift.check, drift.outcome, drift.blocking) == (Check.DRIFT, FAIL if moved else PASS, False)
    assert drift.reason.startswith("live values of 'age' are not" if moved else "live inputs look like")
    assert (find_drift(bench.evidence, spec.judge, profiles) == drift.reason) == moved
    assert decide(bench.evidence, spec).outcome is NO_DATA


def test_drift_without_profiles_is_no_data() -> None:
    """A package without them can't be compared with."""
    bench = Bench(spec=EVERYTHING)
    both = {"new": Summary(inputs={"age": (5, 5)}), "old": Summary(inputs={"age": (5, 5)})}
    for _ in range(2):
        bench.look(collect_readings(summaries=both))

    assert find_drift(bench.evidence, EVERYTHING.judge, ()) == ""
    assert outcomes(bench.evidence, EVERYTHING)[Check.DRIFT] is NO_DATA


@given(seen=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=5))
def test_the_same_evidence_gives_the_same_decision(seen: list[tuple[int, int]]) -> None:
    """Asked twice, or of an equal value."""
    rows = np.cumsum([[50, x, 450, y] for x, y in seen], axis=0)
    one, other = (after(*[tuple(int(value) for value in row) for row in rows]) for _ in range(2))

    assert decide(one, SPEC) == decide(one, SPEC) == decide(other, SPEC)


COPIED = {"shadow": {"duration_seconds": 600}}


def with_copies(live: tuple[int, int, int, int], copies: tuple[int, int], spec: ReleaseSpec) -> Evidence:
    """Return the evidence of live requests, and of 20,000 copies on which so many fail."""
    compared = ShadowComparison(compared=20_000, canary_failed=copies[0], stable_failed=copies[1])
    before = update_from_copies(NO_EVIDENCE, compared, spec.judge, When(at=0.0))
    return replace(before, rates={**before.rates, Check.ERRORS: after(live, spec=spec).rate(Check.ERRORS)})


@pytest.mark.parametrize(
    ("copies", "outcome"),
    [((100, 100), Outcome.PASS), ((0, 0), Outcome.INCONCLUSIVE), ((130, 100), Outcome.INCONCLUSIVE)],
)
def test_copies_make_up_for_what_live_requests_have_not_shown_yet(copies: tuple[int, int], outcome: Outcome) -> None:
    """Where they show nothing, or speak against it, live requests must pass by themselves."""
    spec = release_spec({"errors": {"tolerance": 2.0, "negligible": 0.001}, "latency": None}, **COPIED)
    evidence = with_copies((6000, 30, 6000, 30), copies, spec)

    assert decide(evidence, spec).outcome is outcome


def test_copies_alone_promote_nothing() -> None:
    """However well the canary is on them: live requests must have shown something by themselves."""
    spec = release_spec({"errors": {"tolerance": 2.0, "negligible": 0.001}, "latency": None}, **COPIED)
    little = with_copies((600, 3, 600, 3), (400, 400), spec)
    worse = with_copies((6000, 60, 6000, 30), (400, 400), spec)

    assert decide(little, spec).outcome is Outcome.INCONCLUSIVE
    assert decide(worse, spec).outcome is not Outcome.PASS


def test_a_canary_that_is_slow_on_copies_is_found_there_without_a_limit_of_its_own() -> None:
    """A quarter slower is allowed, as copies are not quite like live requests; nothing without latency in the spec."""
    limits = [release_spec(judge, **COPIED).slowdown_limit for judge in ({"latency": {}}, {"latency": {"margin": 1.5}})]

    assert limits == [1.25, 1.5]
    assert release_spec(**COPIED).slowdown_limit is None
    assert release_spec({"latency": {}}, shadow=None).slowdown_limit is None
    assert release_spec({"latency": {}}, shadow={"slowdown_limit": 3.0}).slowdown_limit == 3.0
