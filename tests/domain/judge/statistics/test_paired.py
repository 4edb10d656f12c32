"""Shadow pairs: exact enumeration, published intervals' own inversion, simulation."""

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import integrate, stats

from slipway.domain.judge.readings import Sums
from slipway.domain.judge.statistics import paired
from slipway.domain.judge.statistics.paired import (
    ODDS,
    PairEvidence,
    disagreement_evidence_against,
    disagreement_evidence_for,
    disagreement_interval,
    disagreement_rate,
    mean_slowdown,
    slowdown_evidence_against,
    slowdown_evidence_for,
    slowdown_interval,
    update_pairs,
)


def seen(pairs: int, disagreeing: int) -> PairEvidence:
    """Return the evidence of so many pairs."""
    return update_pairs(PairEvidence(), pairs=pairs, disagreeing=disagreeing)


def ratios(rng: np.random.Generator, count: int, factor: float) -> Sums:
    """Return the log ratios of the latencies of pairs."""
    logs = math.log(factor) + 0.5 * rng.normal(size=count)
    return Sums(count=count, total=float(logs.sum()), squares=float((logs**2).sum()))


# disagreement


@pytest.mark.parametrize("limit", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_evidence_expects_no_growth_while_the_claim_holds(limit: float, share: float) -> None:
    """All outcomes of 12 pairs: at most 1 on average below the limit (against), and above it (favour)."""
    below, above = limit * share, 1 - (1 - limit) * share
    chances = {rate: stats.binom.pmf(np.arange(13), 12, rate) for rate in (below, above)}

    assert sum(p * disagreement_evidence_against(seen(12, x), limit) for x, p in enumerate(chances[below])) <= 1 + 1e-9
    assert sum(p * disagreement_evidence_for(seen(12, x), limit) for x, p in enumerate(chances[above])) <= 1 + 1e-9


def test_evidence_is_a_mean_of_likelihood_ratios() -> None:
    """Written again: rates whose odds are the limit's times ODDS (against), or divided by them (favour)."""
    limit, pairs, disagreeing = Fraction(1, 20), 40, 5

    def ratio(odds: float) -> float:
        rate = float(limit) * odds / (1 - float(limit) + float(limit) * odds)
        return (rate / float(limit)) ** disagreeing * ((1 - rate) / (1 - float(limit))) ** (pairs - disagreeing)

    assert disagreement_evidence_against(seen(40, 5), 0.05) == pytest.approx(np.mean([ratio(odds) for odds in ODDS]))
    assert disagreement_evidence_for(seen(40, 5), 0.05) == pytest.approx(
        np.mean([ratio(1 / odds) for odds in (*ODDS, 1e9)])
    )


def test_the_interval_inverts_the_beta_binomial_mixture() -> None:
    """At both ends the mixture, integrated numerically, is 1 / alpha times the likelihood."""
    low, high = disagreement_interval(seen(60, 9), 0.05)
    mixture, _ = integrate.quad(lambda rate: stats.binom.pmf(9, 60, rate) * stats.arcsine.pdf(rate), 0, 1, limit=200)

    for end in (low, high):
        assert mixture / stats.binom.pmf(9, 60, end) == pytest.approx(20, rel=1e-4)
    assert low < 9 / 60 < high


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_the_interval_holds_at_all_times_and_alarms_are_rare(rate: float) -> None:
    """200 shadows of 800 pairs, looked at every 40: the truth is left, and the limit refuted, in at most 5 %."""
    rng = np.random.default_rng(1)
    left = alarms = 0
    for _ in range(200):
        evidence, out, top = PairEvidence(), False, 0.0
        for _look in range(20):
            evidence = update_pairs(evidence, pairs=40, disagreeing=int(rng.binomial(40, rate)))
            low, high = disagreement_interval(evidence, 0.05)
            out, top = out or not low <= rate <= high, max(top, disagreement_evidence_against(evidence, rate))
        left += out
        alarms += top >= 20

    assert left <= 10
    assert alarms <= 10


@pytest.mark.parametrize(("x", "n"), [(0, 50), (50, 50), (1, 3)])
def test_intervals_at_the_ends(x: int, n: int) -> None:
    """None, all, or few pairs disagreeing: the interval ends at 0 or 1 and holds the rate."""
    low, high = disagreement_interval(seen(n, x), 0.05)

    assert low <= x / n <= high
    assert (low == 0) == (x == 0)
    assert (high == 1) == (x == n)


def test_limits_of_nothing_and_everything() -> None:
    """A limit of 0 is refuted by one disagreement, a limit of 1 (in favour) by one agreement, and by nothing else."""
    none, one, every = seen(10, 0), seen(10, 1), seen(10, 10)

    assert [disagreement_evidence_against(e, 0.0) for e in (none, one, every)] == [1.0, 1e300, 1e300]
    assert [disagreement_evidence_against(e, 1.0) for e in (none, one, every)] == [1.0, 1.0, 1.0]
    assert [disagreement_evidence_for(e, 0.0) for e in (none, one, every)] == [1.0, 1.0, 1.0]
    assert [disagreement_evidence_for(e, 1.0) for e in (none, one, every)] == [1e300, 1e300, 1.0]


@pytest.mark.parametrize("limit", [-0.1, 1.1, math.nan])
def test_limits_that_are_no_rates_are_refused(limit: float) -> None:
    """An error that shows the limit."""
    with pytest.raises(ValueError, match="need a rate between 0 and 1"):
        disagreement_evidence_against(PairEvidence(), limit)


@given(pairs=st.integers(1, 500), limit=st.floats(0.001, 0.999), data=st.data())
def test_evidence_grows_with_disagreement(pairs: int, limit: float, data: st.DataObject) -> None:
    """One pair more that disagrees never makes the canary less suspect, nor more in favour."""
    x = data.draw(st.integers(0, pairs - 1))

    assert disagreement_evidence_against(seen(pairs, x), limit) <= disagreement_evidence_against(
        seen(pairs, x + 1), limit
    )
    assert disagreement_evidence_for(seen(pairs, x), limit) >= disagreement_evidence_for(seen(pairs, x + 1), limit)


# speed


def test_speed_alarms_are_rare_and_intervals_hold() -> None:
    """500 shadows of equal speed, looked at 40 times: in at most 5 % called slower, or the truth left."""
    rng = np.random.default_rng(2)
    alarms = left = 0
    for _ in range(500):
        evidence, top, out = PairEvidence(), 0.0, False
        for _look in range(40):
            evidence = update_pairs(evidence, pairs=25, disagreeing=0, log_ratios=ratios(rng, 25, 1.0))
            low, high = slowdown_interval(evidence, 0.05)
            top, out = max(top, slowdown_evidence_against(evidence, 1.0)), out or not low <= 1 <= high
        alarms += top >= 20
        left += out

    assert alarms <= 25
    assert left <= 25


def test_speed_is_found() -> None:
    """A third slower, per pair: found, and the interval holds the factor; as fast: passes a tolerance of a tenth."""
    rng = np.random.default_rng(3)
    slow = update_pairs(PairEvidence(), pairs=2000, disagreeing=0, log_ratios=ratios(rng, 2000, 1.33))
    same = update_pairs(PairEvidence(), pairs=2000, disagreeing=0, log_ratios=ratios(rng, 2000, 1.0))

    low, high = slowdown_interval(slow, 0.01)

    assert slowdown_evidence_against(slow, 1.1) > 1e6
    assert low < 1.33 < high
    assert mean_slowdown(slow) == pytest.approx(1.33, rel=0.05)
    assert slowdown_evidence_for(same, 1.1) >= 20
    assert slowdown_evidence_for(slow, 1.1) < 1


def test_the_speed_interval_is_the_papers() -> None:
    """Formula of arXiv 2103.06476 on the log ratios."""
    rng = np.random.default_rng(4)
    logs = rng.normal(0.1, 0.4, 900)
    more = Sums(count=900, total=float(logs.sum()), squares=float((logs**2).sum()))
    evidence = update_pairs(PairEvidence(), pairs=900, disagreeing=0, log_ratios=more)
    sd, r2 = logs.std(ddof=1), paired.rho_squared(1.0)

    low, high = slowdown_interval(evidence, 0.05)

    reach = sd * math.sqrt(2 * (900 * r2 + 1) / (900**2 * r2) * math.log(math.sqrt(900 * r2 + 1) / 0.05))
    assert (math.log(low), math.log(high)) == pytest.approx((logs.mean() - reach, logs.mean() + reach))


def test_speed_is_unknown_at_first() -> None:
    """Without timed pairs, or with the same ratio in each: nothing is said."""
    same = Sums(count=500, total=50.0, squares=5.0)

    for evidence in (PairEvidence(), update_pairs(PairEvidence(), pairs=500, disagreeing=0, log_ratios=same)):
        assert (slowdown_evidence_against(evidence, 1.0), slowdown_evidence_for(evidence, 2.0)) == (1.0, 1.0)
        assert slowdown_interval(evidence, 0.05) == (0.0, math.inf)
    assert mean_slowdown(PairEvidence()) is None
    assert disagreement_rate(PairEvidence()) is None
    assert disagreement_interval(PairEvidence(), 0.05) == (0.0, 1.0)


# promises


@st.composite
def drawn(draw: st.DrawFn) -> tuple[int, int, Sums]:
    """Draw what came since the last look."""
    pairs = draw(st.integers(0, 10_000))
    logs = np.array(draw(st.lists(st.floats(-20, 20), max_size=300)), dtype=float)
    sums = Sums(count=len(logs), total=float(logs.sum()), squares=float((logs**2).sum()))
    return pairs, draw(st.integers(0, pairs)), sums


@given(looks=st.lists(drawn(), max_size=5), limit=st.floats(0, 1))
def test_nothing_but_numbers_comes_out(looks: list[tuple[int, int, Sums]], limit: float) -> None:
    """Any legal looks: e-values from 0 to 1e300, ordered intervals; a restart from JSON goes on identically."""
    adapter = TypeAdapter(PairEvidence)
    kept = read = PairEvidence()
    for pairs, disagreeing, more in looks:
        kept = update_pairs(kept, pairs=pairs, disagreeing=disagreeing, log_ratios=more)
        read = update_pairs(
            adapter.validate_json(adapter.dump_json(read)), pairs=pairs, disagreeing=disagreeing, log_ratios=more
        )

    assert read == kept
    for value in (
        disagreement_evidence_against(kept, limit),
        disagreement_evidence_for(kept, limit),
        slowdown_evidence_against(kept, 1.1),
        slowdown_evidence_for(kept, 1.1),
    ):
        assert 0 <= value <= 1e300
    low, high = disagreement_interval(kept, 0.05)
    assert 0 <= low <= (disagreement_rate(kept) or low) <= high <= 1
    assert 0 <= slowdown_interval(kept, 0.05)[0] <= slowdown_interval(kept, 0.05)[1]


def test_looks_may_be_split() -> None:
    """The same pairs in one look or in many: the same verdict on disagreement."""
    parts = [(5, 1), (0, 0), (30, 2), (1, 1)]
    split = PairEvidence()
    for pairs, disagreeing in parts:
        split = update_pairs(split, pairs=pairs, disagreeing=disagreeing)

    assert split == seen(36, 4)


@pytest.mark.parametrize(
    ("pairs", "disagreeing", "more"),
    [
        (3, 4, Sums()),
        (3, -1, Sums()),
        (-1, -1, Sums()),
        (1, 0, Sums(count=1, total=1e51, squares=1e102)),
    ],
)
def test_what_no_pairs_have_is_refused(pairs: int, disagreeing: int, more: Sums) -> None:
    """More that disagree than there are, negative counts, numbers too large: an error that shows them."""
    with pytest.raises(ValueError, match=f"pairs={pairs}, disagreeing={disagreeing}"):
        update_pairs(PairEvidence(), pairs=pairs, disagreeing=disagreeing, log_ratios=more)


def test_the_interval_narrows() -> None:
    """Ten times the pairs at the same rate: a narrower interval inside the wider one, whatever alpha."""
    for alpha, rate in product((0.01, 0.05), (0.02, 0.5)):
        spans = [disagreement_interval(seen(n, int(n * rate)), alpha) for n in (100, 1000, 10_000)]

        assert all(wide[0] < narrow[0] < narrow[1] < wide[1] for wide, narrow in pairwise(spans))
