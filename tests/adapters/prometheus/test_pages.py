"""Pages of several pods, added up: summaries, and compared answers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.prometheus import pages
from slipway.domain.judge.readings import Summary, Sums

PAGES = st.fixed_dictionaries(
    {
        "scores": st.none()
        | st.fixed_dictionaries(
            {"count": st.integers(0, 999), "total": st.floats(-1e6, 1e6), "squares": st.floats(0, 1e6)}
        ),
        "classes": st.dictionaries(st.sampled_from("abc"), st.integers(0, 999)),
        "inputs": st.dictionaries(
            st.sampled_from(["age", "size"]), st.lists(st.integers(0, 99), min_size=3, max_size=3)
        ),
    }
)


@given(st.lists(PAGES, min_size=1, max_size=5))
def test_pods_summaries_add_up(said: list[dict[str, object]]) -> None:
    """Counts, classes and bins of all pods; adding one by one gives the same as all at once."""
    whole = pages.sum_summaries(said)

    classes = [page["classes"] for page in said]
    assert sum(whole.classes.values()) == sum(sum(one.values()) for one in classes)
    assert whole.classes.keys() == set().union(*classes)
    assert sum(map(sum, whole.inputs.values())) == sum(sum(map(sum, page["inputs"].values())) for page in said)
    scored = [page["scores"] for page in said if page["scores"] is not None]
    assert (whole.scores is None) == (not scored)
    assert whole.scores is None or whole.scores.count == sum(one["count"] for one in scored)


def test_a_summary_of_one_pod_is_what_it_says() -> None:
    """In the domain's words; an older package's page has fewer of them."""
    said = {"scores": {"count": 3, "total": 1.5, "squares": 0.75}, "classes": {"a": 2}, "inputs": {"age": [1, 2, 0]}}
    more = {"requests": 4, "rows": 9, "nonfinite": 1, "warm": True, "seconds_up": 12.5}
    old = Summary(scores=Sums(count=3, total=1.5, squares=0.75), classes={"a": 2}, inputs={"age": (1, 2, 0)})

    assert pages.sum_summaries([said]) == old
    assert pages.sum_summaries([said | more]) == replace(old, requests=4, nonfinite=1, warm=True)


@given(st.permutations([0.1, 0.2, 0.3, 1 / 3, 1e9]))
def test_no_sum_goes_back_because_pods_come_in_another_order(shares: list[float]) -> None:
    """Sums of floats depend on their order; a count that falls would be taken for a process that began anew."""
    said = [{"scores": None, "classes": {"a": share}, "inputs": {}} for share in shares]

    assert pages.sum_summaries(said).classes == {"a": math.fsum(shares)}


def test_pods_add_up_the_answers_that_hold_no_finite_numbers() -> None:
    """Requests answered, and those of them with NaN or infinity; an older service does not say."""
    older = {"scores": None, "classes": {}, "inputs": {}}
    newer = {**older, "requests": 40, "nonfinite": 3}

    seen = pages.sum_summaries([older, newer, {**newer, "nonfinite": 1}])

    assert (seen.requests, seen.nonfinite) == (80, 4)


@pytest.mark.parametrize(
    "said",
    [
        [{"classes": {}, "inputs": {}}],
        ["no object"],
        [{"scores": None, "classes": {"a": -1}, "inputs": {}}],
        [{"scores": {"count": 1, "total": math.nan, "squares": 1}, "classes": {}, "inputs": {}}],
        [{"scores": None, "classes": {}, "inputs": {"age": bins}} for bins in ([1], [1, 2])],
    ],
)
def test_pages_that_are_no_summaries_are_refused(said: list[object]) -> None:
    """Something missing, negative, no number, or bins of another profile."""
    with pytest.raises(ValueError, match=r"(validation error|shorter|longer)"):
        pages.sum_summaries(said)


def answer(name: str) -> dict[str, object]:
    """Return an answer as a pod's page has it."""
    return {"request_id": name, "status": 200, "values": [1.0], "milliseconds": 2.0}


def test_answers_of_several_pods_take_turns_and_new_ones_come_last() -> None:
    """What was given before stays in front, so that nothing new lies before what was compared last."""
    one, other = ["a1", "a2"], ["b1", "b2", "b3"]

    first = pages.merge_answers([{"answers": [answer(name) for name in ring]} for ring in (one, other)])
    before = [said.request_id for said in first]
    later = pages.merge_answers(
        [{"answers": [answer(name) for name in ring]} for ring in (["a2", "a3"], other)], before
    )

    assert before == ["a1", "b1", "a2", "b2", "b3"]
    assert [said.request_id for said in later] == ["b1", "a2", "b2", "b3", "a3"]


@pytest.mark.parametrize("said", [{"other": []}, {"answers": [{"status": 200}]}, []])
def test_pages_that_hold_no_answers_are_refused(said: object) -> None:
    """Another server's JSON."""
    with pytest.raises(ValueError, match=r"validation error|no key `answers`"):
        pages.merge_answers([said])
