"""Shadow answers: joined by request id, compared value by value."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.domain.rollout.shadow import ShadowAnswer, ShadowComparison, compare_answers


def answer(request_id: str, *values: float | str, status: int = 200) -> ShadowAnswer:
    """Return an answer."""
    return ShadowAnswer(request_id=request_id, status=status, values=values)


def disagreed(ours: tuple[float | str, ...], theirs: tuple[float | str, ...], tolerance: float = 0.01) -> bool:
    """Say whether one pair of good answers disagrees."""
    compared = compare_answers([answer("a", *ours)], [answer("a", *theirs)], tolerance=tolerance)
    assert compared.compared == 1
    return compared.disagreed == 1


def test_only_requests_that_both_answered_count() -> None:
    """An answer without its counterpart is neither agreement nor difference."""
    compared = compare_answers([answer("a", 1), answer("b", 1)], [answer("b", 1), answer("c", 9)], tolerance=0)

    assert compared == ShadowComparison(compared=1, last="b")


def test_a_request_that_comes_twice_counts_once() -> None:
    """With its first answer on either side: a retry is not a second request."""
    stable = [answer("a", 1), answer("a", 2)]
    canary = [answer("a", 1), answer("a", 3), answer("a", 4, status=500)]

    assert compare_answers(stable, canary, tolerance=0) == ShadowComparison(compared=1, last="a")


def test_failures_are_counted_by_arm_and_are_no_disagreement() -> None:
    """A 5xx is an error for the judge; there is no value to compare."""
    stable = [answer("a", 1), answer("b", status=503), answer("c", status=500), answer("d", 4)]
    canary = [answer("a", status=500), answer("b", 2), answer("c", status=500), answer("d", 5)]

    compared = compare_answers(stable, canary, tolerance=0)

    assert compared == ShadowComparison(
        compared=4, disagreed=1, canary_failed=2, stable_failed=2, both_failed=1, last="d"
    )
    assert compared.answered == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500, 503, 504])
def test_an_answer_of_no_use_makes_a_failed_pair(status: int) -> None:
    """Refused, shed or failed, on whichever side: the other version had an answer to the same request."""
    good, bad = [answer("a", 1)], [answer("a", status=status)]

    canarys, stables = compare_answers(good, bad, tolerance=0), compare_answers(bad, good, tolerance=0)
    both = compare_answers(bad, bad, tolerance=0)

    assert canarys == ShadowComparison(compared=1, canary_failed=1, last="a")
    assert stables == ShadowComparison(compared=1, stable_failed=1, last="a")
    assert both == ShadowComparison(compared=1, canary_failed=1, stable_failed=1, both_failed=1, last="a")


@pytest.mark.parametrize("status", [401, 403, 408, 499])
def test_what_is_not_the_versions_makes_no_pair(status: int) -> None:
    """A client without rights, or one that went away, says nothing of either version."""
    answers = [answer("a", 1), answer("b", status=status)], [answer("a", status=status), answer("b", 1)]

    assert compare_answers(*answers, tolerance=0) == ShadowComparison(last="b")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_fail_where_the_other_side_has_numbers(value: float) -> None:
    """Where both have none, the request is to blame."""
    good, bad = [answer("a", 1.0)], [answer("a", value)]

    assert compare_answers(good, bad, tolerance=0).canary_failed == 1
    assert compare_answers(bad, good, tolerance=0).stable_failed == 1
    assert compare_answers(bad, bad, tolerance=0) == ShadowComparison(compared=1, last="a")
    assert compare_answers([answer("a", status=400)], bad, tolerance=0).stable_failed == 1


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ((), ()),
        ((1.0,), (1.01,)),
        (("cat", 0.5), ("cat", 0.505)),
        ((math.nan,), (math.nan,)),
        ((math.inf, -math.inf), (math.inf, -math.inf)),
        ((3,), (3.0,)),
    ],
    ids=["nothing", "within tolerance", "labels and numbers", "not a number", "infinite", "whole number"],
)
def test_these_agree(ours: tuple[float | str, ...], theirs: tuple[float | str, ...]) -> None:
    """Equal labels, and numbers within the tolerance."""
    assert not disagreed(ours, theirs, tolerance=0.0100001)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ((1.0,), (1.02,)),
        ((1.0,), (1.0, 1.0)),
        (("cat",), ("dog",)),
        (("1",), (1,)),
        ((math.inf,), (-math.inf,)),
    ],
    ids=["too far", "one more", "other label", "text and number", "other sign"],
)
def test_these_disagree(ours: tuple[float | str, ...], theirs: tuple[float | str, ...]) -> None:
    """Another label, shape, kind, or a number too far away."""
    assert disagreed(ours, theirs)


def test_another_status_is_another_answer() -> None:
    """Also where neither answer has values."""
    compared = compare_answers([answer("a")], [answer("a", status=202)], tolerance=0)

    assert compared == ShadowComparison(compared=1, disagreed=1, last="a")


answers = st.lists(
    st.builds(
        ShadowAnswer,
        request_id=st.sampled_from("abcdef"),
        status=st.sampled_from([200, 400, 500]),
        values=st.tuples(st.floats() | st.text(max_size=2)),
    ),
    max_size=12,
)


@given(stable=answers, canary=answers)
def test_counts_are_consistent_whatever_was_answered(stable: list[ShadowAnswer], canary: list[ShadowAnswer]) -> None:
    """No count is over the number of compared requests, and an arm compared with itself never disagrees."""
    compared = compare_answers(stable, canary, tolerance=0.1)

    assert compared.compared == len({one.request_id for one in stable} & {one.request_id for one in canary})
    assert compared.disagreed + max(compared.canary_failed, compared.stable_failed) <= compared.compared
    assert compare_answers(stable, stable, tolerance=0).disagreed == 0


@given(
    failures=st.lists(st.booleans(), max_size=60),
    steps=st.lists(st.integers(min_value=0, max_value=8), max_size=20),
)
def test_a_ring_that_forgets_loses_no_count(failures: list[bool], steps: list[int]) -> None:
    """Looks that come before the ring is full again count every request once."""
    ring, end, compared = 8, 0, ShadowComparison()
    canary = [answer(f"r{number}", status=500 if failed else 200) for number, failed in enumerate(failures)]
    stable = [answer(f"r{number}") for number in range(len(failures))]
    for step in steps:
        end = min(len(canary), end + step)
        newest = slice(max(0, end - ring), end)
        compared = compare_answers(stable[newest], canary[newest], tolerance=0, before=compared)

    assert compared.compared == end
    assert compared.canary_failed == sum(failures[:end])
