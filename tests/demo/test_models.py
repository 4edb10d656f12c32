"""The four versions: what the story needs of them holds for the models themselves, before any server runs."""

from pathlib import Path

import numpy as np
import pandas as pd

from demo.models import Trained
from demo.rows import LABEL, PIXELS, VALIDATION, Digits
from slipway.domain.gates.quality import judge_quality
from slipway.domain.verdict import Outcome
from slipway.specs import find_spec

MODELS = Path(__file__).parents[2] / "deployments" / "models"


def test_the_committed_validation_rows_are_those_that_no_version_learnt_from(digits: Digits) -> None:
    """The file that the gates read holds the demo's validation rows, pixel by pixel."""
    committed = pd.read_csv(MODELS / "digits-validation.csv")

    assert np.array_equal(committed[list(PIXELS)].to_numpy(), digits.pixels[VALIDATION].to_numpy())
    assert np.array_equal(committed[LABEL].to_numpy(), digits.labels[VALIDATION].to_numpy())


def test_versions_one_and_two_answer_rows_of_the_odd_kind(trained: list[Trained], digits: Digits) -> None:
    """What serves has an answer for every live row, from either scanner."""
    for one in trained[:2]:
        assert None not in one.answers(digits.odd)


def test_version_three_answers_every_validation_row_and_fails_on_every_odd_one(
    trained: list[Trained], digits: Digits
) -> None:
    """No gate can see what live requests bring."""
    third = trained[2]

    assert third.accuracy >= trained[1].accuracy
    assert None not in third.answers(digits.pixels[VALIDATION])
    assert third.answers(digits.odd) == [None] * len(digits.odd)
    assert all(third.answers(digits.odd[row : row + 1]) == [None] for row in range(len(digits.odd)))


def test_the_quality_gate_passes_the_first_three_and_fails_the_fourth(trained: list[Trained], digits: Digits) -> None:
    """By the demo's own spec, each against the version that serves then."""
    _path, spec = find_spec(MODELS, "digits")
    truth = digits.labels[VALIDATION].to_numpy()
    said = [one.estimator.predict(digits.pixels[VALIDATION]) for one in trained]
    champions = [None, said[0], said[1], said[1]]

    outcomes = [
        judge_quality(truth, mine, theirs, spec.quality).outcome for mine, theirs in zip(said, champions, strict=True)
    ]

    assert outcomes[:2] == [Outcome.PASS, Outcome.PASS]
    assert outcomes[2] is not Outcome.FAIL
    assert outcomes[3] is Outcome.FAIL
