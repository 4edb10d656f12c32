"""Every kind of metric in a decision: its verdict, that it can fail, and what is said when nothing is known."""

from typing import Any

import numpy as np
import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.decision import build_verdicts, decide, find_drift
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.judge.readings import Summary, collect_readings
from slipway.domain.judge.statistics.drift import profile_of
from tests.domain.judge.decided import EVERYTHING, FAIL, NO_DATA, PASS, live_spec, outcomes
from tests.domain.judged import Bench, arms, counted, latencies, summary


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
