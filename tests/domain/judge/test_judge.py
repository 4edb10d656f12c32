"""The judge: what it takes from cumulative readings, look by look."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.decision import build_verdicts, decide
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence, prior_for_next_rollout
from slipway.domain.judge.judge import When, advance_cursors, knows_bursts, learn_bursts, may_rise, update_evidence
from slipway.domain.judge.statistics import counts
from slipway.domain.spec.judge import JudgeSpec
from slipway.domain.spec.release import ReleaseSpec
from tests.domain.judge.specs import NOW, SPEC, count_delta, counters
from tests.domain.judged import ARMS, Bench, after, arms, counted
from tests.domain.looks import release_spec


def weighed(evidence: Evidence) -> dict[str, Any]:
    """Return what was weighed, without where the next look begins."""
    return {check: (one.canary, one.stable, one.tally) for check, one in evidence.rates.items()}


def test_evidence_starts_at_one() -> None:
    """Before the first look nothing is said either way."""
    said = decide(NO_EVIDENCE, SPEC)

    assert (said.evidence_against, said.evidence_for) == pytest.approx((1.0, 1.0))


def test_the_first_look_only_remembers() -> None:
    """Counters began long before the rollout: where they stand says nothing about it."""
    evidence = update_evidence(NO_EVIDENCE, ARMS, arms(counted(900, 90), counted(90_000, 9)), SPEC.judge, NOW)

    assert replace(evidence, cursors={}) == NO_EVIDENCE
    assert evidence.cursors["requests"].last["old"].requests == counted(90_000, 9)


def test_a_look_weighs_what_came_since_the_last_one() -> None:
    """Two looks at cumulative counters are two looks at differences."""
    evidence = after((10, 1, 100, 2), (25, 4, 180, 3))

    [apart] = counts.update_counts(
        counts.update_counts([counts.NOTHING], [count_delta(10, 1, 100, 2)], [SPEC.judge.errors], 17, 0.0),
        [count_delta(15, 3, 80, 1)],
        [SPEC.judge.errors],
        17,
        0.0,
    )
    assert evidence.rate(Check.ERRORS).tally == pytest.approx(apart.tally)
    assert (evidence.canary, evidence.stable) == (counted(25, 4), counted(180, 3))


@given(canary=counters(), stable=counters())
def test_a_duplicated_scrape_adds_nothing(canary: Counters, stable: Counters) -> None:
    """A look at counters that stood still is no evidence."""
    bench = Bench()
    for now in (arms(ZERO, ZERO), arms(canary, stable)):
        bench.look(now)
    once = bench.evidence

    twice = bench.look(arms(canary, stable))

    assert (twice.canary, twice.stable) == (once.canary, once.stable)
    assert _said(twice) == pytest.approx(_said(once))


def _said(evidence: Evidence, spec: ReleaseSpec = SPEC) -> tuple[float, float]:
    said = decide(evidence, spec)
    return math.log(said.evidence_against), math.log(said.evidence_for)


@pytest.mark.parametrize("restarted", ["canary", "stable"])
def test_a_restarted_counter_drops_the_interval_of_both(restarted: str) -> None:
    """Nothing is weighed; the next interval counts again, from where the new process stood."""
    bench = Bench(evidence=after((50, 1, 500, 5)))
    before = weighed(bench.evidence)
    new, old = (counted(3, 3), counted(550, 6)) if restarted == "canary" else (counted(60, 2), counted(4, 4))

    bench.look(arms(new, old))
    dropped = weighed(bench.evidence)
    bench.look(arms(counted(new.requests + 7, new.errors + 1), counted(old.requests + 70, old.errors)))

    assert dropped == before
    assert (bench.evidence.canary, bench.evidence.stable) == (counted(57, 2), counted(570, 5))


def test_a_late_scrape_is_skipped_and_nothing_counts_twice() -> None:
    """An old value is no restart: the look after it goes on where the last good one stood."""
    bench = Bench(evidence=after((50, 1, 500, 5), (80, 2, 800, 8)))

    bench.look(arms(counted(60, 1), counted(600, 6)))
    bench.look(arms(counted(90, 3), counted(900, 9)))

    assert (bench.evidence.canary, bench.evidence.stable) == (counted(90, 3), counted(900, 9))


@pytest.mark.parametrize(("canary", "stable"), [(counted(60, 9), None), (None, counted(600, 9)), (None, None)])
def test_an_arm_that_was_not_read_leaves_both_where_they_were(canary: Counters | None, stable: Counters | None) -> None:
    """No evidence now, and none lost: the next whole look covers the same time span in both arms."""
    bench = Bench(evidence=after((50, 1, 500, 5)))
    before = bench.evidence

    unread = bench.look(arms(canary, stable))

    assert unread == before
    assert bench.look(arms(counted(70, 2), counted(700, 7))).canary == counted(70, 2)


def test_remembering_weighs_nothing() -> None:
    """What happens until a remembered look is never held for or against anyone."""
    evidence = advance_cursors(after((10, 0, 10, 0)), ARMS, arms(counted(500, 400), counted(500, 0)), SPEC.judge)

    assert update_evidence(evidence, ARMS, arms(counted(510, 400), counted(510, 0)), SPEC.judge, NOW).canary == counted(
        20, 0
    )


def test_learning_alone_holds_nothing_for_or_against_a_canary() -> None:
    """The revision that serves is watched for its gusts and its usual errors; there is no canary yet."""
    evidence = NO_EVIDENCE
    for number in range(40):
        now = arms(None, counted(4000 * number, 40 * number))
        evidence = learn_bursts(evidence, "old", now, SPEC.judge, When(at=60.0 * number))

    assert _said(evidence) == pytest.approx((0.0, 0.0))
    assert evidence.rate(Check.ERRORS).dispersion.pairs == 37
    assert evidence.fault.usual == pytest.approx(0.01)
    assert prior_for_next_rollout(evidence).rate(Check.ERRORS).dispersion == evidence.rate(Check.ERRORS).dispersion


@pytest.mark.parametrize(("minutes", "known"), [(1, False), (10, False), (12, True), (60, True)])
def test_gusts_are_known_after_ten_neighbouring_blocks(minutes: int, known: bool) -> None:  # noqa: FBT001 - a table
    """A few looks at stable alone, each in a minute of its own; the first and the last minute are not whole."""
    evidence = NO_EVIDENCE
    for number in range(minutes + 1):
        evidence = learn_bursts(
            evidence, "old", arms(None, counted(4000 * number, 40 * number)), SPEC.judge, When(at=60.0 * number)
        )

    assert knows_bursts(evidence, SPEC.judge) is known
    assert knows_bursts(evidence, SPEC.judge.model_copy(update={"burst_cv": 0.5}))


def test_what_happens_while_both_fail_is_not_weighed() -> None:
    """A dependency is down: the evidence stays, until both are well again."""
    bench = Bench()
    rows = [(0, 0, 0, 0), (100, 0, 900, 4), (200, 0, 1800, 8)]
    outage = [(300, 33, 2700, 308), (400, 73, 3600, 608), (500, 90, 4500, 800)]
    ends = [(600, 90, 5400, 804), (700, 90, 6300, 808)]
    for n, x, m, y in rows:
        bench.look(arms(counted(n, x), counted(m, y)))
    paused = weighed(bench.evidence)

    for n, x, m, y in [*outage, ends[0]]:
        bench.look(arms(counted(n, x), counted(m, y)))
        assert weighed(bench.evidence) == paused
    bench.look(arms(counted(*ends[1][:2]), counted(*ends[1][2:])))

    assert not bench.evidence.fault.now
    assert bench.evidence.canary == counted(300, 0)


def test_labels_are_weighed_while_both_fail() -> None:
    """They come late, for answers that were given at other times."""
    bench = Bench(spec=release_spec({"labels": {}}))
    for number, failing in enumerate((0, 0, 0, 300, 300)):
        labels = {name: counted(50 * number, number) for name in ("new", "old")}
        done = counted(900 * number, 4 * number + failing * max(0, number - 2))
        bench.look(arms(done, done, labels=labels))

    assert bench.evidence.fault.now
    assert bench.evidence.rate(Check.LABELS).canary == counted(200, 4)


def test_without_an_answer_of_the_canary_the_weight_does_not_rise_early() -> None:
    """However well stable does."""
    assert not may_rise(after((0, 0, 5000, 5)), SPEC.judge, 50)


def test_the_weight_rises_early_once_a_broken_canary_is_excluded() -> None:
    """A few hundred good answers; one that fails on a tenth is not let up."""
    few = after((5, 0, 45, 0))
    good, bad = (
        after(*[(20 * look, errors * look, 180 * look, look // 2) for look in range(1, 31)]) for errors in (0, 12)
    )

    assert [may_rise(one, SPEC.judge, 25) for one in (few, good, bad)] == [False, True, False]


def test_a_judge_without_options_looks_at_errors_and_latency() -> None:
    """Labels, scores, classes and drift are asked for; errors and times of copies where there are any."""
    usual = {"latency": JudgeSpec().latency}

    alone, copied = (build_verdicts(NO_EVIDENCE, release_spec(usual, **more)) for more in ({"shadow": None}, {}))

    assert [one.check for one in alone] == [Check.ERRORS, Check.LATENCY]
    assert [one.check for one in copied] == [Check.ERRORS, Check.LATENCY, Check.COPIES, Check.SLOWDOWN]
