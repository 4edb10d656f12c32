"""Histograms added up: nothing is lost, whatever the numbers."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.adapters.prometheus.buckets import (
    BadBuckets,
    reduce_to_common_edges,
    sum_latencies,
)
from slipway.adapters.prometheus.client import Sample
from slipway.domain.judge.readings import Latencies

EDGES = (0.001, 0.005, 0.25, 1.0, 60.0)
COUNTS = st.lists(st.integers(0, 10**9), min_size=len(EDGES) + 1, max_size=len(EDGES) + 1)


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
