"""The judge: its probabilities against scipy and exact arithmetic, its promises by enumeration and simulation."""

import math
import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats

from slipway.domain.counters import Counters
from slipway.domain.judge import (
    FINE,
    NEGLIGIBLE,
    WORSE,
    Arms,
    evidence_against,
    evidence_for,
    log_likelihoods,
    look,
    remember,
    verdict,
)
from slipway.domain.spec import JudgeSpec
from slipway.domain.status import Evidence, Phase, RolloutStatus
from slipway.domain.verdict import Outcome

SPEC = JudgeSpec()


def counted(requests: int, errors: int) -> Counters:
    """Return counters."""
    return Counters(requests=requests, errors=errors)


def arms(canary: Counters | None, stable: Counters | None, channel: str = "live") -> Arms:
    """Return what one look read; None: that arm was not read."""
    read = {"new": canary, "old": stable}
    return Arms(channel=channel, canary="new", stable="old", counters={n: c for n, c in read.items() if c is not None})


def after(*looks: tuple[int, int, int, int], spec: JudgeSpec = SPEC) -> Evidence:
    """Return the evidence after looks at (canary requests, errors, stable requests, errors), cumulative."""
    evidence = look(Evidence(), arms(counted(0, 0), counted(0, 0)), spec)
    for n, x, m, y in looks:
        evidence = look(evidence, arms(counted(n, x), counted(m, y)), spec)
    return evidence


@st.composite
def counters(draw: st.DrawFn, most: int = 40) -> Counters:
    """Draw counters of one arm."""
    requests = draw(st.integers(0, most))
    return counted(requests, draw(st.integers(0, requests)))


# the distribution


@given(canary=counters(), stable=counters(), odds=st.floats(0.1, 12))
def test_likelihoods_are_fishers_noncentral_hypergeometric(canary: Counters, stable: Counters, odds: float) -> None:
    """scipy, from an independent implementation, gives the same probabilities."""
    total, errors = canary.requests + stable.requests, canary.errors + stable.errors

    ours = math.exp(log_likelihoods(canary, stable, np.array([odds]))[0])

    theirs = stats.nchypergeom_fisher.pmf(canary.errors, total, canary.requests, errors, odds) if total else 1.0
    assert ours == pytest.approx(float(theirs), rel=1e-6, abs=1e-9)


@given(canary=counters(25), stable=counters(25), odds=st.fractions(Fraction(1, 8), 9, max_denominator=8))
def test_likelihoods_are_exact_far_into_the_tails(canary: Counters, stable: Counters, odds: Fraction) -> None:
    """Whole-number arithmetic gives the same logarithms, however small the probability."""
    errors = canary.errors + stable.errors
    ways = [
        math.comb(canary.requests, x) * math.comb(stable.requests, errors - x) * odds**x
        for x in range(max(0, errors - stable.requests), min(errors, canary.requests) + 1)
    ]
    here = math.comb(canary.requests, canary.errors) * math.comb(stable.requests, stable.errors) * odds**canary.errors

    ours = log_likelihoods(canary, stable, np.array([float(odds)]))

    exact = here / sum(ways)
    assert ours[0] == pytest.approx(math.log(exact.numerator) - math.log(exact.denominator), abs=1e-9)


@pytest.mark.parametrize(
    ("canary", "stable"),
    [
        (counted(0, 0), counted(0, 0)),
        (counted(50, 0), counted(1000, 0)),
        (counted(0, 0), counted(1000, 7)),
        (counted(50, 3), counted(0, 0)),
        (counted(50, 50), counted(1000, 1000)),
    ],
    ids=["nothing", "no errors", "no canary", "no stable", "only errors"],
)
def test_what_was_certain_says_nothing(canary: Counters, stable: Counters) -> None:
    """Where the margins leave one possibility, every odds ratio gives it probability one."""
    likelihoods = log_likelihoods(canary, stable, WORSE)

    assert likelihoods == pytest.approx(np.zeros(len(WORSE)), abs=1e-9)


def test_a_million_requests_stay_finite_and_close_to_the_normal_curve() -> None:
    """Ten thousand errors in a million requests: no overflow, and the odds ratio that made them is the likeliest."""
    canary, stable = counted(1_000_000, 10_000), counted(1_000_000, 5_000)
    odds = np.geomspace(0.5, 8, 200)

    likelihoods = log_likelihoods(canary, stable, odds)

    assert np.isfinite(likelihoods).all()
    made = (10_000 / 990_000) / (5_000 / 995_000)
    assert odds[likelihoods.argmax()] == pytest.approx(made, rel=0.02)


# the e-values, as promised


def test_evidence_starts_at_one() -> None:
    """Before the first look nothing is said either way."""
    assert (evidence_against(Evidence()), evidence_for(Evidence())) == (1.0, 1.0)


@pytest.mark.parametrize("margins", [(3, 4, 3), (6, 2, 5), (1, 9, 4), (5, 5, 10), (8, 8, 6)])
@pytest.mark.parametrize("margin", [1.0, 1.3])
@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_against_expects_no_growth_from_a_healthy_canary(
    margins: tuple[int, int, int], margin: float, share: float
) -> None:
    """Every factor's expectation, summed over all outcomes, is at most 1 for every odds ratio up to the margin."""
    spec = JudgeSpec(margin=margin)

    factors, chances = _all_outcomes(margins, share * margin, spec, "worse")

    assert (factors.T @ chances <= 1 + 1e-12).all()
    if share == 1:
        assert factors.T @ chances == pytest.approx(np.ones(len(WORSE)))  # a fair bet at the margin, not a timid one


@pytest.mark.parametrize("margins", [(3, 4, 3), (6, 2, 5), (1, 9, 4), (5, 5, 10), (8, 8, 6)])
@pytest.mark.parametrize("times", [1.0, 1.5, 6.0])
def test_fine_expects_no_growth_from_a_canary_beyond_the_tolerance(margins: tuple[int, int, int], times: float) -> None:
    """The mirror image: at most 1 for every odds ratio from the tolerance on."""
    factors, chances = _all_outcomes(margins, times * SPEC.tolerance, SPEC, "fine")

    assert (factors.T @ chances <= 1 + 1e-12).all()
    if times == 1:
        assert factors.T @ chances == pytest.approx(np.ones(len(FINE)))


@pytest.mark.parametrize("requests", [1, 7, 40])
@pytest.mark.parametrize("ratio", [0.01, 0.02, 0.5, 1.0])
def test_negligible_expects_no_growth_from_a_canary_that_fails_too_often(requests: int, ratio: float) -> None:
    """At most 1 for every error ratio from the negligible one on, whatever the stable revision does."""
    errors = range(requests + 1)
    chances = stats.binom.pmf(errors, requests, ratio)
    logs = [after((requests, x, 10, 1)).negligible for x in errors]

    expected = np.exp(np.array(logs)).T @ chances

    assert (expected <= 1 + 1e-12).all()
    if ratio == SPEC.negligible_error_ratio:
        assert expected == pytest.approx(np.ones(len(NEGLIGIBLE)))


def _all_outcomes(
    margins: tuple[int, int, int], odds: float, spec: JudgeSpec, which: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the factors of one look, shape (outcomes, alternatives), and each outcome's chance under `odds`."""
    n, m, errors = margins
    outcomes = range(max(0, errors - m), min(errors, n) + 1)
    factors = [np.exp(getattr(after((n, x, m, errors - x), spec=spec), which)) for x in outcomes]
    ways = np.array([math.comb(n, x) * math.comb(m, errors - x) * odds**x for x in outcomes])
    return np.array(factors), ways / ways.sum()


# what a look does


def test_the_first_look_only_remembers() -> None:
    """Counters began long before the rollout: where they stand says nothing about it."""
    evidence = look(Evidence(), arms(counted(900, 90), counted(90_000, 9)), SPEC)

    assert evidence == replace(Evidence(), last={"live/new": counted(900, 90), "live/old": counted(90_000, 9)})


def test_a_look_weighs_what_came_since_the_last_one() -> None:
    """Two looks at cumulative counters are two looks at differences."""
    evidence = after((10, 1, 100, 2), (25, 4, 180, 3))

    one, other = after((10, 1, 100, 2)), after((15, 3, 80, 1))
    assert evidence.worse == pytest.approx(np.add(one.worse, other.worse))
    assert evidence.fine == pytest.approx(np.add(one.fine, other.fine))
    assert evidence.negligible == pytest.approx(np.add(one.negligible, other.negligible))
    assert (evidence.canary, evidence.stable) == (counted(25, 4), counted(180, 3))


@given(canary=counters(), stable=counters())
def test_the_same_counters_twice_change_nothing(canary: Counters, stable: Counters) -> None:
    """A look at counters that stood still is no evidence."""
    once = look(after((0, 0, 0, 0)), arms(canary, stable), SPEC)

    twice = look(once, arms(canary, stable), SPEC)

    assert twice == once


@pytest.mark.parametrize("restarted", ["canary", "stable"])
def test_a_restarted_counter_drops_the_interval(restarted: str) -> None:
    """A counter that went backwards is remembered anew in both arms, and the next interval counts again."""
    before = after((50, 1, 500, 5))
    now = arms(counted(3, 3), counted(550, 6)) if restarted == "canary" else arms(counted(60, 2), counted(4, 4))

    restart = look(before, now, SPEC)
    begun = {f"live/{name}": counters for name, counters in now.counters.items()}

    assert restart == replace(before, last=begun)


@pytest.mark.parametrize(("canary", "stable"), [(counted(60, 9), None), (None, counted(600, 9)), (None, None)])
def test_an_arm_that_was_not_read_leaves_both_where_they_were(canary: Counters | None, stable: Counters | None) -> None:
    """No evidence now, and none lost: the next whole look covers the same time span in both arms."""
    before = after((50, 1, 500, 5))

    unread = look(before, arms(canary, stable), SPEC)

    assert unread == before
    assert look(unread, arms(counted(70, 2), counted(700, 7)), SPEC) == after((50, 1, 500, 5), (70, 2, 700, 7))


def test_channels_do_not_share_their_counters() -> None:
    """Shadow's counts begin at zero while live ones stand in the thousands."""
    evidence = look(Evidence(), arms(counted(4000, 0), counted(9000, 0)), SPEC)
    evidence = look(evidence, arms(counted(0, 0), counted(0, 0), "shadow"), SPEC)

    weighed = look(evidence, arms(counted(20, 1), counted(20, 0), "shadow"), SPEC)

    assert (weighed.canary, weighed.stable) == (counted(20, 1), counted(20, 0))


def test_remembering_weighs_nothing() -> None:
    """What happens until a remembered look is never held for or against anyone."""
    evidence = remember(after((10, 0, 10, 0)), arms(counted(500, 400), counted(500, 0)))

    assert look(evidence, arms(counted(510, 400), counted(510, 0)), SPEC).canary == counted(20, 0)


# what it says


def test_without_an_answer_of_the_canary_there_is_no_data() -> None:
    """Errors of stable alone are no verdict on the canary."""
    said = verdict(after((0, 0, 5000, 50)), SPEC)

    assert (said.outcome, said.reason) == (Outcome.NO_DATA, "no answer of the canary was counted yet")


def test_a_worse_canary_fails_with_its_ratio_and_its_odds() -> None:
    """The worked example of the documentation: 5 % against 1 %."""
    said = verdict(after((200, 2, 1800, 18), (400, 20, 3600, 36)), SPEC)

    assert said.outcome is Outcome.FAIL
    assert said.reason == (
        "canary fails 5.00x as often as stable; chance of that for an equal model below 1 in 270,000; "
        "20 of 400 against 36 of 3,600"
    )
    assert said.numbers == {
        "evidence_against": evidence_against(after((200, 2, 1800, 18), (400, 20, 3600, 36))),
        "evidence_for": said.numbers["evidence_for"],
        "canary_requests": 400,
        "canary_errors": 20,
        "stable_requests": 3600,
        "stable_errors": 36,
    }


def test_a_canary_that_fails_alone_is_told_without_a_ratio() -> None:
    """Nothing is divided by zero."""
    said = verdict(after((100, 30, 900, 0)), SPEC)

    assert said.reason == (
        "canary fails where stable never does; chance of that for an equal model below 1 in 1,000,000,000; "
        "30 of 100 against 0 of 900"
    )


def test_sums_that_contradict_the_looks_are_not_quoted_as_a_ratio() -> None:
    """Simpson: a canary worse in each look can look better in sum, when its weight rose as everybody's errors fell."""
    said = verdict(after((10, 7, 1000, 300), (20, 14, 2000, 600), (4020, 54, 2100, 600)), SPEC)

    assert said.outcome is Outcome.FAIL
    assert said.reason.startswith("look by look canary fails more often than stable; chance of that")


def test_too_little_evidence_is_inconclusive() -> None:
    """A few answers decide nothing."""
    said = verdict(after((30, 1, 300, 3)), SPEC)

    assert said.outcome is Outcome.INCONCLUSIVE
    assert said.reason == "not enough evidence yet either way; errors: 1 of 30 against 3 of 300"


def test_as_many_errors_as_stable_pass_as_not_worse() -> None:
    """Shown by comparison: both fail on 5 %, so the canary's errors are not negligible."""
    said = verdict(after((4000, 200, 4000, 200)), SPEC)

    assert said.outcome is Outcome.PASS
    assert said.reason == (
        "canary is not worse than tolerated (confidence 95 %); errors: 200 of 4,000 against 200 of 4,000"
    )


def test_no_errors_pass_as_negligible() -> None:
    """Without any error there is nothing to compare; the claim made is the one that was shown."""
    said = verdict(after((500, 0, 4500, 0)), SPEC)

    assert said.outcome is Outcome.PASS
    assert said.reason == (
        "canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 500 against 0 of 4,500"
    )


def test_the_confidence_is_never_rounded_up_to_certainty() -> None:
    """A beta of one in a thousand is 99.9 %, not 100 %."""
    said = verdict(after((5000, 0, 5000, 0)), JudgeSpec(beta=0.001))

    assert "(confidence 99.9 %)" in said.reason


@given(errors=st.integers(1, 100), stable_errors=st.integers(0, 50))
def test_the_claimed_odds_are_never_over_the_evidence(errors: int, stable_errors: int) -> None:
    """`below 1 in N` holds: N is at most the e-value, and keeps its two leading digits up to a thousand million."""
    evidence = after((100, errors, 900, stable_errors))
    said = verdict(evidence, SPEC)

    claimed = re.search(r"below 1 in ([\d,]+);", said.reason)

    assert (claimed is not None) == (said.outcome is Outcome.FAIL)
    if claimed:
        odds = int(claimed[1].replace(",", ""))
        assert 0.9 * min(evidence_against(evidence), 1e9) <= odds <= evidence_against(evidence)


def test_overwhelming_evidence_stays_a_number() -> None:
    """A canary that fails always overflows no float and no document."""
    evidence = after((100_000, 100_000, 100_000, 0))

    assert 1e200 < evidence_against(evidence) < math.inf
    assert verdict(evidence, SPEC).outcome is Outcome.FAIL


# evidence in a document


@given(seen=st.lists(st.tuples(counters(30), counters(200)), min_size=1, max_size=8), cut=st.integers(0, 8))
def test_evidence_goes_on_after_a_restart(seen: list[tuple[Counters, Counters]], cut: int) -> None:
    """Cut anywhere, written as JSON and read again, it ends with the same evidence and the same verdict."""
    document = TypeAdapter(RolloutStatus)
    whole, resumed = Evidence(), Evidence()

    for number, (canary, stable) in enumerate(seen):
        whole = look(whole, arms(canary, stable), SPEC)
        if number == cut:
            resumed = document.validate_json(document.dump_json(_status(resumed))).evidence
        resumed = look(resumed, arms(canary, stable), SPEC)

    assert resumed == whole
    assert verdict(resumed, SPEC) == verdict(whole, SPEC)


def _status(evidence: Evidence) -> RolloutStatus:
    return RolloutStatus(
        model="digits",
        version=2,
        release_id="digits-v2-a1",
        phase=Phase.SHIFTING,
        started_at=0.0,
        entered_at=0.0,
        heartbeat_at=0.0,
        evidence=evidence,
    )


# the promises in the long run

TRACES, LOOKS = 4000, 100


def test_a_healthy_canary_is_rolled_back_less_often_than_alpha() -> None:
    """4,000 equal canaries, 100 looks each, a base rate that swings: 17 were ever rolled back (0.4 %; alpha 1 %).

    The upper end of the rate's 99 % interval (Clopper-Pearson) is under alpha too. Seeded: the figure is exact.
    """
    false = _ever(_against(odds=1.0, seed=1) >= 1 / SPEC.alpha)

    assert false.sum() == 17
    assert stats.beta.ppf(0.995, false.sum() + 1, TRACES - false.sum()) < SPEC.alpha


def test_a_canary_five_times_worse_is_found_every_time() -> None:
    """1,000 of 1,000 found within 40 looks; half of them within 6 (about 70 answers of the canary)."""
    found = _against(odds=5.0, seed=2, traces=1000, looks=40) >= 1 / SPEC.alpha

    assert _ever(found).all()
    assert np.median(found.argmax(axis=1)) + 1 == 6


def test_a_canary_beyond_the_tolerance_passes_less_often_than_beta() -> None:
    """4,000 canaries exactly at the tolerance, failing on more than the negligible share: under 5 % ever pass."""
    passed = _ever(_favour(odds=SPEC.tolerance, seed=3) >= 1 / SPEC.beta)

    assert stats.beta.ppf(0.995, passed.sum() + 1, TRACES - passed.sum()) < SPEC.beta


def test_a_canary_with_half_the_errors_passes() -> None:
    """99 of 100 pass within 100 looks (1,200 answers of the canary) where stable fails on 3 %."""
    passed = _ever(_favour(odds=0.5, seed=4, traces=1000) >= 1 / SPEC.beta)

    assert passed.mean() > 0.99


def test_the_simulation_is_the_judge() -> None:
    """Factors added up as the simulation does are what one judge says look by look."""
    n, x, m, y = (_draws(odds=1.0, seed=1)[part][0, :10] for part in range(4))

    evidence = after(*zip(n.cumsum(), x.cumsum(), m.cumsum(), y.cumsum(), strict=True))

    assert evidence_against(evidence) == pytest.approx(_against(odds=1.0, seed=1)[0, 9])
    assert evidence_for(evidence) == pytest.approx(_favour(odds=1.0, seed=1)[0, 9])


def _ever(reached: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return reached.any(axis=1)


@lru_cache
def _draws(*, odds: float, seed: int, traces: int = TRACES, looks: int = LOOKS) -> tuple[NDArray[np.int_], ...]:
    """Draw canary requests, errors, stable requests, errors; each of shape (traces, looks).

    60 requests per look, a fifth of them to the canary; stable fails on 3 % on average, swinging from 0.6 % to 5.4 %
    (beside a canary at the tolerance: on 3 % throughout).
    """
    random = np.random.default_rng(seed)
    swing = 0.0 if odds == SPEC.tolerance else 0.8
    base = 0.03 * (1 + swing * np.sin(np.arange(looks) / 10))
    worse = odds * base / (1 - base + odds * base)
    canary = random.binomial(60, 0.2, (traces, looks))
    return canary, random.binomial(canary, worse), 60 - canary, random.binomial(60 - canary, base)


@lru_cache
def _factors(
    *, odds: float, seed: int, traces: int = TRACES, looks: int = LOOKS
) -> tuple[list[Evidence], NDArray[np.int_]]:
    """Return the judge's evidence from every look that occurs, and which of them each look is: (traces, looks)."""
    draws = _draws(odds=odds, seed=seed, traces=traces, looks=looks)
    rows, back = np.unique(np.stack([part.ravel() for part in draws], axis=1), axis=0, return_inverse=True)
    return [after((int(n), int(x), int(m), int(y))) for n, x, m, y in rows], back.reshape(traces, looks)


def _grown(which: str, **drawn: Any) -> NDArray[np.float64]:  # noqa: ANN401 - the arguments of _draws
    """Return one e-process after every look; shape (traces, looks)."""
    factors, back = _factors(**drawn)
    logs = np.array([getattr(factor, which) for factor in factors])
    return np.mean([np.exp(column[back].cumsum(axis=1)) for column in logs.T], axis=0)


def _against(**drawn: Any) -> NDArray[np.float64]:  # noqa: ANN401 - the arguments of _draws
    return _grown("worse", **drawn)


def _favour(**drawn: Any) -> NDArray[np.float64]:  # noqa: ANN401 - the arguments of _draws
    return (_grown("fine", **drawn) + _grown("negligible", **drawn)) / 2
