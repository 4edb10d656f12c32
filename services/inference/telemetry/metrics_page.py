"""The page for Prometheus: requests, their durations, runs, requests in flight, predictions, and the loaded model.

Series of counters exist from the start, so that a rate sees the first error. The values of each label are bounded:
protocols, statuses, and at most a hundred classes.
"""

from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from services.inference.manifest import Manifest
from services.inference.telemetry.meter import Histogram, MeterReading
from slipway_interface import metrics

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

RESCUED_TEXT = "Requests that another revision answered, by the status that this one had for them."
HELPED_TEXT = f"Requests meant for another revision that were answered here; {metrics.REQUESTS} does not have them."
FROM_THE_START = (200, 500)
"""Statuses whose series exist before the first request, for the Open Inference Protocol over HTTP."""


class MetricsPage:
    """Builds the page; prometheus_client, imported with the first one, writes it."""

    def __init__(self, manifest: Manifest) -> None:
        """Remember the model."""
        self._manifest = manifest
        self._names = {"model": manifest.model, "revision": manifest.revision}

    def build_families(self, reading: MeterReading, summary: dict[str, Any], device: str | None) -> "list[Metric]":
        """Return all metrics; `device` is None while the model is not loaded."""
        return [
            *self._count_families(reading),
            *self._make_prediction_families(summary),
            *self._make_warm_gauge(summary),
            *self._make_model_info(device),
        ]

    def write_text(self, reading: MeterReading, summary: dict[str, Any], device: str | None) -> bytes:
        """Return the page in Prometheus' text format; see `build_families`."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_FixedCollector(self.build_families(reading, summary, device)))
        return generate_latest(registry)

    def _count_families(self, reading: MeterReading) -> "Iterable[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        names = list(self._names)
        own = list(self._names.values())
        requests = CounterMetricFamily(
            metrics.REQUESTS, "Answered inference requests.", labels=[*names, "protocol", "code"]
        )
        for (protocol, code), count in reading.get_requests().items():
            if count or (protocol == "oip" and code in FROM_THE_START):
                requests.add_metric([*own, protocol, str(code)], count)
        yield requests
        yield self._make_status_counter(metrics.RESCUED, RESCUED_TEXT, reading.get_rescued())
        yield self._make_status_counter(metrics.HELPED, HELPED_TEXT, reading.get_helped())
        answers = CounterMetricFamily(
            metrics.ANSWERS,
            "Answered inference requests, by what they are to their clients.",
            labels=[*names, "kind"],
        )
        for kind, count in reading.get_answers().items():
            answers.add_metric([*own, kind], count)
        yield answers
        in_flight = GaugeMetricFamily(
            metrics.IN_FLIGHT, "Inference requests that have arrived and are not answered.", labels=names
        )
        in_flight.add_metric(own, reading.in_flight)
        yield in_flight
        yield self._make_histogram(
            metrics.DURATION, "From a request's arrival to its answer.", reading.get_histogram("seconds")
        )
        yield self._make_histogram(
            metrics.QUEUE,
            "How long a run's first request had waited for it.",
            reading.get_histogram("waited"),
        )
        yield self._make_histogram(metrics.INFERENCE, "One run of the model.", reading.get_histogram("ran"))
        yield self._make_histogram(metrics.BATCH_ROWS, "Rows of one run of the model.", reading.get_histogram("rows"))

    def _make_status_counter(self, name: str, text: str, counts: dict[tuple[str, int], float]) -> "Metric":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(name, text, labels=[*self._names, "protocol", "code"])
        for (protocol, code), count in counts.items():
            if count:
                family.add_metric([*self._names.values(), protocol, str(code)], count)
        return family

    def _make_histogram(self, name: str, text: str, histogram: Histogram) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily
        from prometheus_client.utils import floatToGoString

        family = HistogramMetricFamily(name, text, labels=list(self._names))
        edges = [*(str(floatToGoString(edge)) for edge in histogram.edges), "+Inf"]  # type: ignore[no-untyped-call]
        buckets = list(zip(edges, accumulate(histogram.counts.tolist()), strict=True))
        family.add_metric(list(self._names.values()), buckets, histogram.total)
        return family

    def _make_prediction_families(self, summary: dict[str, Any]) -> "Iterable[Metric]":
        from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

        names, own = list(self._names), list(self._names.values())
        if summary["scores"] is not None:
            scores = SummaryMetricFamily(metrics.SCORES, "Predicted scores.", labels=names)
            scores.add_metric(own, summary["scores"]["count"], summary["scores"]["total"])
            yield scores
        if summary["classes"]:
            classes = CounterMetricFamily(metrics.PREDICTIONS, "Predicted classes.", labels=[*names, "label"])
            for label, count in summary["classes"].items():
                classes.add_metric([*own, label], count)
            yield classes

    def _make_warm_gauge(self, summary: dict[str, Any]) -> "Iterable[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        text = "1 once runs of the model take about as long as one another in every worker, or many were done."
        warm = GaugeMetricFamily(metrics.WARM, text, labels=list(self._names))
        if "warm" in summary:
            warm.add_metric(list(self._names.values()), float(summary["warm"]))
        yield warm

    def _make_model_info(self, device: str | None) -> "Iterable[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        manifest = self._manifest
        more = {"version": manifest.version, "runtime": manifest.runtime, "digest": manifest.digest}
        labels = {**self._names, **more, "device": device or ""}
        info = GaugeMetricFamily(metrics.MODEL_INFO, "1 for the model that is loaded.", labels=list(labels))
        if device is not None:
            info.add_metric(list(labels.values()), 1.0)
        yield info


class _FixedCollector:
    """A collector of metrics that were built already."""

    def __init__(self, families: "list[Metric]") -> None:
        self._families = families

    def collect(self) -> "Iterable[Metric]":
        """Return the metrics."""
        return self._families
