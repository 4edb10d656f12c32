"""When two forms of a model say the same."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from slipway.domain.gates.parity import Answers, EdgeAnswers, judge_parity
from slipway.domain.spec.release import ConversionSpec
from slipway.domain.verdict import Outcome

SPEC = ConversionSpec(absolute_tolerance=1e-5, relative_tolerance=0.0, margin=1e-3)


def classified(labels: list[int] | list[str], first: list[float] | None = None) -> Answers:
    """Return two-class answers; `first` is each row's probability of the first class."""
    if first is None:
        return Answers(predictions=np.array(labels))
    column = np.array(first, dtype=float)
    return Answers(predictions=np.array(labels), probabilities=np.column_stack([column, 1 - column]))


def numbers(values: list[float]) -> Answers:
    """Return a regression's answers."""
    return Answers(predictions=np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("original", "converted", "outcome", "said"),
    [
        (
            classified([0, 1], [0.9, 0.2]),
            classified([0, 1], [0.9, 0.2]),
            Outcome.PASS,
            "2 of 2 labels agree, largest probability difference 0",
        ),
        (
            classified([0, 1], [0.9, 0.49999]),
            classified([0, 0], [0.9, 0.499995]),
            Outcome.PASS,
            "1 of 2 labels agree, 1 differ where the original's own margin is under 0.001",
        ),
        (
            classified([0, 1], [0.9, 0.2]),
            classified([1, 1], [0.9, 0.2]),
            Outcome.FAIL,
            "1 of 2 labels agree, 1 differ where the original is sure, largest probability difference 0",
        ),
        (
            classified([0, 1], [0.9, 0.2]),
            classified([0, 1], [0.8, 0.2]),
            Outcome.FAIL,
            "2 of 2 labels agree, largest probability difference 0.1 (1 row over the allowed 1e-05 + 0 x value)",
        ),
        (classified(["a", "b"]), classified(["a", "c"]), Outcome.FAIL, "1 of 2 labels agree, 1 differ where the"),
        (numbers([1.0, math.nan]), numbers([1.0, math.nan]), Outcome.PASS, "2 of 2 predictions agree"),
        (
            numbers([1.0, 2.0]),
            numbers([1.0, math.nan]),
            Outcome.FAIL,
            "1 of 2 predictions agree, largest difference inf",
        ),
        (numbers([math.inf]), numbers([math.inf]), Outcome.PASS, "1 of 1 predictions agree, largest difference 0"),
        (numbers([1.0]), numbers([1.1]), Outcome.FAIL, "0 of 1 predictions agree, largest difference 0.1 (1 row over"),
        (numbers([1.0, 2.0]), numbers([1.0]), Outcome.FAIL, "predictions have shape (1,), the original's (2,)"),
        (
            classified([0], [0.9]),
            classified([0]),
            Outcome.FAIL,
            "probabilities: the original gives some, the converted",
        ),
        (numbers([]), numbers([]), Outcome.NO_DATA, "no rows"),
    ],
)
def test_verdicts_say_what_agrees(original: Answers, converted: Answers, outcome: Outcome, said: str) -> None:
    """Each case has its outcome, and a sentence with the counts."""
    verdict = judge_parity(original, converted, SPEC)

    assert verdict.outcome is outcome
    assert verdict.reason.startswith(said)


def test_labels_without_probabilities_must_all_agree() -> None:
    """No margin is known, so nothing excuses a difference."""
    verdict = judge_parity(classified([0, 1]), classified([0, 0]), SPEC)

    assert verdict.outcome is Outcome.FAIL


def test_a_label_that_changed_its_type_is_the_same_label() -> None:
    """Converters write booleans as numbers, and numbers of a mixed vocabulary as text."""
    same = judge_parity(Answers(predictions=np.array([True, False])), Answers(predictions=np.array([1, 0])), SPEC)
    text = judge_parity(Answers(predictions=np.array([7, 8])), Answers(predictions=np.array(["7", "8"])), SPEC)

    assert same.outcome is Outcome.PASS
    assert text.outcome is Outcome.PASS


def test_edge_rows_are_counted_apart() -> None:
    """A disagreement at an edge fails the gate, and the sentence shows it beside the ordinary rows."""
    rows = classified([0, 1], [0.9, 0.2])
    edges = EdgeAnswers(
        original=classified([0, 1], [0.9, 0.2]), converted=classified([0, 0], [0.9, 0.2]), left_out=1, unanswered=1
    )

    verdict = judge_parity(rows, rows, SPEC, edges)

    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == (
        "2 of 2 labels agree, largest probability difference 0, 1 of 3 edge rows agree, "
        "1 left out because the original refuses them"
    )
    assert verdict.numbers["edge_rows_agreeing"] == 1


values = arrays(np.float64, array_shapes(min_dims=1, max_dims=2), elements=st.floats(width=32))


@given(values)
def test_anything_agrees_with_itself(predictions: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> None:
    """Whatever the numbers are, NaN and infinities included, the same answers pass."""
    answers = Answers(predictions=predictions)

    assert judge_parity(answers, answers, SPEC).outcome is Outcome.PASS


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.data())
def test_one_number_too_far_fails_whatever_the_others_are(predictions: list[float], data: st.DataObject) -> None:
    """A single row over the tolerance is enough, at any place."""
    place = data.draw(st.integers(0, len(predictions) - 1))
    moved = [*predictions]
    moved[place] += data.draw(st.floats(0.01, 1e6))

    verdict = judge_parity(numbers(predictions), numbers(moved), SPEC)

    assert verdict.outcome is Outcome.FAIL
    assert verdict.numbers["rows_agreeing"] == len(predictions) - 1


@given(st.lists(st.integers(0, 1), min_size=1), st.lists(st.integers(0, 1), min_size=1))
def test_labels_fail_in_either_direction(ours: list[int], theirs: list[int]) -> None:
    """Without probabilities parity does not depend on which form is called the original."""
    size = min(len(ours), len(theirs))
    one, other = classified(ours[:size]), classified(theirs[:size])

    assert judge_parity(one, other, SPEC).outcome is judge_parity(other, one, SPEC).outcome
