"""Delayed labels: what a row may say."""

import pytest

from slipway.domain.judge.labels import LONGEST_REQUEST_ID, Label, label_of


def row(**other: object) -> dict[str, object]:
    """Return a row that can be used, but for these values."""
    return {"request_id": "r-1", "revision": "digits-v7", "wrong": "0", **other}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [("0", False), ("1", True), ("false", False), ("TRUE", True), (0, False), (1, True), (False, False), (True, True)],
)
def test_wrong_has_eight_spellings(said: object, wrong: bool) -> None:  # noqa: FBT001 - a column of the table
    """Text as in CSV, numbers and truth values as in JSON."""
    assert label_of(row(wrong=said), "digits") == Label(request_id="r-1", revision="digits-v7", wrong=wrong)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row(wrong="maybe"), "wrong: seen 'maybe', expected 0, 1, true or false"),
        (row(wrong=1.0), "wrong: seen 1.0, expected"),
        (row(wrong=2), "wrong: seen 2, expected"),
        (row(wrong=None), "wrong: seen None, expected"),
        (row(wrong=""), "wrong: seen '', expected"),
        (row(request_id=""), "request_id: seen '', expected 1 to 200 printable characters"),
        (row(request_id="a" * (LONGEST_REQUEST_ID + 1)), "request_id: seen 'aaa"),
        (row(request_id=" r"), "request_id: seen ' r', expected"),
        (row(request_id="a\x00b"), r"request_id: seen 'a\x00b', expected"),
        (row(request_id=7), "request_id: seen 7, expected text"),
        (row(revision="digits"), "revision: seen 'digits', expected MODEL-vN"),
        (row(revision="digits-v0"), "revision: seen 'digits-v0', expected MODEL-vN"),
        (row(revision="digits-v1\n"), r"revision: seen 'digits-v1\n', expected MODEL-vN"),
        (row(revision="fraud-v7"), "revision: seen 'fraud-v7', expected a revision of digits, as in `digits-v7`"),
        (row(revision=None), "revision: seen None, expected text"),
        (row(score="1"), "columns: seen 'request_id, revision, wrong, score', expected request_id, revision, wrong"),
        ({"request_id": "r-1"}, "columns: seen 'request_id', expected"),
        (["r-1", "digits-v7", 0], "row: seen ['r-1', 'digits-v7', 0], expected an object with request_id, revision"),
    ],
)
def test_a_row_that_can_not_be_used_says_what_was_seen_and_expected(bad: object, said: str) -> None:
    """No value becomes a default."""
    with pytest.raises(ValueError, match="expected") as raised:
        label_of(bad, "digits")

    assert said in str(raised.value)
    assert len(str(raised.value)) < 250


def test_a_model_may_be_named_like_a_revision() -> None:
    """The last `-v` parts the model from the version."""
    assert Label(request_id="r", revision="a-v1-v2", wrong=False).model == "a-v1"
