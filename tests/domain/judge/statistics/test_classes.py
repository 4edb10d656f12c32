"""Class mix: supermartingale by enumeration, false alarms under drift, and what is said in favour."""

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from slipway.domain.judge.statistics.classes import (
    POWERS,
    RATIOS,
    ClassEvidence,
    class_distance,
    class_distance_interval,
    class_evidence_against,
    class_evidence_for,
    class_shares,
    find_largest_shift,
    update_class_mix,
)
from slipway_interface.metrics import LABEL_LIMIT, OTHER_LABEL

Look = tuple[Mapping[str, int], Mapping[str, int]]
EVEN = (0.1,) * 10


@st.composite
def looks(draw: st.DrawFn) -> Look:
    """Draw both arms' predictions since the last look."""
    counts = st.dictionaries(st.sampled_from("abcdefghijklm"), st.integers(0, 300), max_size=13)
    return draw(counts), draw(counts)


def after(*seen: Look) -> ClassEvidence:
    """Return the evidence after looks."""
    evidence = ClassEvidence()
    for canary, stable in seen:
        evidence = update_class_mix(evidence, canary, stable)
    return evidence


def rollout(
    rng: np.random.Generator, canary: tuple[float, ...], stable: tuple[float, ...], drift: float = 0.0
) -> Iterator[Look]:
    """Yield looks at 200 predictions, weights 1-5-25-50; with drift the odds of the last class grow in both arms."""
    for at, weight in enumerate(np.repeat((0.01, 0.05, 0.25, 0.5), 12)):
        tilt = np.exp(drift * at / 48 * np.linspace(-1, 1, len(stable)))
        ours, theirs = (np.array(mix) * tilt / (np.array(mix) * tilt).sum() for mix in (canary, stable))
        n = rng.binomial(200, weight)
        yield (
            dict(zip("abcdefghij", rng.multinomial(n, ours).tolist(), strict=False)),
            dict(zip("abcdefghij", rng.multinomial(200 - n, theirs).tolist(), strict=False)),
        )


# formulas


PASTS: list[list[Look]] = [
    [({"a": 1, "b": 3}, {"a": 5, "b": 4})],
    [({"a": 9}, {"b": 9})],
    [({"a": 1, "b": 1}, {"a": 1, "b": 400}), ({"b": 6}, {"a": 30, "b": 3})],
]


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
@pytest.mark.parametrize(("n_c", "n_s"), [(1, 6), (3, 4), (5, 1)])
def test_no_growth_is_expected_from_equal_mixes(past: list[Look], share: float, n_c: int, n_s: int) -> None:
    """Every outcome of one more look, whatever was before and wherever the base drifted: at most what it was."""
    before, expected = after(*past), 0.0
    for x, y in itertools.product(range(n_c + 1), range(n_s + 1)):
        chance = stats.binom.pmf(x, n_c, share) * stats.binom.pmf(y, n_s, share)
        expected += chance * class_evidence_against(
            update_class_mix(before, {"a": x, "b": n_c - x}, {"a": y, "b": n_s - y})
        )

    assert expected <= class_evidence_against(before) * (1 + 1e-9)


def test_no_growth_is_expected_where_a_new_class_may_appear() -> None:
    """Three classes, one never seen before: by enumeration, at most what it was."""
    before, expected, shares = after(*PASTS[0]), 0.0, (0.4, 0.4, 0.2)
    for x, y in itertools.product(_triples(3), _triples(2)):
        chance = stats.multinomial.pmf(x, 3, shares) * stats.multinomial.pmf(y, 2, shares)
        canary, stable = (dict(zip("abc", arm, strict=True)) for arm in (x, y))
        expected += chance * class_evidence_against(update_class_mix(before, canary, stable))

    assert expected <= class_evidence_against(before) * (1 + 1e-9)


def _triples(total: int) -> list[tuple[int, int, int]]:
    return [(i, j, total - i - j) for i in range(total + 1) for j in range(total + 1 - i)]


def test_a_factor_is_the_block_likelihood_ratio() -> None:
    """Written again with binomial probabilities: q_c and q_s against their common share, all bets, mean over them."""
    first, second = ({"a": 4, "b": 6}, {"a": 30, "b": 60}), ({"a": 7, "b": 3}, {"a": 28, "b": 62})
    q_s = 30.5 / 91
    a, b, both = 4 * 90 / 100, 30 * 10 / 100, 4 * 30 / 100
    seen = (a - both + 0.5) / (b - both + 0.5)
    values = []
    for odds in (*RATIOS, *(seen**power for power in POWERS)):
        q_c = odds * q_s / (1 - q_s + odds * q_s)
        q_0 = (10 * q_c + 90 * q_s) / 100
        ours = stats.binom.pmf(7, 10, q_c) / stats.binom.pmf(7, 10, q_0)
        values.append(ours * stats.binom.pmf(28, 90, q_s) / stats.binom.pmf(28, 90, q_0))

    found = find_largest_shift(after(first, second))

    assert found is not None
    assert found.evidence == pytest.approx(max(np.mean(values), found.evidence), rel=1e-6)
    by_hand = np.mean(values)
    logs = np.array(after(first, second).logs).reshape(len(values), 2)
    assert np.exp(logs[:, 0]).mean() == pytest.approx(by_hand)


def test_variances_are_those_of_the_contrast() -> None:
    """By enumeration of who went where: five predictions, two of them the canary's."""
    labels = ["a", "b", "a", "c", "a"]
    contrasts = []
    for pair in itertools.combinations(range(5), 2):
        ours = sum(labels[i] == "a" for i in pair)
        contrasts.append((3 * ours - 2 * (3 - ours)) / 5)

    evidence = after(({"a": 1, "b": 1}, {"a": 2, "c": 1}))

    sums = np.array(evidence.sums).reshape(6, 3)
    assert sums[3, 0] == pytest.approx(np.var(contrasts))
    assert sums[0, 0] - sums[1, 0] == pytest.approx((3 * 1 - 2 * 2) / 5)


# error rates


@pytest.mark.parametrize("drift", [0.0, 3.0])
def test_false_alarms_stay_below_alpha(drift: float) -> None:
    """150 rollouts of equal mixes, also while the mix drifts in both: at most alpha = 5 %; with a margin too."""
    rng = np.random.default_rng(1)
    alarms = with_margin = 0
    for _ in range(150):
        evidence, top, above = ClassEvidence(), 0.0, 0.0
        for canary, stable in rollout(rng, EVEN, EVEN, drift):
            evidence = update_class_mix(evidence, canary, stable)
            top, above = max(top, class_evidence_against(evidence)), max(above, class_evidence_against(evidence, 0.01))
        alarms += top >= 20
        with_margin += above >= 20

    assert alarms <= 7
    assert with_margin <= 7


@pytest.mark.parametrize(("canary", "stable"), [((0.55, 0.45), (0.5, 0.5)), ((0.05, 0.95), (0.0, 1.0))])
def test_a_mix_at_the_tolerance_seldom_passes(canary: tuple[float, ...], stable: tuple[float, ...]) -> None:
    """150 rollouts whose mixes are 5 % apart, also by a class that stable never predicts: passes in at most beta."""
    rng = np.random.default_rng(2)
    passes = outside = 0
    for _ in range(150):
        evidence, top, left = ClassEvidence(), 0.0, False
        for look in rollout(rng, canary, stable):
            evidence = update_class_mix(evidence, *look)
            low, high = class_distance_interval(evidence, 0.05)
            top, left = max(top, class_evidence_for(evidence, 0.05)), left or not low <= 0.05 <= high + 1e-12
        passes += top >= 20
        outside += left

    assert passes <= 7
    assert outside <= 7


def test_a_shift_is_found_and_named_and_a_good_canary_passes() -> None:
    """Five points moved from b to a are found in every rollout; equal mixes pass a distance of a tenth in most."""
    rng = np.random.default_rng(3)
    moved = (0.15, 0.05, *EVEN[2:])
    shifted = [after(*rollout(rng, moved, EVEN)) for _ in range(20)]
    good = [class_evidence_for(after(*rollout(rng, EVEN, EVEN)), 0.1) for _ in range(20)]

    assert min(class_evidence_against(evidence) for evidence in shifted) >= 100
    assert {found.label for evidence in shifted if (found := find_largest_shift(evidence))} <= {"a", "b"}
    assert sum(value >= 20 for value in good) >= 15


def test_favour_looks_at_every_set_of_classes() -> None:
    """Against brute force over all sets of four classes; with more classes the bound is below every set's value."""
    rng = np.random.default_rng(4)
    few = after(*((dict(zip("abcd", rng.multinomial(90, (0.4, 0.3, 0.2, 0.1)).tolist(), strict=True)),) * 2,) * 5)
    few = update_class_mix(few, {"a": 60, "b": 20, "c": 15, "d": 5}, {"a": 35, "b": 35, "c": 20, "d": 10})
    names = "abcdefghijklm"
    many = after(*((dict(zip(names, rng.multinomial(900, (1 / 13,) * 13).tolist(), strict=True)),) * 2,) * 3)
    many = update_class_mix(
        many, dict(zip(names, range(10, 23), strict=True)), dict(zip(names, range(23, 10, -1), strict=True))
    )

    assert class_evidence_for(few, 0.1) == pytest.approx(_brute_force(few, 0.1))
    assert class_evidence_for(many, 0.2) <= _brute_force(many, 0.2) * (1 + 1e-9)
    assert class_evidence_for(many, 0.2) >= _brute_force(many, 0.2) ** 0.9


def _brute_force(evidence: ClassEvidence, tolerance: float) -> float:
    size, counts = len(evidence.labels), np.array(evidence.canary) + np.array(evidence.stable)
    canary, stable = class_shares(evidence)
    logs = []
    for count in range(1, size + 1):
        for chosen in itertools.combinations(range(size), count):
            share = counts[[*chosen]].sum() / counts.sum()
            ahead = sum(canary[evidence.labels[i]] - stable[evidence.labels[i]] for i in chosen)
            near = min(max(0.5, share - tolerance), share + tolerance)
            logs.append(tolerance / (near * (1 - near)) * evidence.information * (tolerance / 2 - ahead))
    return math.exp(min(logs))


# promises


@given(seen=st.lists(looks(), max_size=6), margin=st.floats(0, 1), tolerance=st.floats(0, 1))
def test_nothing_but_numbers_comes_out(seen: list[Look], margin: float, tolerance: float) -> None:
    """Any legal counts: e-values from 0 to 1e300, mixes that sum to 1; a restart from JSON goes on identically."""
    adapter = TypeAdapter(ClassEvidence)
    kept = read = ClassEvidence()
    for canary, stable in seen:
        kept = update_class_mix(kept, canary, stable)
        read = update_class_mix(adapter.validate_json(adapter.dump_json(read)), canary, stable)

    assert read == kept
    assert 0 <= class_evidence_against(kept, margin) <= 1e300
    assert 0 <= class_evidence_for(kept, tolerance) <= 1e300
    low, high = class_distance_interval(kept, 0.05)
    assert 0 <= low <= high <= 1
    assert 0 <= (class_distance(kept) or 0) <= 1 + 1e-12
    if kept.labels:
        assert [sum(mix.values()) for mix in class_shares(kept)] == pytest.approx([1, 1])


@given(seen=st.lists(looks(), max_size=4))
def test_the_order_of_classes_does_not_matter(seen: list[Look]) -> None:
    """The same counts in another order give the same evidence."""
    turned = [tuple(dict(reversed(list(arm.items()))) for arm in look) for look in seen]

    assert after(*seen) == after(*((canary, stable) for canary, stable in turned))


@given(ahead=st.integers(0, 199))
def test_evidence_grows_with_the_shift(ahead: int) -> None:
    """One prediction more of a class that the canary already predicts more often: never less suspect."""
    past = ({"a": 120, "b": 80}, {"a": 100, "b": 100})
    values = [
        class_evidence_against(after(past, ({"a": 100 + more, "b": 100 - more}, {"a": 100, "b": 100})), 0.02)
        for more in (ahead // 2, ahead // 2 + 1)
    ]

    assert values[0] <= values[1] * (1 + 1e-9)


def test_the_first_look_bets_nothing() -> None:
    """Nothing was known before it, however different the arms are; the next one counts."""
    first = after(({"a": 500}, {"b": 500}))
    second = update_class_mix(first, {"a": 500}, {"b": 500})

    assert class_evidence_against(first) == pytest.approx(1.0)
    assert class_evidence_against(second) > 1e100


def test_a_class_that_only_the_canary_predicts_is_found() -> None:
    """It may enter at any look, with a part of the stake that was kept for it."""
    same = ({"a": 50, "b": 50}, {"a": 50, "b": 50})
    new = ({"a": 50, "b": 40, "z": 10}, {"a": 50, "b": 50})
    evidence = after(same, *(new,) * 8)

    found = find_largest_shift(evidence)

    assert evidence.labels == ("a", "b", "z")
    assert sum(evidence.stakes) < 1
    assert found is not None
    assert (found.label, found.stable_share) == ("z", 0.0)
    assert class_evidence_against(evidence) >= 100


def test_classes_beyond_the_hundredth_are_counted_together() -> None:
    """A model that answers free text can't fill the status."""
    many = {f"class {i:03}": 2 for i in range(130)}
    evidence = after((many, many), ({"yet another": 3, "class 001": 1}, many))

    assert len(evidence.labels) == LABEL_LIMIT + 1
    assert evidence.labels[-1] == OTHER_LABEL
    assert evidence.canary[-1] == 30 * 2 + 3
    assert sum(evidence.canary) == 130 * 2 + 4


def test_nothing_is_said_without_both_arms() -> None:
    """No look, or looks in which an arm predicted nothing: evidence of 1, no estimate."""
    empty = ClassEvidence()

    assert update_class_mix(empty, {}, {"a": 3}) == empty
    assert update_class_mix(empty, {"a": 3}, {"a": 0}) == empty
    assert (
        class_evidence_against(empty),
        class_evidence_against(empty, 0.1),
        class_evidence_for(empty, 0.1),
        class_distance_interval(empty, 0.1),
    ) == (1, 1, 1, (0, 1))
    assert (class_distance(empty), find_largest_shift(empty), class_shares(empty)) == (None, None, ({}, {}))


def test_counts_below_zero_are_refused() -> None:
    """An error that shows them."""
    with pytest.raises(ValueError, match="need counts of 0 or more"):
        update_class_mix(ClassEvidence(), {"a": 3}, {"a": -1})


@pytest.mark.parametrize("margin", [0.0, 0.02])
@pytest.mark.parametrize("alike", [1.0, 0.5])
def test_requests_of_several_rows_count_once(margin: float, alike: float) -> None:
    """200 rollouts of equal arms, batches of ten rows that are alike or half alike: each request is one witness."""
    random, rolled = np.random.default_rng(17), 0
    for _ in range(200):
        evidence, ever = ClassEvidence(), 0.0
        for n_c in [5] * 6 + [25] * 20 + [125] * 20:
            arms = []
            for requests in (n_c, 250 - n_c):
                own = random.random(requests) < 0.1
                same = random.binomial(10, alike, requests)
                rows = np.where(own, same, 0) + random.binomial(10 - same, 0.1)
                share = float(rows.sum() / 10)
                arms.append({"a": share, "b": requests - share})
            evidence = update_class_mix(evidence, *arms)
            ever = max(ever, class_evidence_against(evidence, margin))
        rolled += ever >= 100

    assert rolled <= 5  # 1 % of 200 is 2; five or more come with a chance of 5 %
