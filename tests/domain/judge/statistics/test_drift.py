"""Data drift: PSI, profiles, and an e-value that tolerates what a finite validation set leaves open."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import optimize, special, stats

from slipway.domain.judge.profile import ColumnProfile
from slipway.domain.judge.statistics import drift
from slipway.domain.judge.statistics.drift import (
    DriftEvidence,
    add_rows,
    compute_psi,
    drift_evidence_against,
    find_most_drifted,
    largest_psi,
    profile_of,
)


def counted(profile: ColumnProfile, values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, tuple[int, ...]]:
    """Return live rows per bin, as the inference service counts them."""
    where = np.searchsorted(profile.edges, values, side="right")
    return {profile.name: (*np.bincount(where, minlength=len(profile.edges) + 1).tolist(), 0)}


def live(**columns: tuple[int, ...]) -> DriftEvidence:
    """Return the evidence of rows."""
    return add_rows(DriftEvidence(), columns)


# profiles


def test_a_numeric_profile_has_ten_about_equal_bins_and_one_for_missing() -> None:
    """Deciles of a thousand distinct numbers; NaN is missing."""
    values = np.append(np.random.default_rng(1).normal(size=1000), [math.nan] * 7)

    profile = profile_of("x", values)

    assert len(profile.edges) == 9
    assert sum(profile.counts[:-1]) == 1000
    assert all(99 <= count <= 101 for count in profile.counts[:-1])
    assert profile.counts[-1] == 7


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_live_rows_fall_into_the_same_bins(kind: type[Any]) -> None:
    """The validation rows themselves, also rounded to 32 bits, give the profile's own counts."""
    values = np.round(np.random.default_rng(2).gamma(2, size=500), 1)

    profile = profile_of("x", values)

    assert counted(profile, values.astype(kind).astype(float))["x"] == profile.counts


@pytest.mark.parametrize(
    ("values", "edges", "counts"),
    [
        ([0.0] * 90 + [1.0] * 10, (0.5,), (90, 10, 0)),
        ([0.0] * 2 + [1.0] * 98, (0.5,), (2, 98, 0)),
        ([3.0] * 5, (3 - 3e-6, 3 + 3e-6), (0, 5, 0, 0)),
        ([math.nan] * 4, (), (0, 4)),
        ([], (), (0, 0)),
        ([1.0, 2.0, math.inf, -math.inf], (1.5,), (2, 2, 0)),
    ],
    ids=["mostly least", "mostly most", "constant", "missing", "no rows", "infinite"],
)
def test_odd_columns(values: list[float], edges: tuple[float, ...], counts: tuple[int, ...]) -> None:
    """Few distinct values, one, or none: edges rise, every row is counted once."""
    profile = profile_of("x", np.array(values, dtype=float))

    assert profile.edges == pytest.approx(edges)
    assert profile.counts == counts


@pytest.mark.parametrize(
    ("values", "categories", "counts"),
    [
        (np.array(["b", "a", "b", None, math.nan], dtype=object), ("b", "a"), (2, 1, 0, 2)),
        (np.array([True, False, True]), ("True", "False"), (2, 1, 0, 0)),
        (np.array([f"{i:02}" for i in range(25)]), tuple(f"{i:02}" for i in range(20)), (1,) * 20 + (5, 0)),
    ],
    ids=["text", "bool", "many"],
)
def test_categories(values: np.ndarray[Any, Any], categories: tuple[str, ...], counts: tuple[int, ...]) -> None:
    """The most frequent values, the rest, and the missing ones."""
    profile = profile_of("x", values)

    assert (profile.categories, profile.counts) == (categories, counts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"edges": (2.0, 1.0), "counts": (1, 1, 1, 0)},
        {"edges": (math.nan, 1.0), "counts": (1, 1, 1, 0)},
        {"edges": (1.0,), "counts": (1, 1)},
        {"edges": (1.0,), "counts": (1, -1, 0)},
        {"edges": (1.0,), "categories": ("a",), "counts": (1, 1, 0)},
    ],
)
def test_profiles_that_no_column_has_are_refused(wrong: dict[str, Any]) -> None:
    """Edges that don't rise, counts that don't fit, below 0: an error that shows them."""
    with pytest.raises(ValueError, match="need rising edges or categories"):
        ColumnProfile(name="x", **wrong)


# PSI


def test_psi_is_the_textbooks() -> None:
    """Sum of (a - e) log(a / e) over shares; the half row per bin hardly matters with many rows."""
    expected, actual = np.array([200, 300, 500]) * 1000, np.array([300, 300, 400]) * 1000
    e, a = expected / expected.sum(), actual / actual.sum()

    assert compute_psi(expected.tolist(), actual.tolist()) == pytest.approx(((a - e) * np.log(a / e)).sum(), rel=1e-4)
    assert compute_psi((10, 0), (0, 10)) < math.inf
    assert compute_psi((5, 5), (0, 0)) == 0.0


# the e-value


SMALL = ColumnProfile(name="x", edges=(1.0,), counts=(14, 9, 0))


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.5])
def test_the_largest_probability_is_bounded_from_above_and_nearly_met(tolerance: float) -> None:
    """A numeric search over undrifted distributions finds at most the bound, and at least nearly that."""
    counts, shares = np.array([2.0, 30.0, 1.0]), np.array([14.5, 9.5, 0.5]) / 24.5
    room = stats.chi2.isf(drift.UNLUCKY, 2) / 46 + tolerance / 2
    found = optimize.minimize(
        lambda z: -(counts @ np.log(special.softmax(z))),
        np.log(shares),
        constraints={"type": "ineq", "fun": lambda z: room - special.rel_entr(shares, special.softmax(z)).sum()},
        tol=1e-10,
    )
    null = drift._prepare_null((SMALL,), tolerance)  # noqa: SLF001 - the bound is not public, and must be right

    bound = drift._log_largest(null, counts[None, :])[0]  # noqa: SLF001 - same

    assert -found.fun - 1e-6 <= bound <= -found.fun + 0.02 * counts.sum()


def test_the_alternative_is_a_distribution() -> None:
    """Its probabilities of all ordered outcomes of five rows sum to 1."""
    null = drift._prepare_null((SMALL,), 0.1)  # noqa: SLF001 - the density is not public, and must be one
    total = 0.0
    for a, b in itertools.product(range(6), repeat=2):
        if a + b <= 5:
            counts = (a, b, 5 - a - b)
            ways = math.factorial(5) / math.prod(math.factorial(n) for n in counts)
            total += ways * math.exp(drift._log_alternative(null, np.array([counts], dtype=float))[0])  # noqa: SLF001

    assert total == pytest.approx(1.0)


@pytest.mark.parametrize("shares", [(0.6, 0.39, 0.01), (0.45, 0.5, 0.05), (0.75, 0.24, 0.01)])
def test_no_growth_is_expected_from_undrifted_rows(shares: tuple[float, ...]) -> None:
    """All outcomes of 8 rows of distributions within the room: at most 1 on average."""
    expected = 0.0
    for a, b in itertools.product(range(9), repeat=2):
        if a + b <= 8:
            counts = (a, b, 8 - a - b)
            expected += stats.multinomial.pmf(counts, 8, shares) * drift_evidence_against(live(x=counts), (SMALL,), 0.1)

    assert expected <= 1 + 1e-9


def test_the_same_source_never_drifts_however_much_traffic_comes() -> None:
    """60 profiles of 360 rows each, tolerance 0: no alarm at 100 to a million rows of the same distribution."""
    rng = np.random.default_rng(3)
    top = 0.0
    for _ in range(60):
        profile = profile_of("x", rng.normal(size=360))
        bins = np.diff(np.concatenate([[0], stats.norm.cdf(profile.edges), [1]]))
        evidence = DriftEvidence()
        for rows in (100, 900, 9_000, 90_000, 900_000):
            evidence = add_rows(evidence, {"x": (*rng.multinomial(rows, bins).tolist(), 0)})
            top = max(top, drift_evidence_against(evidence, (profile,), 0.0))

    assert top < 20


def test_drift_is_found_and_named() -> None:
    """One column of three moved by one deviation: found within 300 rows, and it is that one."""
    rng = np.random.default_rng(4)
    base = rng.normal(size=(360, 3))
    profiles = tuple(profile_of(name, base[:, at]) for at, name in enumerate("abc"))
    rows = rng.normal(size=(300, 3)) + np.array([0.0, 1.0, 0.0])
    evidence = DriftEvidence()
    for at, profile in enumerate(profiles):
        evidence = add_rows(evidence, counted(profile, rows[:, at]))

    found = find_most_drifted(evidence, profiles, 0.1)

    assert drift_evidence_against(evidence, profiles, 0.1) >= 100
    assert found is not None
    assert found.name == "b"
    assert found.psi == largest_psi(evidence, profiles) > drift.PSI_LARGE


def test_missing_and_new_values_are_drift() -> None:
    """A fifth of the rows missing, or of a category never seen, where the validation set had none."""
    profile = ColumnProfile(name="x", categories=("a", "b"), counts=(200, 160, 0, 0))

    for counts in ((400, 400, 0, 200), (400, 400, 200, 0)):
        assert drift_evidence_against(live(x=counts), (profile,), 0.1) >= 100


def test_the_last_bins_limits_are_the_documented_ones() -> None:
    """360 rows, none missing: up to 1 - 0.001^(1/360) is left open, and the limit is a tolerance of KL beyond that."""
    profile = ColumnProfile(name="x", edges=(1.0,), counts=(200, 160, 0))
    left_open = 1 - drift.UNLUCKY ** (1 / 360)

    limit = drift._prepare_null((profile,), 0.1).limits[0, 1]  # noqa: SLF001 - the limit is documented, not public

    far = limit * math.log(limit / left_open) + (1 - limit) * math.log((1 - limit) / (1 - left_open))
    assert limit > left_open
    assert far == pytest.approx(0.05)


def test_rows_that_come_together_count_once() -> None:
    """Every row ten times over, and said so: the same as every row once."""
    once, often = live(x=(3, 40, 1)), live(x=(30, 400, 10))

    assert drift_evidence_against(often, (SMALL,), 0.1, rows_together=10) == pytest.approx(
        drift_evidence_against(once, (SMALL,), 0.1)
    )
    assert drift_evidence_against(often, (SMALL,), 0.1) > 1000 * drift_evidence_against(once, (SMALL,), 0.1)


def test_how_many_rows_come_together_is_counted() -> None:
    """Over all looks, from requests; a service that does not say how many they were is taken to get single rows."""
    silent = add_rows(add_rows(DriftEvidence(), {"x": (3, 40, 1)}), {"x": (3, 40, 1)})
    told = add_rows(add_rows(DriftEvidence(), {"x": (30, 0, 10)}, 4), {"x": (10, 10, 0)}, 2)

    assert (silent.rows_together, told.rows_together) == (1.0, 10.0)


# promises


BINS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))


@given(seen=st.lists(BINS, max_size=5), profile=BINS, tolerance=st.floats(0, 5))
def test_nothing_but_numbers_comes_out(
    seen: list[tuple[int, int, int]], profile: tuple[int, int, int], tolerance: float
) -> None:
    """Any legal counts: e-values from 0 to 1e300; looks may be split; a restart from JSON goes on identically."""
    adapter, profiles = TypeAdapter(DriftEvidence), (ColumnProfile(name="x", edges=(0.5,), counts=profile),)
    kept = read = DriftEvidence()
    for counts in seen:
        kept = add_rows(kept, {"x": counts})
        read = add_rows(adapter.validate_json(adapter.dump_json(read)), {"x": counts})

    assert read == kept
    assert kept == (live(x=tuple(map(sum, zip(*seen, strict=True)))) if seen else DriftEvidence())
    assert 0 <= drift_evidence_against(kept, profiles, tolerance) <= 1e300
    assert 0 <= (largest_psi(kept, profiles) or 0) < math.inf


@given(counts=BINS, less=st.floats(0, 1), more=st.floats(0, 1))
def test_tolerance_only_takes_evidence_away(counts: tuple[int, int, int], less: float, more: float) -> None:
    """A larger tolerance never makes the inputs more suspect."""
    values = [drift_evidence_against(live(x=counts), (SMALL,), tolerance) for tolerance in (less, less + more)]

    assert values[1] <= values[0] * (1 + 1e-9)


def test_nothing_is_said_without_rows_or_profiles() -> None:
    """No live rows of a column, or no columns: 1."""
    assert drift_evidence_against(DriftEvidence(), (SMALL,), 0.1) == pytest.approx(1.0)
    assert drift_evidence_against(live(x=(5, 5, 0)), (), 0.1) == 1.0
    assert find_most_drifted(DriftEvidence(), (), 0.1) is None
    assert largest_psi(DriftEvidence(), (SMALL,)) is None


def test_columns_of_different_sizes_are_judged_as_if_alone() -> None:
    """The mean over columns is the mean of what each says alone."""
    other = ColumnProfile(name="y", categories=("a", "b", "c"), counts=(50, 30, 20, 0, 1))
    evidence = live(x=(3, 40, 1), y=(5, 50, 20, 3, 0))

    alone = [drift_evidence_against(evidence, (profile,), 0.1) for profile in (SMALL, other)]

    assert drift_evidence_against(evidence, (SMALL, other), 0.1) == pytest.approx(sum(alone) / 2)


@pytest.mark.parametrize("news", [(1, 2), (1, -2, 3), ()])
def test_counts_that_do_not_fit_are_refused(news: tuple[int, ...]) -> None:
    """Another number of bins than before, or below 0: an error that shows them."""
    with pytest.raises(ValueError, match="need as many bins as before"):
        add_rows(live(x=(1, 2, 3)), {"x": news})


def test_bins_unlike_the_profiles_are_refused() -> None:
    """Live counts of another profile: an error that names the column."""
    with pytest.raises(ValueError, match="column x: 4 bins live, 3 in the profile"):
        drift_evidence_against(live(x=(1, 2, 3, 4)), (SMALL,), 0.1)


def test_a_profile_survives_json() -> None:
    """Profiles travel in the package as JSON."""
    adapter = TypeAdapter(ColumnProfile)

    assert adapter.validate_json(adapter.dump_json(SMALL)) == SMALL
    assert json.loads(adapter.dump_json(SMALL))["counts"] == [14, 9, 0]


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_is_the_largest_likelihood_of_the_ball(seed: int) -> None:
    """The least of the dual, as twenty thousand weights find it: a coarse grid alone was off by up to 6 nats."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(11))
    rows = tuple(random.multinomial(int(random.integers(50, 3000)), shares).tolist())
    null = drift._prepare_null((ColumnProfile(name="x", edges=tuple(map(float, range(9))), counts=rows),), 0.1)  # noqa: SLF001
    live = random.multinomial(int(random.integers(20, 20_000)), shares)[None].astype(float)

    weights = np.geomspace(1e-4, 1e5, 20_001)[:, None] * live.sum()
    least = drift._dual_values(null, live, weights)[:, 0].min()  # noqa: SLF001
    assert drift._log_largest(null, live)[0] == pytest.approx(least, abs=0.05)  # noqa: SLF001
