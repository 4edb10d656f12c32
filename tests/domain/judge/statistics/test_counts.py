"""Shares of requests as the judge keeps them: several at once, in a document, of constant size."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.statistics import rates
from slipway.domain.judge.statistics.counts import (
    LARGEST_LOG,
    NOTHING,
    CountDelta,
    CountEvidence,
    learn_dispersion,
    log_evidence,
    log_evidence_under,
    metric_likelihood,
    update_counts,
)
from slipway.domain.spec.judge import RateGuard
from slipway.domain.stored.formats import STATUS

DOCUMENT = TypeAdapter(list[CountEvidence])
GUARDS = [
    RateGuard(margin=1.0, tolerance=1.5, negligible=0.01),
    RateGuard(margin=1.25, tolerance=2.0, negligible=0.002),
    RateGuard(margin=2.0, tolerance=3.0, negligible=0.05),
]
LOOKS_PER_BLOCK = 3


def counted(requests: int, errors: int) -> Counters:
    """Return counters."""
    return Counters(requests=requests, errors=errors)


def look_of(n_c: int, x: int, n_s: int, y: int) -> CountDelta:
    """Return what came since the last look."""
    return CountDelta(canary=counted(n_c, x), stable=counted(n_s, y))


@st.composite
def looks(draw: st.DrawFn) -> CountDelta:
    """Draw what came since the last look."""
    n_c, n_s = draw(st.integers(0, 3000)), draw(st.integers(0, 3000))
    return look_of(n_c, draw(st.integers(0, min(n_c, 300))), n_s, draw(st.integers(0, min(n_s, 300))))


rounds = st.lists(st.tuples(looks(), looks(), looks()), min_size=1, max_size=12)


def grown(rows: Any, guards: list[RateGuard], least_cv: float = 0.0) -> list[CountEvidence]:  # noqa: ANN401 - looks
    """Return the evidence of several metrics after looks at each; a block is three looks long."""
    evidence = [NOTHING] * len(guards)
    for number, row in enumerate(rows):
        evidence = update_counts(evidence, row, guards, number // LOOKS_PER_BLOCK, least_cv)
    return evidence


@given(rows=rounds, least_cv=st.sampled_from([0.0, 0.5, 2.0]))
def test_several_metrics_grow_as_each_alone(rows: list[tuple[CountDelta, ...]], least_cv: float) -> None:
    """Whatever is looked at beside it, and however bursts are weighed."""
    together = grown(rows, GUARDS, least_cv)
    evidence_against, evidence_for = log_evidence(together, GUARDS, least_cv)

    for number, guard in enumerate(GUARDS):
        [alone] = grown([(row[number],) for row in rows], [guard], least_cv)
        assert together[number].tally == pytest.approx(alone.tally, rel=1e-12, abs=1e-12)
        assert together[number].dispersion == alone.dispersion
        assert together[number].gusty == alone.gusty
        alone_against, alone_favour = log_evidence([alone], [guard], least_cv)
        assert (evidence_against[number], evidence_for[number]) == pytest.approx(
            (alone_against[0], alone_favour[0]), abs=1e-9
        )


@given(rows=rounds, cut=st.integers(0, 12))
def test_evidence_goes_on_after_a_restart(rows: list[tuple[CountDelta, ...]], cut: int) -> None:
    """Cut anywhere, written as JSON and read again, it ends with the same numbers to the last bit."""
    whole = resumed = [NOTHING] * len(GUARDS)

    for number, row in enumerate(rows):
        whole = update_counts(whole, row, GUARDS, number // LOOKS_PER_BLOCK, 0.3)
        if number == cut:
            resumed = DOCUMENT.validate_json(DOCUMENT.dump_json(resumed))
        resumed = update_counts(resumed, row, GUARDS, number // LOOKS_PER_BLOCK, 0.3)

    assert resumed == whole
    assert np.array_equal(log_evidence(resumed, GUARDS, 0.3), log_evidence(whole, GUARDS, 0.3))


def test_what_is_kept_does_not_grow() -> None:
    """After one look and after a thousand: some 200 numbers per metric, a few thousand characters."""
    random = np.random.default_rng(1)
    rows = [[look_of(500, int(random.poisson(5)), 4500, int(random.poisson(45)))] for _ in range(1000)]

    [first], [last] = grown(rows[:1], GUARDS[:1]), grown(rows, GUARDS[:1])

    assert len(first.tally) == len(last.tally) < 210
    assert len(DOCUMENT.dump_json([last])) < 5000


def test_what_was_written_before_there_were_windows_goes_on() -> None:
    """A rollout under way when Slipway is updated keeps its evidence: calm blocks weigh the same both ways."""
    [now] = grown([[look_of(1004, 20, 4016, 30)], [look_of(1000, 21, 4000, 41)]], GUARDS[:1])
    before = DOCUMENT.dump_python([now])[0]
    ratios = len(rates.grid_of(1.0, 1.5).ratios)
    before["tally"] = before["tally"][: 2 * ratios + 2 * len(rates.SMALLER) + 6]
    for name in ("last_requests", "last_events", "looks_here", "looks", "spans", "recent"):
        del before["dispersion"][name]

    times = dict.fromkeys(("started_at", "entered_at", "heartbeat_at"), 1.0)
    status = {"model": "m", "version": 2, "release_id": "m-v2-a1", "evidence": {"rates": {"error rate": before}}}
    old = STATUS.load(status | times, "a status of format 1").evidence.rate(Check.ERRORS)

    assert log_evidence([old], GUARDS[:1], 0.0) == (
        pytest.approx(log_evidence([now], GUARDS[:1], 0.0)[0]),
        pytest.approx(log_evidence([now], GUARDS[:1], 0.0)[1]),
    )
    [later] = update_counts([old], [look_of(900, 8, 3600, 31)], GUARDS[:1], 1, 0.0)
    assert later.canary == now.canary + counted(900, 8)


def test_without_gusts_the_counts_decide() -> None:
    """Two looks with the same share weigh as one: the likelihood of the ratio, nothing taken off."""
    [evidence] = grown([[look_of(1004, 20, 4016, 30)], [look_of(1000, 21, 4000, 41)]], GUARDS[:1])

    total, grid = metric_likelihood(evidence, GUARDS[0], 0.0)

    whole = rates.log_likelihoods(*(np.array(float(one)) for one in (41, 71, 2004, 8016)), grid)
    evidence_against, _ = log_evidence([evidence], GUARDS[:1], 0.0)
    assert total == pytest.approx(whole)
    assert evidence_against[0] == pytest.approx(float(rates.log_evidence_against(whole, grid)))


def test_evidence_starts_at_one() -> None:
    """Before the first look nothing is said either way."""
    evidence_against, evidence_for = log_evidence([NOTHING], GUARDS[:1], 0.0)

    assert (evidence_against[0], evidence_for[0]) == pytest.approx((0.0, 0.0))


def test_overwhelming_evidence_stays_a_number() -> None:
    """A canary that always fails overflows no float and no document."""
    [evidence] = grown([[look_of(10**6, 10**6, 10**6, 0)]] * 5, GUARDS[:1])

    evidence_against, evidence_for = log_evidence([evidence], GUARDS[:1], 0.0)

    assert evidence_against[0] == LARGEST_LOG
    assert -math.inf < evidence_for[0] < 0
    assert DOCUMENT.validate_json(DOCUMENT.dump_json([evidence])) == [evidence]


@given(rows=st.lists(st.tuples(looks()), min_size=1, max_size=6), more=st.integers(1, 50))
def test_more_errors_of_the_canary_never_lower_the_evidence_against_it(
    rows: list[tuple[CountDelta]], more: int
) -> None:
    """Nor do they raise the evidence for it; in calm traffic, look by look."""
    at = len(rows) // 2
    [last] = rows[at]
    worse = look_of(last.canary.requests + 50, last.canary.errors + more, last.stable.requests + 50, last.stable.errors)
    same = look_of(last.canary.requests + 50, last.canary.errors, last.stable.requests + 50, last.stable.errors)

    few, many = (
        log_evidence(grown([*[(r,) for (r,) in rows[:at]], (changed,), *rows[at + 1 :]], GUARDS[:1]), GUARDS[:1], 0.0)
        for changed in (same, worse)
    )

    assert many[0][0] >= few[0][0] - 1e-9
    assert many[1][0] <= few[1][0] + 1e-9


# bursts


def test_gusts_assumed_at_least_take_evidence_off() -> None:
    """A spec that knows of bursts is not told otherwise by a calm hour."""
    rows = [[look_of(2000, 40, 8000, 80)]] * 6

    calm, bursty = (log_evidence(grown(rows, GUARDS[:1], cv), GUARDS[:1], cv)[0][0] for cv in (0.0, 1.0))

    assert bursty < 1 < math.log(100) < calm


def test_the_gusts_of_stable_are_learned_on_the_way_and_before() -> None:
    """Alone before the rollout, as the reference within it; the canary's own gusts are never asked."""
    before = NOTHING
    for block, errors in enumerate((10, 90, 12, 80, 15, 95)):
        before = learn_dispersion(before, counted(4000, errors), block)

    assert before.canary == before.stable == counted(0, 0)
    assert before.dispersion.pairs == 4
    [within] = update_counts([before], [look_of(4000, 4000, 4000, 20)], GUARDS[:1], 6, 0.0)
    assert within.dispersion.pairs == 5
    assert within.gusty


def test_how_a_block_is_weighed_is_known_before_it() -> None:
    """What it counts itself does not change it: else the evidence would choose its own scale."""
    quiet = [[look_of(1000, 10, 4000, 40)]] * (3 * LOOKS_PER_BLOCK)
    wild = [look_of(1000, 1000, 4000, 3000)]

    [before], [after] = grown([*quiet, wild], GUARDS[:1]), grown([*quiet, wild, wild], GUARDS[:1])

    assert (before.gusty, after.gusty) == (False, False)
    assert before.dispersion.pairs == after.dispersion.pairs


def test_a_metric_that_missed_looks_goes_on_beside_the_others() -> None:
    """Its block ends when it is looked at again; the other's does in its own time."""
    one, other = update_counts([NOTHING] * 2, [look_of(100, 1, 400, 2)] * 2, GUARDS[:2], 0, 0.0)
    [one] = update_counts([one], [look_of(100, 2, 400, 3)], GUARDS[:1], 1, 0.0)

    together = update_counts([one, other], [look_of(100, 3, 400, 4)] * 2, GUARDS[:2], 2, 0.0)

    assert [each.canary.errors for each in together] == [6, 4]
    assert (together[0].dispersion.pairs, together[1].dispersion.pairs) == (1, 0)
    [alone] = update_counts([one], [look_of(100, 3, 400, 4)], GUARDS[:1], 2, 0.0)
    assert together[0].tally == pytest.approx(alone.tally)


# pairs, and what may be excluded


def test_what_both_arms_share_counts_against_negligible_only() -> None:
    """Of 30 failures 25 were stable's too: 5 are compared, and 30 of 100 are not negligible."""
    shared = CountDelta(canary=counted(100, 5), stable=counted(100, 0), canary_alone=30)
    hidden = CountDelta(canary=counted(100, 5), stable=counted(100, 0))

    [one], [other] = (
        update_counts([NOTHING], [shared], GUARDS[:1], 0, 0.0),
        update_counts([NOTHING], [hidden], GUARDS[:1], 0, 0.0),
    )

    assert log_evidence([one], GUARDS[:1], 0.0)[0] == log_evidence([other], GUARDS[:1], 0.0)[0]
    assert log_evidence([one], GUARDS[:1], 0.0)[1] < log_evidence([other], GUARDS[:1], 0.0)[1]


def test_far_worse_ratios_are_excluded_first() -> None:
    """Sixteen times as bad is known not to be long before twice."""
    [evidence] = grown([[look_of(200, 4, 3800, 76)]], GUARDS[:1])

    excluded = [log_evidence_under(evidence, GUARDS[0], ratio, 0.0) for ratio in (1.0, 2.0, 4.0, 16.0)]

    assert excluded == sorted(excluded)
    assert excluded[0] < 1 < math.log(20) < excluded[-1]


@pytest.mark.parametrize(("share", "rare"), [(0.005, False), (0.001, True), (None, True)])
def test_how_a_canary_may_pass_is_weighed_as_stable_was_known_before(share: float | None, *, rare: bool) -> None:
    """And never by what came since: weights that follow the data would not be an e-value's."""
    guard = RateGuard(margin=1.0, tolerance=2.0, negligible=0.002)
    before = NOTHING
    if share is not None:
        for block in range(12):
            before = learn_dispersion(before, counted(6000, round(6000 * share)), block)

    begun = update_counts([before], [look_of(500, 3, 1500, 9)], [guard], 12, 0.0)
    later = update_counts(begun, [look_of(500, 0, 15_000, 0 if not rare else 900)], [guard], 13, 0.0)

    assert [begun[0].rare, later[0].rare] == [rare, rare]


def test_where_stable_fails_more_than_negligibly_the_ratio_decides_sooner() -> None:
    """The same counts, with and without knowing it: nearly twice the evidence."""
    guard = RateGuard(margin=1.0, tolerance=2.0, negligible=0.002)
    begun = update_counts([NOTHING], [look_of(6000, 30, 24_000, 120)], [guard], 0, 0.0)[0]

    evidence_for = [float(log_evidence([replace(begun, rare=rare)], [guard], 0.0)[1][0]) for rare in (False, True)]

    assert evidence_for[0] - evidence_for[1] == pytest.approx(math.log(0.95 / 0.5))
