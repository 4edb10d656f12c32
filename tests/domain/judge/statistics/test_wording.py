"""Sentences: exactly as they are read."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.judge.checks import Check
from slipway.domain.judge.counters import Counters
from slipway.domain.judge.readings import Latencies, Sums
from slipway.domain.judge.statistics.classes import ClassEvidence
from slipway.domain.judge.statistics.classes import update_class_mix as classes_grow
from slipway.domain.judge.statistics.drift import ColumnDrift
from slipway.domain.judge.statistics.means import MeanEvidence
from slipway.domain.judge.statistics.means import update_means as means_grow
from slipway.domain.judge.statistics.paired import PairEvidence
from slipway.domain.judge.statistics.paired import update_pairs as pairs_grow
from slipway.domain.judge.statistics.quantiles import QuantileEvidence
from slipway.domain.judge.statistics.quantiles import update_quantiles as quantiles_grow
from slipway.domain.judge.statistics.wording import (
    Rate,
    Ratio,
    drift_sentence,
    format_chance,
    no_drift,
    nothing_counted,
    rate_numbers,
    rate_sentence,
    tell_classes,
    tell_disagreement,
    tell_quantiles,
    tell_scores,
    tell_slowdown,
)
from slipway.domain.spec.judge import RateGuard
from slipway.domain.verdict import Outcome

GUARD = RateGuard(margin=1.0, tolerance=1.5, negligible=0.01)
FAIL, PASS, INCONCLUSIVE, NO_DATA = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.NO_DATA


def rate(
    canary: tuple[int, int] = (2004, 41),
    stable: tuple[int, int] = (8010, 71),
    ratio: tuple[float, float, float] = (2.31, 1.48, 3.4),
    *,
    check: str = Check.ERRORS,
    evidence: float = 1000.0,
) -> Rate:
    """Return what a sentence is made of; the example that the documentation gives, where nothing else is said."""
    return Rate(
        check=check,
        canary=Counters(requests=canary[0], errors=canary[1]),
        stable=Counters(requests=stable[0], errors=stable[1]),
        ratio=Ratio(*ratio),
        evidence=evidence,
        threshold_milliseconds=250.0,
        under_tolerance=True,
        nearer=True,
    )


def negligible(
    canary: tuple[int, int] = (2004, 41), stable: tuple[int, int] = (8010, 71), *, check: str = Check.ERRORS
) -> Rate:
    """Return what a sentence is made of whose PASS rests on the canary's own share."""
    return replace(rate(canary, stable, (math.nan, 0, math.inf), check=check), under_tolerance=False)


@pytest.mark.parametrize(
    ("said", "outcome", "sentence"),
    [
        (
            rate(),
            FAIL,
            (
                "canary fails 2.31x as often as stable (1.48 to 3.4); "
                "chance of that for an equal model below 1 in 1,000; 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate(ratio=(140.0, 9.446, math.inf)),
            FAIL,
            (
                "canary fails 140.00x as often as stable (9.45 or more); "
                "chance of that for an equal model below 1 in 1,000; 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate(ratio=(math.inf, 9.446, math.inf)),
            FAIL,
            (
                "canary fails more than 9.45x as often as stable; chance of that for an equal model below 1 in 1,000; "
                "41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate((100, 30), (900, 0), (math.inf, 5.0, math.inf), evidence=1e300),
            FAIL,
            (
                "canary fails where stable never does; chance of that for an equal model below 1 in 1,000,000,000; "
                "30 of 100 against 0 of 900"
            ),
        ),
        (
            rate((100, 30), (900, 0), (math.inf, 5.0, math.inf), check=Check.LATENCY),
            FAIL,
            (
                "canary is slow where stable never is; chance of that for an equal model below 1 in 1,000; "
                "30 of 100 against 0 of 900 slower than 250 ms"
            ),
        ),
        (
            rate((4020, 54), (2100, 600)),
            FAIL,
            (
                "look by look canary fails 2.31x as often as stable (1.48 to 3.4); "
                "chance of that for an equal model below 1 in 1,000; 54 of 4,020 against 600 of 2,100"
            ),
        ),
        (
            rate(check=Check.LATENCY),
            FAIL,
            (
                "canary is slow 2.31x as often as stable (1.48 to 3.4); "
                "chance of that for an equal model below 1 in 1,000; 41 of 2,004 against 71 of 8,010 slower than 250 ms"
            ),
        ),
        (
            rate(check=Check.LABELS),
            FAIL,
            (
                "canary is wrong 2.31x as often as stable (1.48 to 3.4); "
                "chance of that for an equal model below 1 in 1,000; 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate(check=Check.COPIES),
            FAIL,
            (
                "canary fails 2.31x as often as stable (1.48 to 3.4); "
                "chance of that for an equal model below 1 in 1,000; 41 of 2,004 against 71 of 8,010 copied requests"
            ),
        ),
        (
            rate((300, 60), (300, 0), (math.inf, 5.0, math.inf), check=Check.COPIES),
            FAIL,
            (
                "canary fails where stable never does; chance of that for an equal model below 1 in 1,000; "
                "60 of 300 against 0 of 300 copied requests"
            ),
        ),
        (
            rate(ratio=(1.0, 0.8, 1.3)),
            PASS,
            (
                "canary fails less than 1.5x as often as stable (confidence 95 %); "
                "errors: 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate(check=Check.COPIES),
            PASS,
            (
                "canary fails less than 1.5x as often as stable (confidence 95 %); "
                "errors on copies: 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate(check=Check.LATENCY),
            PASS,
            (
                "canary is slow less than 1.5x as often as stable (confidence 95 %); "
                "slow answers: 41 of 2,004 against 71 of 8,010 slower than 250 ms"
            ),
        ),
        (
            rate(check=Check.LABELS),
            PASS,
            (
                "canary is wrong less than 1.5x as often as stable (confidence 95 %); "
                "wrong answers: 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            replace(rate(), nearer=False),
            INCONCLUSIVE,
            (
                "canary fails less than 1.5x as often as stable, not clearly nearer to 1x than to 1.22x yet; "
                "errors: 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            replace(rate((500, 0), (900, 0)), nearer=False),
            PASS,
            "canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 500 against 0 of 900",
        ),
        (
            negligible((500, 0), (900, 0)),
            PASS,
            "canary fails on less than 1 % of its requests (confidence 95 %); errors: 0 of 500 against 0 of 900",
        ),
        (
            negligible((500, 0), (500, 0), check=Check.COPIES),
            PASS,
            (
                "canary fails on less than 1 % of the copied requests (confidence 95 %); "
                "errors on copies: 0 of 500 against 0 of 500"
            ),
        ),
        (
            negligible(check=Check.LATENCY),
            PASS,
            (
                "canary is slow on less than 1 % of its requests (confidence 95 %); "
                "slow answers: 41 of 2,004 against 71 of 8,010 slower than 250 ms"
            ),
        ),
        (
            negligible(check=Check.LABELS),
            PASS,
            (
                "canary is wrong on less than 1 % of its labelled answers (confidence 95 %); "
                "wrong answers: 41 of 2,004 against 71 of 8,010"
            ),
        ),
        (
            rate((30, 1), (300, 3)),
            INCONCLUSIVE,
            "not enough evidence yet either way; errors: 1 of 30 against 3 of 300",
        ),
    ],
)
def test_what_is_said_of_a_share_of_requests(said: Rate, outcome: Outcome, sentence: str) -> None:
    """One sentence, with its numbers."""
    assert rate_sentence(said, GUARD, 0.05, outcome) == sentence


def test_the_confidence_is_never_rounded_up_to_certainty() -> None:
    """A beta of one in a thousand is 99.9 %, not 100 %."""
    assert "(confidence 99.9 %)" in rate_sentence(rate(ratio=(1, 0.8, 1.3)), GUARD, 0.001, PASS)


@given(evidence=st.floats(1, 1e300))
def test_the_claimed_odds_are_never_over_the_evidence(evidence: float) -> None:
    """`below 1 in N` holds: N is at most the e-value, keeps two digits, and is a thousand million at most."""
    claimed = re.fullmatch(r"chance of that for an equal model below 1 in ([\d,]+)", format_chance(evidence))

    assert claimed
    odds = int(claimed[1].replace(",", ""))
    assert 0.5 * min(evidence, 1e9) <= odds <= evidence
    assert len(str(odds).rstrip("0")) <= 2


@pytest.mark.parametrize(
    ("evidence", "odds"), [(1.0, "1"), (99.9, "99"), (908.0, "900"), (1234.5, "1,200"), (1e12, "1,000,000,000")]
)
def test_odds_are_rounded_down(evidence: float, odds: str) -> None:
    """To two digits."""
    assert format_chance(evidence) == f"chance of that for an equal model below 1 in {odds}"


def test_the_numbers_behind_a_sentence() -> None:
    """Counts and the ratio; what is no finite number is left out, and a threshold is told where there is one."""
    assert rate_numbers(rate(ratio=(math.nan, 0.0, math.inf), check=Check.LATENCY)) == {
        "canary_requests": 2004,
        "canary_events": 41,
        "stable_requests": 8010,
        "stable_events": 71,
        "ratio_low": 0.0,
        "threshold_milliseconds": 250.0,
    }
    assert rate_numbers(rate()).keys() == {
        "canary_requests",
        "canary_events",
        "stable_requests",
        "stable_events",
        "ratio",
        "ratio_low",
        "ratio_high",
    }


@pytest.mark.parametrize(
    ("check", "threshold", "canary", "sentence"),
    [
        (Check.ERRORS, None, 0, "no answer of the canary was counted yet"),
        (Check.COPIES, None, 0, "no copied request was answered by both yet"),
        (Check.ERRORS, None, 9, "no answer of stable was counted yet: there is nothing to compare with"),
        (Check.LABELS, None, 9, "no label arrived yet for both versions"),
        (Check.LATENCY, None, 9, "how slow stable's slowest answers are is not known yet"),
        (Check.LATENCY, 250.0, 0, "no answer of the canary was counted yet"),
    ],
)
def test_why_nothing_can_be_said(check: str, threshold: float | None, canary: int, sentence: str) -> None:
    """By what is missing."""
    assert nothing_counted(check, threshold, Counters(requests=canary, errors=0)) == sentence


# what is no share of requests

ONE = Sums(count=500, total=500.0, squares=1000.0)
TWO = Sums(count=500, total=750.0, squares=1600.0)


def test_what_is_said_of_scores() -> None:
    """Nothing, not enough, and which way."""
    few = means_grow(MeanEvidence(), Sums(count=3, total=3.0, squares=4.0), Sums(count=3, total=3.0, squares=4.0))
    many = MeanEvidence()
    for _ in range(8):
        many = means_grow(many, TWO, ONE)

    assert tell_scores(MeanEvidence(), 0.05, NO_DATA) == ("no score of both versions was seen yet", {})
    assert tell_scores(few, 0.05, INCONCLUSIVE)[0] == "not enough scores yet; 3 scores of the canary against 3"
    said, numbers = tell_scores(many, 0.05, FAIL)
    assert re.fullmatch(
        r"canary's mean score is 0\.5 higher \(0\.\d+ to 0\.\d+\); 4,000 scores of the canary against 4,000", said
    )
    assert numbers.keys() == {"difference", "difference_low", "difference_high"}


def test_what_is_said_of_classes() -> None:
    """Which label differs most."""
    mixed = ClassEvidence()
    for _ in range(5):
        mixed = classes_grow(mixed, {"cat": 70, "dog": 30}, {"cat": 250, "dog": 250})

    assert tell_classes(ClassEvidence(), 0.02, 0.05, NO_DATA) == (
        "no predicted label of both versions was seen yet",
        {},
    )
    said, numbers = tell_classes(mixed, 0.02, 0.05, FAIL)
    assert re.fullmatch(
        r"'(cat|dog)' is [\d.]+ % of the canary's answers and [\d.]+ % of stable's; 500 answers against 2,500", said
    )
    assert numbers["distance_low"] <= numbers["distance"] <= numbers["distance_high"]


def test_what_is_said_of_whole_distributions() -> None:
    """At which edge the canary falls furthest behind."""
    edges = (10.0, 100.0)
    slow = Latencies(requests=2000, edges_milliseconds=edges, slower=(1800, 200))
    fast = Latencies(requests=2000, edges_milliseconds=edges, slower=(500, 20))

    assert tell_quantiles(QuantileEvidence(), 0.01, NO_DATA) == ("no latency of both versions was read yet", {})
    said, numbers = tell_quantiles(quantiles_grow(QuantileEvidence(), slow, fast), 0.01, FAIL)
    assert said == "slower than 10 ms: 90 % of the canary's answers, 25 % of stable's"
    assert (numbers["edge_milliseconds"], numbers["difference_low"] > 0) == (10.0, True)


def test_what_is_said_of_pairs() -> None:
    """Disagreement with its interval, slowness with its ratio."""
    ratios = Sums(count=400, total=400 * math.log(2), squares=300.0)
    some = pairs_grow(PairEvidence(), pairs=400, disagreeing=60, log_ratios=ratios)
    few = pairs_grow(PairEvidence(), pairs=1, disagreeing=0, log_ratios=Sums(count=1, total=0.1, squares=0.01))

    assert tell_disagreement(PairEvidence(), 0.04, 0.05, NO_DATA) == ("no copied request was answered by both yet", {})
    assert tell_slowdown(PairEvidence(), 1.5, 0.05, NO_DATA) == ("no copied request was timed by both yet", {})
    assert re.fullmatch(
        r"canary disagrees with stable on 60 of 400 copied requests \(9\.\d+ % to 2\d\.?\d* %; allowed 4 %\)",
        tell_disagreement(some, 0.04, 0.05, FAIL)[0],
    )
    assert re.fullmatch(
        r"canary takes 2x stable's time \(1\.\d+ to 2\.\d+\) on 400 copied requests; allowed 1\.5x",
        tell_slowdown(some, 1.5, 0.05, FAIL)[0],
    )
    assert tell_slowdown(few, 1.5, 0.05, INCONCLUSIVE)[0] == (
        "canary takes 1.11x stable's time on 1 copied requests; allowed 1.5x"
    )


def test_what_is_said_of_inputs() -> None:
    """Which column, and what that means for the gates."""
    assert drift_sentence(ColumnDrift(name="age", psi=0.31, evidence=500.0, overall=250.0)) == (
        "live values of 'age' are not as in the validation rows (PSI 0.31): "
        "the gates judged the model on other inputs than it gets"
    )
    assert no_drift(0.02) == "live inputs look like the validation rows (largest PSI 0.02)"
