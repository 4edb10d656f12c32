"""Histograms, strays and pods' pages, added up: nothing is lost, nothing counted twice, whatever the numbers."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.prometheus import pages
from slipway.adapters.prometheus.buckets import BadBuckets, reduce_to_common_edges, sum_latencies
from slipway.adapters.prometheus.client import Sample
from slipway.adapters.prometheus.unattributed import UnattributedFailures, divide_in_proportion
from slipway.domain.judge.readings import Latencies, Summary, Sums

EDGES = (0.001, 0.005, 0.25, 1.0, 60.0)
COUNTS = st.lists(st.integers(0, 10**9), min_size=len(EDGES) + 1, max_size=len(EDGES) + 1)
SHARES = st.dictionaries(st.sampled_from(["v1", "v2", "v3"]), st.integers(0, 10**6), min_size=1)


def drawn(counts: list[int], **labels: str) -> list[Sample]:
    """Return a histogram's series: counts by rising `le`, the last one +Inf."""
    names = [*map(str, EDGES), "+Inf"]
    return [Sample(labels={"le": le, **labels}, value=float(n)) for le, n in zip(names, counts, strict=True)]


@given(COUNTS)
def test_a_histogram_read_while_it_grows_is_still_one(counts: list[int]) -> None:
    """Buckets in any disorder: counts fall from requests to 0; where they were in order they are what they were."""
    seen = sum_latencies(drawn(counts))

    assert seen.requests == max(counts)
    assert all(one >= other for one, other in pairwise((seen.requests, *seen.slower, 0)))
    in_order = sum_latencies(drawn(sorted(counts)))
    assert [in_order.requests - slower for slower in in_order.slower] == sorted(counts)[:-1]


@given(COUNTS, COUNTS)
def test_pods_histograms_add_up(one: list[int], other: list[int]) -> None:
    """Whichever pod answered, and in whatever order Prometheus gives the series."""
    one, other = sorted(one), sorted(other)

    seen = sum_latencies([*reversed(drawn(one, pod="a")), *drawn(other, pod="b")])

    assert seen == sum_latencies(drawn([a + b for a, b in zip(one, other, strict=True)]))
    assert seen.edges_milliseconds == (1.0, 5.0, 250.0, 1000.0, 60000.0)


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ([Sample(labels={"le": "0.1"}, value=1)], r"no bucket \+Inf"),
        ([Sample(labels={}, value=1)], "label le is None"),
        ([Sample(labels={"le": "fast"}, value=1)], "label le is 'fast'"),
        ([Sample(labels={"le": "+Inf"}, value=math.nan)], "the number nan"),
        ([Sample(labels={"le": "+Inf"}, value=-1)], "the number -1"),
        ([*drawn([1] * 6, pod="a"), *drawn([1] * 6, pod="b")[1:]], "edges differ"),
    ],
)
def test_what_is_no_histogram_is_refused(samples: list[Sample], why: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(BadBuckets, match=why):
        sum_latencies(samples)


def test_revisions_are_compared_at_the_edges_that_both_have() -> None:
    """Another release of the service may have others; without any in common there is nothing to compare."""
    old = Latencies(requests=9, edges_milliseconds=(1.0, 5.0, 25.0), slower=(8, 5, 2))
    new = Latencies(requests=7, edges_milliseconds=(1.0, 10.0, 25.0), slower=(6, 4, 3))

    seen = reduce_to_common_edges({"v1": old, "v2": new})

    assert {name: one.edges_milliseconds for name, one in seen.items()} == {"v1": (1.0, 25.0), "v2": (1.0, 25.0)}
    assert (seen["v1"].slower, seen["v2"].slower) == ((8, 2), (6, 3))
    with pytest.raises(BadBuckets, match="without an edge in common"):
        reduce_to_common_edges({"v1": old, "v2": Latencies(requests=0, edges_milliseconds=(2.0,), slower=(0,))})


@given(st.integers(0, 10**6), SHARES.filter(lambda shares: any(shares.values())))
def test_a_number_is_divided_whole(number: int, shares: dict[str, int]) -> None:
    """Nothing lost, nobody charged more than one beyond their share, nobody without a share charged."""
    divided = divide_in_proportion(number, shares)

    whole = sum(shares.values())
    assert sum(divided.values()) == number
    assert all(abs(part - number * shares[name] / whole) <= 1 for name, part in divided.items())
    assert all(part == 0 for name, part in divided.items() if shares[name] == 0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans()), min_size=1, max_size=20))
def test_strays_are_charged_once(looks: list[tuple[int, int, bool]]) -> None:
    """What comes after the first look, to one revision or both, never less than before."""
    strays, failed, requests, before = UnattributedFailures(), 0, 0, {}
    first = looks[0][0]

    for new, more, empty in looks:
        failed, requests = failed + new, requests + more
        given_now = strays.add_look(failed, failed, {"v1": requests, "v2": 2 * requests}, lambda _, empty=empty: empty)
        assert all(given_now.get(name, 0) >= number for name, number in before.items())
        before = dict(given_now)

    assert sum(before.values()) == failed - first


def test_a_failure_that_a_revision_counted_first_is_no_stray_afterwards() -> None:
    """Traefik counts it with the revision a moment before the route: a scrape between must not find it twice."""
    strays = UnattributedFailures()
    strays.add_look(10, 4, {"v1": 50}, lambda _: False)

    dip = strays.add_look(10, 3, {"v1": 51}, lambda _: False)
    after = strays.add_look(11, 4, {"v1": 51}, lambda _: False)

    assert (dict(dip), dict(after)) == ({}, {})


def test_strays_of_a_gateway_that_began_anew_are_not_found_again() -> None:
    """Its counters fell; only what comes afterwards is new."""
    strays = UnattributedFailures()
    for failed, stray in ((10, 4), (12, 6), (3, 3)):
        strays.add_look(failed, stray, {"v1": 50}, lambda _: False)

    assert dict(strays.add_look(5, 5, {"v1": 50}, lambda _: False)) == {"v1": 4}


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
