"""The metrics page as protobuf: what it holds, and what a real Prometheus makes of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

from services.inference.messages import Message
from services.inference.telemetry.meter import NATIVE_EDGES, NATIVE_LOWEST, Meter
from services.inference.telemetry.native_metrics import MetricFamily, write_delimited
from tests.adapters.prometheus.own import OwnPrometheus
from tests.services.inference.serving import served, until

INFER = "/v2/models/toy/infer"
ROW = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}
DURATION = "slipway_request_duration_seconds"


@dataclass
class Target:
    """Where a page is."""

    address: str


def read(page: bytes) -> list[Message]:
    """Return the families of a page whose lengths fit into one byte."""
    families = []
    while page:
        size = page[0]
        families.append(MetricFamily.FromString(page[1 : 1 + size]))
        page = page[1 + size :]
    return families


def test_buckets_are_runs_of_differences() -> None:
    """Empty ones between them are skipped; a histogram without any says that it is one."""
    counts = np.zeros(len(NATIVE_EDGES), dtype=np.int64)
    empty = counts.copy()
    counts[[3, 4, 9]] = [2, 5, 1]
    family = HistogramMetricFamily("h", "x", labels=[])
    family.add_metric([], [("1.0", 8.0), ("+Inf", 8.0)], 2.5)

    (filled,) = read(write_delimited([family], {"h": counts}))
    (nothing,) = read(write_delimited([family], {"h": empty}))

    histogram = filled.metric[0].histogram
    assert (histogram.schema, histogram.sample_count, histogram.sample_sum) == (3, 8, 2.5)
    assert [(span.offset, span.length) for span in histogram.positive_span] == [(NATIVE_LOWEST + 3, 2), (4, 1)]
    assert list(histogram.positive_delta) == [2, 3, -4]
    assert [(one.upper_bound, one.cumulative_count) for one in histogram.bucket] == [(1.0, 8), (float("inf"), 8)]
    assert [(span.offset, span.length) for span in nothing.metric[0].histogram.positive_span] == [(0, 0)]


def test_a_long_family_has_its_length_before_it() -> None:
    """More than a byte of it."""
    family = GaugeMetricFamily("g", "x" * 300)
    family.add_metric([], 1.5)

    page = write_delimited([family], {})

    size = page[0] - 0x80 + 0x80 * page[1]
    assert MetricFamily.FromString(page[2:]).metric[0].gauge.value == 1.5
    assert size == len(page) - 2


@pytest.mark.parametrize("seconds", [1e-9, 8e-6, 0.001, 0.0123, 29.9, 1000.0])
def test_a_duration_is_in_the_bucket_that_ends_above_it(seconds: float) -> None:
    """What is beyond the last counts into it."""
    meter = Meter()
    meter.count_arrival()

    meter.count_response("oip", 200, seconds)

    counts = meter.read().get_native_buckets()
    (place,) = np.flatnonzero(counts)
    assert counts.sum() == 1
    assert place == len(NATIVE_EDGES) - 1 or NATIVE_EDGES[place] >= seconds
    assert place == 0 or NATIVE_EDGES[place - 1] < seconds


def test_prometheus_reads_quantiles_from_native_buckets(classifier: Path, tmp_path: Path) -> None:
    """Where it scrapes so; the classic edges come as well, if it wants them."""
    with served(classifier, tmp_path / "service") as service:
        service.wait_ready()
        for _ in range(5):
            service.client.post(INFER, json={"inputs": [ROW]})
        target = Target(f"127.0.0.1:{service.port}")
        (tmp_path / "prometheus").mkdir()
        wanted = {"scrape_native_histograms": True, "always_scrape_classic_histograms": True}
        prometheus = OwnPrometheus(tmp_path / "prometheus", [target], **wanted)
        prometheus.start()
        try:
            until(lambda: prometheus.value(f"histogram_count({DURATION})") == [5.0])
            (median,) = prometheus.value(f"histogram_quantile(0.5, {DURATION})")
            (counted,) = prometheus.value('slipway_requests_total{code="200"}')
            (classic,) = prometheus.value(f'{DURATION}_bucket{{le="+Inf"}}')
        finally:
            prometheus.stop()

    assert 0 < median < 1
    assert counted == classic == 5
