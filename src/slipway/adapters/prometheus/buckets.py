"""From Prometheus' cumulative buckets (answers within `le` seconds) to how many answers were slower than each edge."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from slipway.adapters.prometheus.client import Sample
from slipway.domain.judge.readings import Latencies


class BadBuckets(Exception):
    """Series that are no histogram; the message has the reason."""


def sum_latencies(samples: Sequence[Sample]) -> Latencies:
    """Return the sum of histograms, one or more series per `le`.

    Buckets are read one after the other while requests are counted: if a larger one shows fewer answers than a smaller
    one, it gets the smaller one's count. Raises BadBuckets for series without `le`, without `+Inf`, for numbers that
    are no counts, and for histograms whose edges differ.

    >>> seen = [Sample(labels={"le": le}, value=n) for le, n in (("0.005", 7), ("0.1", 9), ("+Inf", 10))]
    >>> sum_latencies(seen).slower
    (3, 1)
    """
    within = _count_within(samples)
    edges = sorted(within)
    counts = list(accumulate((within[edge] for edge in edges), max))
    return Latencies(
        requests=counts[-1],
        edges_milliseconds=tuple(round(1000 * edge, 6) for edge in edges[:-1]),
        slower=tuple(counts[-1] - count for count in counts[:-1]),
    )


def reduce_to_common_edges(drawn: Mapping[str, Latencies]) -> dict[str, Latencies]:
    """Return histograms at the edges that all of them share: another release of the service may have others.

    Raises BadBuckets if there are none.
    """
    common = set.intersection(*(set(one.edges_milliseconds) for one in drawn.values())) if drawn else set()
    if drawn and not common:
        message = "histograms without an edge in common"
        raise BadBuckets(message)
    edges = tuple(sorted(common))
    return {
        name: replace(one, edges_milliseconds=edges, slower=tuple(one.slower_than(edge) for edge in edges))
        for name, one in drawn.items()
    }


def _count_within(samples: Sequence[Sample]) -> Mapping[float, int]:
    counted: dict[float, list[int]] = defaultdict(list)
    for sample in samples:
        counted[_read_edge(sample)].append(parse_count(sample.value))
    if math.inf not in counted:
        message = "no bucket +Inf"
        raise BadBuckets(message)
    if len({len(series) for series in counted.values()}) > 1:
        message = "histograms whose edges differ"
        raise BadBuckets(message)
    return {edge: sum(series) for edge, series in counted.items()}


def _read_edge(sample: Sample) -> float:
    try:
        edge = float(sample.labels["le"])
    except (KeyError, ValueError):
        edge = math.nan
    if not edge > 0:
        message = f"a series whose label le is {sample.labels.get('le')!r}"
        raise BadBuckets(message)
    return edge


def parse_count(value: float) -> int:
    """Return a count as a whole number; raise BadBuckets for a number that is none.

    >>> parse_count(41.0)
    41
    """
    if not 0 <= value < math.inf:
        message = f"the number {value}"
        raise BadBuckets(message)
    return round(value)
