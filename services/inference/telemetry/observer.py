"""Records of single requests: log lines, traces, and samples of rows and predictions.

By default only failures are logged, so that other requests cost nothing. What clients sent is never recorded unless
`SLIPWAY_CAPTURE` gives a share of it, because it may hold personal data.
"""

import logging
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.headers import REQUEST_ID, TRACE_PARENT, TRACE_STATE
from services.inference.manifest import Manifest
from services.inference.rows import Rows
from slipway_interface.environment import CAPTURE, LOG
from slipway_interface.logs import LOGGER, SAMPLES_LOGGER

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

EXPORTER, ENDPOINTS = "OTEL_TRACES_EXPORTER", ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own names; it reads its other settings itself."""
FAILURES = 500
VALUES_KEPT = 64
"""Values per column, and of the prediction, in a sample: whole rows."""
ROW_KEPT = 4096
"""Values per column of the first row, which is always in the sample."""

log = logging.getLogger(LOGGER)
samples = logging.getLogger(SAMPLES_LOGGER)
Headers = Mapping[bytes, bytes]


class ObserverError(Exception):
    """An environment variable has a wrong value, or needs a package that is not installed."""


@dataclass(slots=True)
class RequestRecord:
    """One request that was answered."""

    protocol: str
    status: int
    seconds: float
    headers: Headers
    rows: Rows | None
    """None: the request could not be parsed."""
    prediction: NDArray[np.generic] | None
    reason: str
    """Why it failed; else empty."""


class RequestObserver:
    """Logs, samples and traces one model's requests."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        share: float = 0.0,
        tracer: "Tracer | None" = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Sample a share of the requests, 0 to 1, by `draw` (numbers in [0, 1)); trace them if there is a tracer."""
        self._manifest, self._share, self._tracer, self._draw = manifest, share, tracer, draw
        self._all = share > 0 or tracer is not None

    @classmethod
    def of_environment(cls, manifest: Manifest, environment: Mapping[str, str]) -> "RequestObserver":
        """Return the observer that the environment variables describe; raise ObserverError."""
        return cls(manifest, share=_read_share(environment), tracer=_make_tracer(environment, manifest))

    def should_observe(self, status: int) -> bool:
        """Return whether a request with this status is to be passed to `observe`."""
        return self._all or status >= FAILURES

    def observe(self, told: RequestRecord) -> tuple[bytes, bytes] | None:
        """Record a request; return a header that names its trace, if it has one."""
        if told.status >= FAILURES:
            log.warning("%s", told.reason, extra={"fields": self._make_log_fields(told)})
        if self._share and told.rows is not None and self._draw() < self._share:
            self._log_sample(told, told.rows)
        return self._record_span(told) if self._tracer is not None else None

    def _make_log_fields(self, told: RequestRecord) -> dict[str, object]:
        """Return the fields of a log line: of the client's headers only the request's and the trace's id."""
        fields: dict[str, object] = {
            "revision": self._manifest.revision,
            "protocol": told.protocol,
            "status": told.status,
            "milliseconds": round(1000 * told.seconds, 3),
        }
        if REQUEST_ID in told.headers:
            fields["request_id"] = told.headers[REQUEST_ID].decode("latin-1")[:200]
        trace = told.headers.get(TRACE_PARENT, b"").split(b"-")
        if len(trace) == TRACE_PARTS:
            fields["trace_id"] = trace[1].decode("latin-1")
        return fields

    def _log_sample(self, told: RequestRecord, rows: Rows) -> None:
        columns = {"": rows.matrix} if rows.matrix is not None else rows.columns
        widest = max(values.size // max(1, rows.count) for values in columns.values())
        whole = max(1, VALUES_KEPT // max(1, widest))
        inputs = {name: values[:whole].ravel()[:ROW_KEPT].tolist() for name, values in columns.items()}
        prediction = None if told.prediction is None else told.prediction.ravel()[:VALUES_KEPT].tolist()
        fields = {**self._make_log_fields(told), "rows": rows.count, "inputs": inputs, "prediction": prediction}
        samples.info("a request that was sampled", extra={"fields": fields})

    def _record_span(self, told: RequestRecord) -> tuple[bytes, bytes]:
        """Record the finished request's span, as a child of the client's."""
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        assert self._tracer is not None  # noqa: S101 - `observe` checked it
        names = (TRACE_PARENT, TRACE_STATE)
        carrier = {name.decode(): told.headers[name].decode("latin-1") for name in names if name in told.headers}
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{told.protocol} infer",
            context=TraceContextTextMapPropagator().extract(carrier),
            kind=SpanKind.SERVER,
            start_time=end - int(told.seconds * 1e9),
            attributes={
                "slipway.model": self._manifest.model,
                "slipway.revision": self._manifest.revision,
                "slipway.protocol": told.protocol,
                "slipway.rows": 0 if told.rows is None else told.rows.count,
                "http.response.status_code": told.status,
                "slipway.request_id": told.headers.get(REQUEST_ID, b"").decode("latin-1")[:200],
            },
        )
        if told.status >= FAILURES:
            span.set_status(Status(StatusCode.ERROR, told.reason))
        span.end(end)
        context = span.get_span_context()
        value = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        return b"traceresponse", value.encode()


TRACE_PARTS = 4
"""Parts of a `traceparent`: version, trace, span, flags."""


def _read_share(environment: Mapping[str, str]) -> float:
    said = environment.get(CAPTURE, "0")
    try:
        share = float(said)
    except ValueError:
        share = -1.0
    if not (isfinite(share) and 0 <= share <= 1):
        raise ObserverError(f"{CAPTURE} is {said!r}; expected a share of the requests, 0 to 1")
    return share


def _make_tracer(environment: Mapping[str, str], manifest: Manifest) -> "Tracer | None":
    """Return a tracer with OpenTelemetry's standard exporters; None if no variable asks for traces."""
    named = environment.get(EXPORTER) or ("otlp" if any(environment.get(name) for name in ENDPOINTS) else "none")
    if named == "none":
        return None
    if named not in {"otlp", "console"}:
        raise ObserverError(f"{EXPORTER} is {named!r}; expected otlp, console or none")
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

    about = {"service.name": manifest.model, "service.version": manifest.revision}
    provider = TracerProvider(resource=Resource.create(about | _read_service_name(environment)))
    exporter: SpanExporter = ConsoleSpanExporter(out=sys.stderr) if named == "console" else _make_otlp_exporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer(LOGGER)


def _read_service_name(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the service's name if the environment has one; it replaces the model's name."""
    name = environment.get("OTEL_SERVICE_NAME")
    return {"service.name": name} if name else {}


def _make_otlp_exporter() -> Any:  # noqa: ANN401 - a SpanExporter of a package that may be missing
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        message = f"{EXPORTER}=otlp: opentelemetry-exporter-otlp-proto-http is not installed; add it to the image"
        raise ObserverError(message) from error
    return OTLPSpanExporter()


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextLines(logging.Formatter):
    """Text lines; the record's `fields` follow the message."""

    def __init__(self) -> None:
        """Begin each line with its time."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a sample is always JSON, because programs read it."""
        if record.name == samples.name:
            return JsonLines().format(record)
        fields = getattr(record, "fields", {})
        return super().format(record) + "".join(f" {name}={value}" for name, value in fields.items())


def configure_logging(environment: Mapping[str, str] = os.environ) -> None:
    """Write the log as `SLIPWAY_LOG` says: `json`, or `text` (the default); raise ObserverError."""
    said = environment.get(LOG, "text")
    if said not in {"json", "text"}:
        raise ObserverError(f"{LOG} is {said!r}; expected json or text")
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if said == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
