"""The metrics page as protobuf: the same metrics as in the text format, and native histograms."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.inference.messages import Message, get_message_class
from services.inference.telemetry.meter import NATIVE_LOWEST, NATIVE_SCHEMA

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

MetricFamily = get_message_class("io.prometheus.client.MetricFamily")
TYPES = {"counter": "COUNTER", "gauge": "GAUGE", "summary": "SUMMARY", "histogram": "HISTOGRAM"}
SMALLEST = 2.0 ** ((NATIVE_LOWEST - 1) / 8)
"""Shorter than any duration: the bucket around zero stays empty."""
CONTINUED = 0x80
"""Set in each byte of a varint except the last."""


def write_delimited(families: "Iterable[Metric]", natives: Mapping[str, NDArray[np.int64]]) -> bytes:
    """Return metrics, each after its length; `natives` has counts by native bucket of some histograms, by name."""
    parts: list[bytes] = []
    for family in families:
        body = _convert_family(family, natives.get(family.name)).SerializeToString()
        parts += (_encode_length(len(body)), body)
    return b"".join(parts)


def _encode_length(size: int) -> bytes:
    r"""Return a number as a varint.

    >>> _encode_length(5), _encode_length(300)
    (b'\x05', b'\xac\x02')
    """
    whole = bytearray()
    while size >= CONTINUED:
        whole.append(size % CONTINUED | CONTINUED)
        size //= CONTINUED
    return bytes([*whole, size])


def _convert_family(family: "Metric", native: NDArray[np.int64] | None) -> Message:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    written = MetricFamily(name=name, help=family.documentation, type=TYPES[family.type])
    for labels, samples in groupby(family.samples, key=_list_labels):
        metric = written.metric.add()
        for label, value in labels:
            metric.label.add(name=label, value=value)
        for sample in samples:
            _fill_sample(metric, family.type, sample)
        if native is not None:
            _add_native_buckets(metric.histogram, native)
    return written


def _list_labels(sample: "Sample") -> tuple[tuple[str, str], ...]:
    """Return a sample's labels without its bucket's: all buckets of a histogram are one metric."""
    return tuple((name, value) for name, value in sample.labels.items() if name != "le")


def _fill_sample(metric: Message, kind: str, sample: "Sample") -> None:
    if kind in {"counter", "gauge"}:
        getattr(metric, kind).value = sample.value
    elif sample.name.endswith("_count"):
        getattr(metric, kind).sample_count = int(sample.value)
    elif sample.name.endswith("_sum"):
        getattr(metric, kind).sample_sum = sample.value
    else:
        metric.histogram.bucket.add(upper_bound=float(sample.labels["le"]), cumulative_count=int(sample.value))


def _add_native_buckets(histogram: Message, counts: NDArray[np.int64]) -> None:
    """Add the buckets that are not empty: spans of them, each count as its difference to the previous one."""
    histogram.schema = NATIVE_SCHEMA
    histogram.zero_threshold = SMALLEST
    histogram.zero_count = 0
    filled = np.flatnonzero(counts)
    if not len(filled):
        histogram.positive_span.add(offset=0, length=0)  # marks an empty native histogram
        return
    end, last = 0, 0
    for run in np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1):
        start = int(run[0]) + NATIVE_LOWEST
        histogram.positive_span.add(offset=start - end, length=len(run))
        for count in counts[run].tolist():
            histogram.positive_delta.append(count - last)
            last = count
        end = start + len(run)
