"""The judge: what it takes from cumulative readings, and its promises in the long run."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.decision import Decision, build_verdicts, decide, score_metrics
from slipway.domain.judge.evidence import NO_EVIDENCE, Evidence, prior_for_next_rollout
from slipway.domain.judge.judge import (
    When,
    advance_cursors,
    copies_guard,
    knows_bursts,
    learn_bursts,
    may_rise,
    update_evidence,
    update_from_copies,
)
from slipway.domain.judge.metrics import Score
from slipway.domain.judge.readings import Readings, Sums, collect_readings
from slipway.domain.judge.statistics import counts
from slipway.domain.rollout.shadow import NOTHING_COMPARED, ShadowComparison
from slipway.domain.rollout.status import RolloutStatus
from slipway.domain.spec.judge import JudgeSpec
from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.verdict import Outcome
from tests.domain.judged import ARMS, Bench, after, arms, counted, latencies, summary
from tests.domain.looks import release_spec

SPEC, COPIED = release_spec(shadow=None), release_spec()
NOW = When(at=1000.0, weight_percent=10)
DOCUMENT = TypeAdapter(RolloutStatus)


def weighed(evidence: Evidence) -> dict[str, Any]:
    """Return what was weighed, without where the next look begins."""
    return {check: (one.canary, one.stable, one.tally) for check, one in evidence.rates.items()}


@st.composite
def counters(draw: st.DrawFn, most: int = 40) -> Counters:
    """Draw counters of one arm."""
    requests = draw(st.integers(0, most))
    return counted(requests, draw(st.integers(0, requests)))


# what a look does


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
        counts.update_counts([counts.NOTHING], [_look(10, 1, 100, 2)], [SPEC.judge.errors], 17, 0.0),
        [_look(15, 3, 80, 1)],
        [SPEC.judge.errors],
        17,
        0.0,
    )
    assert evidence.rate(Check.ERRORS).tally == pytest.approx(apart.tally)
    assert (evidence.canary, evidence.stable) == (counted(25, 4), counted(180, 3))


def _look(n: int, x: int, m: int, y: int) -> counts.CountDelta:
    return counts.CountDelta(canary=counted(n, x), stable=counted(m, y))


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


# latency


TIMED = release_spec({"latency": {"margin": 1.25, "tolerance": 2.0, "quantile": 0.95}})


def timed(canary: Any, stable: Any) -> Readings:  # noqa: ANN401 - histograms
    """Return latencies alone."""
    return collect_readings(latencies={"new": canary, "old": stable})


def test_the_threshold_is_where_stables_slowest_begin() -> None:
    """The edge with the share closest to the quantile's, from what stable did before; it stays."""
    bench = Bench(spec=TIMED)

    bench.look(timed(latencies(0, 0, 0, 0), latencies(1000, 300, 45, 2)))
    fixed = bench.evidence.threshold_milliseconds
    bench.look(timed(latencies(100, 90, 80, 70), latencies(2000, 1300, 900, 800)))

    assert fixed == bench.evidence.threshold_milliseconds == 50.0
    assert bench.evidence.rate(Check.LATENCY).canary == counted(100, 80)
    assert bench.evidence.rate(Check.LATENCY).stable == counted(1000, 855)


def test_the_look_that_fixes_the_threshold_is_not_weighed_by_it() -> None:
    """A threshold chosen from a look's own answers would make stable look average in it."""
    bench = Bench(spec=TIMED)

    for stable in (latencies(40, 20, 2, 0), latencies(120, 60, 6, 0), latencies(200, 100, 10, 0)):
        bench.look(timed(latencies(stable.requests, *stable.slower), stable))

    assert bench.evidence.threshold_milliseconds == 50.0
    assert bench.evidence.rate(Check.LATENCY).stable == counted(80, 4)


def test_a_service_level_is_the_edge_next_to_it() -> None:
    """In the spec's milliseconds, whatever stable does."""
    bench = Bench(spec=release_spec({"latency": {"threshold_milliseconds": 90.0}}))

    bench.look(timed(latencies(0, 0, 0, 0), latencies(3, 3, 3, 0)))

    assert bench.evidence.threshold_milliseconds == 100.0


def test_other_edges_than_before_are_no_data() -> None:
    """A driver that was updated counts by others: nothing is compared across them, and nothing breaks."""
    spec = release_spec({"latency": {"any_quantile": True}})
    bench, others = Bench(spec=spec), (10.0, 60.0)
    bench.look(timed(latencies(0, 0, 0, 0), latencies(1000, 300, 45, 2)))

    for number in (1, 2, 3):
        now = latencies(1000 * number, 900 * number, 800 * number, edges=others)
        bench.look(timed(now, now))

    assert bench.evidence.rate(Check.LATENCY).canary == ZERO
    assert {one.check: one.outcome for one in build_verdicts(bench.evidence, spec)}[Check.LATENCY] is Outcome.NO_DATA


# both fail together


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


# shadow pairs


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


# evidence in a document


@given(
    seen=st.lists(st.tuples(counters(30), counters(200)), min_size=1, max_size=8),
    cut=st.integers(0, 8),
)
def test_evidence_goes_on_after_a_restart(seen: list[tuple[Counters, Counters]], cut: int) -> None:
    """Cut anywhere, written as JSON and read again, it ends with the same evidence and the same verdicts."""
    spec = release_spec({"latency": {"any_quantile": True}, "labels": {}, "scores": {"tolerance": 0.5}, "classes": {}})
    whole, resumed = Bench(spec=spec), Bench(spec=spec)
    sums: list[int] = [0, 0, 0, 0]

    for number, (canary, stable) in enumerate(seen):
        sums = list(np.add(sums, [canary.requests, canary.errors, stable.requests, stable.errors]).tolist())
        now = _everything(*sums)
        whole.look(now)
        if number == cut:
            resumed.evidence = DOCUMENT.validate_json(DOCUMENT.dump_json(_status(resumed.evidence))).evidence
        resumed.look(now)

    assert resumed.evidence == whole.evidence
    assert build_verdicts(resumed.evidence, spec) == build_verdicts(whole.evidence, spec)
    assert decide(resumed.evidence, spec) == decide(whole.evidence, spec)


def _everything(n: int, x: int, m: int, y: int) -> Readings:
    arm = {"new": counted(n, x), "old": counted(m, y)}
    return collect_readings(
        requests=arm,
        labels=arm,
        latencies={name: latencies(one.requests, one.errors, one.errors // 2, 0) for name, one in arm.items()},
        summaries={
            name: summary(one.requests, 0.3, {"cat": one.requests, "dog": one.errors}) for name, one in arm.items()
        },
    )


def _status(evidence: Evidence) -> RolloutStatus:
    return RolloutStatus(
        model="m", version=2, release_id="m-v2-a1", started_at=0.0, entered_at=0.0, heartbeat_at=0.0, evidence=evidence
    )


@given(seen=st.lists(st.tuples(counters(30), counters(200)), min_size=1, max_size=6))
def test_the_same_input_gives_the_same_verdict(seen: list[tuple[Counters, Counters]]) -> None:
    """No clock, no randomness."""

    def said() -> Decision:
        return decide(after(*np.cumsum([[c.requests, c.errors, s.requests, s.errors] for c, s in seen], axis=0)), SPEC)

    assert said() == said()


# when the weight may rise


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


# the promises in the long run

TRACES, LOOKS = 1000, 48
GUARD = SPEC.judge.errors


def simulated(ratio: float, seed: int, *, traces: int = TRACES) -> tuple[NDArray[np.bool_], list[Evidence]]:
    """Return which rollouts were ever rolled back, per look, and the first one's evidence by the judge itself.

    200 requests per look; the canary's share goes up from 5 to 50 % while the base rate swings from 1 to 4 %.
    """
    random = np.random.default_rng(seed)
    base = 0.025 * (1 + 0.6 * np.sin(np.arange(LOOKS) / 9))
    share = np.repeat([0.05, 0.25, 0.5], LOOKS // 3)
    n_c = np.round(200 * share).astype(int)
    x = random.binomial(n_c, ratio * base, (traces, LOOKS))
    y = random.binomial(200 - n_c, base, (traces, LOOKS))
    state, failed, told, bench = [counts.NOTHING] * traces, np.zeros((traces, LOOKS), bool), [], Bench()
    bench.look(arms(ZERO, ZERO))
    for at in range(LOOKS):
        looks = [_look(int(n_c[at]), int(x[one, at]), int(200 - n_c[at]), int(y[one, at])) for one in range(traces)]
        state = counts.update_counts(state, looks, [GUARD] * traces, int((bench.at + 10) // 60), 0.0)
        failed[:, at] = counts.log_evidence(state, [GUARD] * traces, 0.0)[0] >= -math.log(0.01)
        sums = (int(part[: at + 1].sum()) for part in (n_c, x[0], 200 - n_c, y[0]))
        n, x_0, m, y_0 = sums
        told.append(bench.look(arms(counted(n, x_0), counted(m, y_0))))
        assert told[-1].rate(Check.ERRORS).tally == pytest.approx(state[0].tally, abs=1e-9)
    return failed, told


def test_a_healthy_canary_is_rolled_back_less_often_than_alpha() -> None:
    """1,000 equal canaries, 48 looks each, with weights that rise under a base rate that swings (Simpson).

    The upper end of the rate (95 %, Clopper-Pearson) is under alpha; the judge itself says what the simulation does.
    """
    failed, _ = simulated(1.0, seed=1)

    ever = failed.any(axis=1)
    assert stats.beta.ppf(0.95, ever.sum() + 1, TRACES - ever.sum()) < 0.01


def test_a_canary_twice_as_bad_is_found() -> None:
    """Three of four within eight minutes (48 looks of 200 requests), half of them within six."""
    failed, _ = simulated(2.0, seed=2, traces=300)

    assert failed.any(axis=1).mean() > 0.75
    found = np.where(failed.any(axis=1), failed.argmax(axis=1), LOOKS)
    assert np.median(found) < 36


# the spec


def test_a_judge_without_options_looks_at_errors_and_latency() -> None:
    """Labels, scores, classes and drift are asked for; errors and times of copies where there are any."""
    usual = {"latency": JudgeSpec().latency}

    alone, copied = (build_verdicts(NO_EVIDENCE, release_spec(usual, **more)) for more in ({"shadow": None}, {}))

    assert [one.check for one in alone] == [Check.ERRORS, Check.LATENCY]
    assert [one.check for one in copied] == [Check.ERRORS, Check.LATENCY, Check.COPIES, Check.SLOWDOWN]
