"""Whether a variant is faster, and which one ships."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from slipway.domain.optimize.conversion import Variant
from slipway.domain.optimize.speed import choose_variant, paired_speedup
from slipway.domain.verdict import Outcome, Verdict


def row(name: str, speedup: float, low: float, high: float, *, outcome: Outcome = Outcome.PASS) -> Variant:
    """Return a measured row of the table."""
    return Variant(
        name=name,
        path=Path(f"{name}.onnx"),
        size_bytes=1,
        median_microseconds=10 / speedup,
        speedup=speedup,
        speedup_low=low,
        speedup_high=high,
        parity=Verdict(check="parity", outcome=outcome, reason=""),
    )


Times = NDArray[np.float64]
PLAIN = row("plain", 1, 1, 1)


def noisy(seed: int, factor: float, rounds: int = 30) -> tuple[Times, Times]:
    """Return paired times: slow moments hit both, each has 3 % noise of its own, the variant is faster."""
    rng = np.random.default_rng(seed)
    weather = rng.lognormal(0, 0.5, rounds)
    plain, variant = rng.lognormal(0, 0.03, (2, rounds))
    return weather * plain, weather * variant / factor


def test_the_interval_is_scipys() -> None:
    """The percentile bootstrap of the median agrees with scipy's to a fraction of its width."""
    plain, variant = noisy(1, 1.2)
    reference = stats.bootstrap(
        (plain / variant,), np.median, method="percentile", n_resamples=20000, rng=np.random.default_rng(5)
    ).confidence_interval

    median, low, high = paired_speedup(plain, variant, confidence=0.95, seed=1)

    assert median == np.median(plain / variant)
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=(reference.high - reference.low) / 10)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 200 experiments with a known factor, about 95 % of the 95 % intervals hold it."""
    held = 0
    for seed in range(200):
        _, low, high = paired_speedup(*noisy(seed, 1.3), confidence=0.95, seed=seed)
        held += low <= 1.3 <= high

    assert 0.89 <= held / 200 <= 0.99


def test_slow_moments_that_hit_both_cancel() -> None:
    """Pairs make a 10 % gain certain under noise of 50 %."""
    _, low, _ = paired_speedup(*noisy(3, 1.1), confidence=0.95, seed=0)

    assert low > 1.02


@given(
    st.lists(st.tuples(st.floats(1e-6, 1), st.floats(1e-6, 1)), min_size=1, max_size=60),
    st.sampled_from([0.8, 0.95, 0.99]),
    st.integers(0, 2**32 - 1),
)
def test_intervals_hold_together(pairs: list[tuple[float, float]], confidence: float, seed: int) -> None:
    """The same seed gives the same interval; it lies within the ratios seen, its ends in order."""
    plain, variant = np.array(pairs).T

    median, low, high = paired_speedup(plain, variant, confidence=confidence, seed=seed)

    ratios = plain / variant
    assert (median, low, high) == paired_speedup(plain, variant, confidence=confidence, seed=seed)
    assert ratios.min() * (1 - 1e-9) <= low <= high <= ratios.max() * (1 + 1e-9)


@given(st.integers(0, 1000))
def test_more_confidence_never_narrows(seed: int) -> None:
    """A 99 % interval holds the 90 % one."""
    times = noisy(seed, 1.0)

    _, low90, high90 = paired_speedup(*times, confidence=0.9, seed=seed)
    _, low99, high99 = paired_speedup(*times, confidence=0.99, seed=seed)

    assert low99 <= low90 <= high90 <= high99


@pytest.mark.parametrize(
    ("plain", "variant", "said"),
    [
        ([], [], "need pairs"),
        ([1.0, 2.0], [1.0], "need pairs"),
        ([1.0, 0.0], [1.0, 1.0], "above zero"),
        ([1.0, np.nan], [1.0, 1.0], "finite"),
    ],
)
def test_times_that_can_not_be_are_refused(plain: list[float], variant: list[float], said: str) -> None:
    """No pairs, halves of pairs, and times that no clock gives are errors, not speedups."""
    with pytest.raises(ValueError, match=said):
        paired_speedup(np.array(plain), np.array(variant), confidence=0.95, seed=0)


@pytest.mark.parametrize(
    ("others", "chosen", "reason"),
    [
        ([], "plain", "plain ships: the spec requests no variant"),
        (
            [row("graph", 1.01, 0.98, 1.03)],
            "plain",
            "nothing is over 2% faster than plain with 95 % confidence: graph 1.01x (0.98 to 1.03)",
        ),
        (
            [row("graph", 1.2, 1.1, 1.3), row("dynamic-int8", 2.4, 2.2, 2.5)],
            "dynamic-int8",
            "dynamic-int8 2.40x (2.20 to 2.50): faster than plain with 95 % confidence",
        ),
        (
            [row("graph", 1.2, 1.1, 1.3), row("dynamic-int8", 2.4, 0.9, 2.5)],
            "graph",
            "graph 1.20x (1.10 to 1.30): faster than plain with 95 % confidence",
        ),
    ],
)
def test_the_fastest_with_confidence_ships(others: list[Variant], chosen: str, reason: str) -> None:
    """The whole interval must lie above the least gain; else plain, with the numbers."""
    decided = choose_variant([PLAIN, *others], confidence=0.95)

    assert decided.chosen.name == chosen
    assert decided.reason == reason
    assert decided.table == (PLAIN, *others)


def test_a_variant_without_parity_never_ships() -> None:
    """However fast it is."""
    decided = choose_variant([PLAIN, row("dynamic-int8", 9, 8, 10, outcome=Outcome.FAIL)], confidence=0.95)

    assert decided.chosen is PLAIN


def test_a_table_begins_with_plain() -> None:
    """There is always something to fall back on."""
    with pytest.raises(ValueError, match="begin with the plain model"):
        choose_variant([row("graph", 2, 2, 2)], confidence=0.95)
