"""The band of Howard & Ramdas: published numbers, coverage by simulation, and the comparison of two arms."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import optimize

from slipway.domain.judge.readings import Latencies
from slipway.domain.judge.statistics.quantiles import (
    FIRST,
    A,
    QuantileEvidence,
    band_constant,
    band_radius,
    excess_interval,
    find_slowest_edge,
    largest_excess,
    log_alpha,
    quantile_evidence_against,
    quantile_evidence_for,
    restart_bands,
    update_quantiles,
)

EDGES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def latencies(milliseconds: NDArray[np.float64]) -> Latencies:
    """Return requests as a histogram shows them."""
    slower = tuple(int((milliseconds > edge).sum()) for edge in EDGES)
    return Latencies(requests=len(milliseconds), edges_milliseconds=EDGES, slower=slower)


def counted(requests: int, slower: tuple[int, ...]) -> Latencies:
    """Return counts at the edges."""
    return Latencies(requests=requests, edges_milliseconds=EDGES, slower=slower)


@st.composite
def drawn(draw: st.DrawFn) -> Latencies:
    """Draw what one arm answered since the last look."""
    counts = sorted(draw(st.lists(st.integers(0, 400), min_size=7, max_size=7)), reverse=True)
    return counted(counts[0], tuple(counts[1:]))


def test_the_constant_is_the_published_one() -> None:
    """C(.05) = 8.123 (the paper, theorem 2 and below), for A = 0.85."""
    assert A == 0.85
    assert band_constant(0.05) == pytest.approx(8.123, abs=5e-4)


def test_the_radius_is_the_authors() -> None:
    """empirical_process_lil_bound(1000, .05, 100, 0.85) is 0.08204769 in the tests of the authors' package confseq."""
    assert band_radius(1000, 0.05, first=100) == pytest.approx(0.08204769, abs=1e-5)
    assert band_radius(99, 0.05, first=100) == math.inf


@pytest.mark.parametrize("c", [6.0, 8.123, 12.0, 40.0, 300.0])
def test_the_chance_is_the_theorems_infimum(c: float) -> None:
    """A numeric search over eta, with the formula written again, finds no less than a thousandth lower."""

    def chance(log: float) -> float:
        eta = 1 + math.exp(log)
        gamma = math.sqrt(2 / eta) * (0.85 - math.sqrt(2 * (eta - 1) / c))
        return -gamma * gamma * c + math.log(4 * (1 + 1 / ((gamma**2 - 1) * math.log(eta)))) if gamma > 1 else 9.9

    coarse = np.linspace(-11, -1, 400)
    start = coarse[int(np.argmin([chance(log) for log in coarse]))]
    found = optimize.minimize_scalar(
        chance, bounds=(start - 0.1, start + 0.1), method="bounded", options={"xatol": 1e-9}
    )

    assert found.fun - 1e-9 <= log_alpha(c) <= found.fun + 1e-3


@given(alpha=st.floats(1e-12, 0.5))
def test_the_constant_gives_back_its_alpha(alpha: float) -> None:
    """C(alpha) and the chance of a band with it are inverse to one another."""
    assert log_alpha(band_constant(alpha)) == pytest.approx(math.log(alpha), abs=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_alpha_must_be_a_chance(alpha: float) -> None:
    """0, 1 and what lies beyond are refused."""
    with pytest.raises(ValueError, match="need a number between 0 and 1"):
        band_constant(alpha)


def test_the_band_holds_at_all_times() -> None:
    """400 runs of 3,000 uniform numbers: the empirical distribution function leaves the band in at most 5 %."""
    rng = np.random.default_rng(1)
    left = 0
    for _ in range(400):
        values = rng.random(3000)
        out = False
        for n in np.unique(np.geomspace(FIRST, 3000, 60).astype(int)).tolist():
            ranked = np.sort(values[:n])
            at = np.arange(n + 1) / n
            furthest = max((at[1:] - ranked).max(), (ranked - at[:-1]).max())  # Kolmogorov's statistic
            out = out or furthest > band_radius(n, 0.05)
        left += out

    assert left <= 20


def test_equal_arms_are_seldom_called_slower() -> None:
    """300 rollouts of equal latencies, weights 1-5-25-50 with a restart at each change: at most alpha = 5 % alarms."""
    assert _share_found(2, 1.0, 300) <= 0.05


def test_a_slow_canary_is_found() -> None:
    """Twice as slow: found in every rollout."""
    assert _share_found(3, 2.0, 20) == 1.0


def _share_found(seed: int, factor: float, count: int) -> float:
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(count):
        evidence, top = QuantileEvidence(), 1.0
        for weight in (0.01, 0.05, 0.25, 0.5):
            evidence = restart_bands(evidence)
            for _look in range(8):
                n = rng.binomial(400, weight)
                canary, stable = factor * rng.lognormal(2, 0.6, n), rng.lognormal(2, 0.6, 400 - n)
                evidence = update_quantiles(evidence, latencies(canary), latencies(stable))
                top = max(top, quantile_evidence_against(evidence))
        found += top >= 20
    return found / count


def test_the_sentence_has_its_numbers() -> None:
    """The edge, both shares, and what is certain: the same radii as the paper's, half of alpha twice."""
    evidence = update_quantiles(
        QuantileEvidence(),
        counted(2000, (2000, 2000, 1900, 1500, 900, 100)),
        counted(8000, (8000, 8000, 7600, 5200, 800, 400)),
    )

    found = find_slowest_edge(evidence, 0.01)

    assert found is not None
    assert (found.edge_milliseconds, found.canary_share, found.stable_share) == (20.0, 0.45, 0.1)
    reach = band_radius(2000, 0.0025) + band_radius(8000, 0.0025)
    assert (found.low, found.high) == pytest.approx((0.35 - reach, 0.35 + reach))
    assert found.certain
    assert excess_interval(evidence, 0.01) == (found.low, found.high)
    assert largest_excess(evidence) == pytest.approx(0.35)


def test_the_least_alpha_is_where_certainty_ends() -> None:
    """Just above the alpha that `against` gives the canary is certainly slower, just below it is not."""
    evidence = update_quantiles(
        QuantileEvidence(),
        counted(900, (900, 900, 850, 800, 500, 10)),
        counted(900, (900, 900, 850, 600, 350, 10)),
    )
    least = 1 / quantile_evidence_against(evidence)

    above, below = find_slowest_edge(evidence, least * 1.001), find_slowest_edge(evidence, least * 0.999)

    assert 1e-9 < least < 0.05
    assert above is not None
    assert below is not None
    assert (above.certain, below.certain) == (True, False)


def test_a_restart_forgets_counts_keeps_findings_and_costs_half() -> None:
    """After a restart the counts begin anew, what was found stays, and the same counts weigh half as much."""
    slow, fast = counted(900, (900, 900, 850, 800, 500, 10)), counted(900, (900, 900, 850, 600, 350, 10))
    first = update_quantiles(QuantileEvidence(), slow, fast)
    again = restart_bands(first)
    second = update_quantiles(restart_bands(update_quantiles(QuantileEvidence(), fast, fast)), slow, fast)

    assert (again.canary_requests, again.canary_slower, again.restarts) == (0, (), 1)
    assert quantile_evidence_against(again) == quantile_evidence_against(first)
    assert quantile_evidence_against(second) == pytest.approx(quantile_evidence_against(first) / 2)
    assert restart_bands(again) == again


def test_favour_needs_bands_narrower_than_the_tolerance() -> None:
    """Equal arms: nothing is said early, and with enough answers a tolerance of ten percent is passed."""
    look = counted(500, (500, 500, 400, 300, 100, 5))
    early = update_quantiles(QuantileEvidence(), look, look)
    late = early
    for _ in range(40):
        late = update_quantiles(late, look, look)

    assert quantile_evidence_for(QuantileEvidence(), 0.1) == 1.0
    assert quantile_evidence_for(early, 0.1) == 1.0
    assert quantile_evidence_for(late, 0.1) >= 20
    assert quantile_evidence_for(late, 0.0) == 1.0


@given(looks=st.lists(st.tuples(drawn(), drawn()), max_size=6), tolerance=st.floats(0, 1))
def test_nothing_but_numbers_comes_out(looks: list[tuple[Latencies, Latencies]], tolerance: float) -> None:
    """Any legal counts: values from 1 to 1e300; looks may be split; a restart from JSON goes on identically."""
    adapter = TypeAdapter(QuantileEvidence)
    kept = read = QuantileEvidence()
    for canary, stable in looks:
        kept = update_quantiles(kept, canary, stable)
        read = update_quantiles(adapter.validate_json(adapter.dump_json(read)), canary, stable)

    assert read == kept
    assert 1 <= quantile_evidence_against(kept) <= 1e300
    assert 1 <= quantile_evidence_for(kept, tolerance) <= 1e300
    low, high = excess_interval(kept, 0.01)
    assert -1 <= low <= high <= 1


@given(slower=st.integers(10, 450))
def test_evidence_grows_with_slower_answers(slower: int) -> None:
    """One answer more beyond an edge never makes the canary less suspect."""
    stable = counted(2000, (2000, 2000, 1500, 1000, 400, 40))
    values = [
        quantile_evidence_against(
            update_quantiles(QuantileEvidence(), counted(1000, (1000, 1000, 800, 600, more, 10)), stable)
        )
        for more in (slower, slower + 1, slower + 150)
    ]

    assert all(before <= after for before, after in pairwise(values))


def test_before_enough_answers_nothing_is_said() -> None:
    """Fewer than a hundred answers in one arm, or none at all: 1, and no estimate without both arms."""
    slow, fast = counted(99, (99,) * 6), counted(5000, (0,) * 6)
    few = update_quantiles(QuantileEvidence(), slow, fast)

    assert (quantile_evidence_against(few), quantile_evidence_for(few, 0.5), excess_interval(few, 0.05)) == (
        1.0,
        1.0,
        (-1.0, 1.0),
    )
    assert largest_excess(update_quantiles(QuantileEvidence(), counted(0, (0,) * 6), fast)) is None
    assert find_slowest_edge(QuantileEvidence(), 0.05) is None


def test_other_edges_are_refused() -> None:
    """Histograms whose edges differ, between arms or from one look to the next, can't be compared."""
    other = Latencies(requests=1, edges_milliseconds=(1.0,), slower=(1,))
    same = counted(1, (1, 0, 0, 0, 0, 0))

    with pytest.raises(ValueError, match="need the same edges"):
        update_quantiles(QuantileEvidence(), other, same)
    with pytest.raises(ValueError, match="need the same edges"):
        update_quantiles(update_quantiles(QuantileEvidence(), same, same), other, other)
