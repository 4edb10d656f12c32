"""Refused, shed and non-finite answers: compared between the arms, each by a check of its own."""

import numpy as np
import pytest

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.decision import build_verdicts, decide
from slipway.domain.judge.evidence import NO_EVIDENCE
from slipway.domain.judge.judge import When, learn_bursts
from slipway.domain.judge.readings import Summary
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome, Verdict
from tests.domain.judged import Bench, arms

SPEC = ReleaseSpec.model_validate(
    {"model": "m", "data": {"path": "x", "label": "y"}, "judge": {"latency": None}, "rollout": {"shadow": None}}
)
KINDS = {Check.REFUSED: "refused", Check.SHED: "shed"}


def bench(**more: object) -> Bench:
    """Return a judge with the default spec that has seen nothing yet."""
    judge = Bench(spec=SPEC.model_copy(update=more))
    judge.look(arms(Counters(requests=0, errors=0), Counters(requests=0, errors=0)))
    return judge


def by_check(judge: Bench) -> dict[str, Verdict]:
    """Return the verdicts by their check."""
    return {verdict.check: verdict for verdict in build_verdicts(judge.evidence, judge.spec)}


@pytest.mark.parametrize("check", [Check.REFUSED, Check.SHED])
@pytest.mark.parametrize(("canary", "stable"), [(5, 495), (25, 475), (250, 250)], ids=["1 %", "5 %", "50 %"])
def test_a_canary_that_takes_nothing_is_found_within_two_looks(check: str, canary: int, stable: int) -> None:
    """At 50 requests/s and looks of 10 s, from the first step on."""
    judge = bench()

    for number in (1, 2):
        bad = Counters(requests=number * canary, errors=0, **{KINDS[check]: number * canary})
        judge.look(arms(bad, Counters(requests=number * stable, errors=0)))

    said = decide(judge.evidence, judge.spec)
    assert said.outcome is Outcome.FAIL
    assert by_check(judge)[check].outcome is Outcome.FAIL
    assert by_check(judge)[Check.ERRORS].outcome is not Outcome.FAIL
    assert said.reason.startswith(f"canary {KINDS[check].replace('ed', 'es') if check == Check.REFUSED else 'sheds'} ")


def test_a_canary_that_sheds_a_third_is_never_promoted() -> None:
    """However quick its other answers are."""
    judge = bench()

    for number in range(1, 31):
        judge.look(
            arms(Counters(requests=125 * number, errors=0, shed=40 * number), Counters(requests=375 * number, errors=0))
        )

    assert decide(judge.evidence, judge.spec).outcome is Outcome.FAIL


@pytest.mark.parametrize("kind", ["refused", "shed"])
def test_what_both_versions_refuse_alike_holds_nothing_against_the_canary(kind: str) -> None:
    """Clients that send nonsense send it to both: of 60 rollouts none is rolled back, nearly all pass."""
    random = np.random.default_rng(20261130)
    outcomes = []
    for _ in range(60):
        judge, sums = bench(), [0, 0]
        for number in range(1, 61):
            sums[0] += int(random.binomial(500, 0.3))
            sums[1] += int(random.binomial(1500, 0.3))
            both = [
                Counters(requests=number * n, errors=0, **{kind: x}) for n, x in zip((500, 1500), sums, strict=True)
            ]
            judge.look(arms(*both))
        outcomes.append({one.check: one.outcome for one in build_verdicts(judge.evidence, judge.spec)})

    named = {"refused": Check.REFUSED, "shed": Check.SHED}[kind]
    assert sum(one[named] is Outcome.FAIL for one in outcomes) == 0
    assert sum(one[named] is Outcome.PASS for one in outcomes) >= 57


@pytest.mark.parametrize("check", [Check.REFUSED, Check.SHED])
def test_they_must_pass_before_promotion(check: str) -> None:
    """Fine errors are not enough."""
    judge = bench()
    spec = SPEC.model_copy(update={"judge": SPEC.judge.model_copy(update={KINDS[check]: None})})
    judge.look(
        arms(
            Counters(requests=9000, errors=0, **{KINDS[check]: 62}),
            Counters(requests=9000, errors=0, **{KINDS[check]: 50}),
        )
    )

    assert by_check(judge)[Check.ERRORS].outcome is Outcome.PASS
    assert decide(judge.evidence, judge.spec).outcome is Outcome.INCONCLUSIVE
    assert decide(judge.evidence, spec).outcome is Outcome.PASS


def test_answers_with_nan_roll_back_and_are_not_waited_for() -> None:
    """They come with a 200 and no router sees them: the revision's own page counts them."""
    counted = Counters(requests=500, errors=0), Counters(requests=500, errors=0)
    fine, bad = Summary(requests=500), Summary(requests=500, nonfinite=100)

    good = bench()
    good.look(arms(*counted, summaries={"new": Summary(), "old": Summary()}))
    good.look(arms(*counted, summaries={"new": fine, "old": fine}))
    worse = bench()
    worse.look(arms(*counted, summaries={"new": Summary(), "old": Summary()}))
    worse.look(arms(*counted, summaries={"new": bad, "old": fine}))

    assert by_check(good)[Check.NONFINITE].outcome is not Outcome.FAIL
    assert not by_check(good)[Check.NONFINITE].blocking
    assert by_check(worse)[Check.NONFINITE].outcome is Outcome.FAIL
    assert "gives NaN or infinity where stable never does" in by_check(worse)[Check.NONFINITE].reason


def test_how_refusals_come_in_gusts_is_learned_while_a_version_serves_alone() -> None:
    """As with errors: a client that sends nonsense for a minute is one event."""
    evidence = NO_EVIDENCE
    sums = np.cumsum(np.tile([0, 600], 20))
    for number, refused in enumerate(sums.tolist()):
        counters = Counters(requests=3000 * (number + 1), errors=0, refused=refused)
        evidence = learn_bursts(evidence, "old", arms(None, counters), SPEC.judge, When(at=60.0 * number))

    assert evidence.rate(Check.REFUSED).dispersion.excess > 0
    assert evidence.rate(Check.SHED).dispersion.excess == 0
