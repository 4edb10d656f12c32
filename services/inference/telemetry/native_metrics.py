"""The metrics page as protobuf: the same metrics as the text, and native histograms, whose buckets need no edges."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.inference.messages import Message, message
from services.inference.telemetry.meter import NATIVE_LOWEST, NATIVE_SCHEMA

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

MetricFamily = message("io.prometheus.client.MetricFamily")
KINDS = {"counter": "COUNTER", "gauge": "GAUGE", "summary": "SUMMARY", "histogram": "HISTOGRAM"}
SMALLEST = 2.0 ** ((NATIVE_LOWEST - 1) / 8)
"""Nothing is shorter than that: the bucket around zero stays empty."""
MORE = 0x80
"""Set in each byte of a length but the last."""


def delimited(families: "Iterable[Metric]", natives: Mapping[str, NDArray[np.int64]]) -> bytes:
    """Return metrics, each behind its length; `natives` has counts by native bucket of some histograms, by name."""
    parts: list[bytes] = []
    for family in families:
        body = _family(family, natives.get(family.name)).SerializeToString()
        parts += (_length(len(body)), body)
    return b"".join(parts)


def _length(size: int) -> bytes:
    r"""Return a number as protobuf writes it.

    >>> _length(5), _length(300)
    (b'\x05', b'\xac\x02')
    """
    whole = bytearray()
    while size >= MORE:
        whole.append(size % MORE | MORE)
        size //= MORE
    return bytes([*whole, size])


def _family(family: "Metric", native: NDArray[np.int64] | None) -> Message:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    written = MetricFamily(name=name, help=family.documentation, type=KINDS[family.type])
    for labels, samples in groupby(family.samples, key=_labels):
        metric = written.metric.add()
        for label, value in labels:
            metric.label.add(name=label, value=value)
        for sample in samples:
            _fill(metric, family.type, sample)
        if native is not None:
            _spans(metric.histogram, native)
    return written


def _labels(sample: "Sample") -> tuple[tuple[str, str], ...]:
    """Return a sample's labels but for that of its bucket: the buckets of one histogram are one metric."""
    return tuple((name, value) for name, value in sample.labels.items() if name != "le")


def _fill(metric: Message, kind: str, sample: "Sample") -> None:
    if kind in {"counter", "gauge"}:
        getattr(metric, kind).value = sample.value
    elif sample.name.endswith("_count"):
        getattr(metric, kind).sample_count = int(sample.value)
    elif sample.name.endswith("_sum"):
        getattr(metric, kind).sample_sum = sample.value
    else:
        metric.histogram.bucket.add(upper_bound=float(sample.labels["le"]), cumulative_count=int(sample.value))


def _spans(histogram: Message, counts: NDArray[np.int64]) -> None:
    """Add the buckets that are not empty: runs of them, each count as its difference to the one before."""
    histogram.schema = NATIVE_SCHEMA
    histogram.zero_threshold = SMALLEST
    histogram.zero_count = 0
    filled = np.flatnonzero(counts)
    if not len(filled):
        histogram.positive_span.add(offset=0, length=0)  # says that it is a native one, with nothing in it yet
        return
    end, last = 0, 0
    for run in np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1):
        start = int(run[0]) + NATIVE_LOWEST
        histogram.positive_span.add(offset=start - end, length=len(run))
        for count in counts[run].tolist():
            histogram.positive_delta.append(count - last)
            last = count
        end = start + len(run)
