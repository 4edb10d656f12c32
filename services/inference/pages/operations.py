"""Pages for operators, not for clients: probes, metrics, and what judges of releases read."""

import os
from collections.abc import Awaitable, Callable

import orjson

from services.inference.model import Model
from services.inference.pages.siblings import Siblings
from services.inference.refusals import Refused, ResourceNotFound
from services.inference.request import Handler, Request, Response, Route, RouteTable
from services.inference.telemetry.metrics_page import MetricsPage
from slipway_interface import pages
from slipway_interface.metrics import DURATION

TEXT = b"text/plain; charset=utf-8"
METRICS_KIND = b"text/plain; version=0.0.4; charset=utf-8"
PROTOBUF = b"application/vnd.google.protobuf"
PROTOBUF_KIND = PROTOBUF + b"; proto=io.prometheus.client.MetricFamily; encoding=delimited"
BENTOML_PATHS = frozenset(["/", "/docs.json", "/schema.json"])
BENTOML_PREFIXES = ("/static_content/", "/assets/")

MoreMetrics = Callable[[], Awaitable[bytes]]


class OperationsPages:
    """Probes and pages."""

    name = "upkeep"

    def __init__(self, model: Model, siblings: Siblings, more_metrics: MoreMetrics | None = None) -> None:
        """Show a model and the totals of all workers; `more_metrics` returns text to append to the metrics page."""
        self._model, self._siblings, self._more_metrics = model, siblings, more_metrics
        self._page = MetricsPage(model.manifest)

    def build_routes(self) -> RouteTable:
        """Return the pages, and the probes that BentoML has too."""
        handlers: dict[str, Handler] = {
            pages.ANSWERS: self._answer_compared,
            pages.SUMMARY: self._answer_summary,
            pages.METRICS: self._answer_metrics,
            "/openapi.json": self._answer_openapi,
            pages.LIVE: self._answer_live,
            "/healthz": self._answer_live,
            pages.READY: self._answer_ready,
        }
        exact = {path: Route(handlers={"GET": page, "HEAD": page}, protocol=self) for path, page in handlers.items()}
        return RouteTable(exact=exact, prefixes=(f"{pages.PRIVATE}/",))

    def is_bentoml_path(self, path: str) -> bool:
        """Return whether a path is one of BentoML's pages about the service."""
        return path in BENTOML_PATHS or path.startswith(BENTOML_PREFIXES)

    def write_refusal(self, refusal: Refused) -> Response:
        """Return the message as JSON."""
        return Response(refusal.status, orjson.dumps({"error": str(refusal)}))

    def explain_missing(self, path: str) -> ResourceNotFound:
        """Return a 404 that lists the pages."""
        return ResourceNotFound(f"path: got {path[:160]!r}, expected one of {', '.join(self.build_routes().exact)}")

    async def _answer_live(self, _: Request) -> Response:
        return Response(200, b"\n", TEXT)

    async def _answer_ready(self, _: Request) -> Response:
        return Response(200 if self._model.ready else 503, b"\n", TEXT)

    async def _answer_compared(self, _: Request) -> Response:
        """Return the latest responses to compared requests. No route leads clients here."""
        return Response(200, orjson.dumps({"answers": await self._siblings.collect_answers()}))

    async def _answer_summary(self, _: Request) -> Response:
        """Return sums of predictions and inputs since the processes started. No route leads clients here."""
        return Response(200, orjson.dumps(await self._siblings.collect_summary()))

    async def _answer_openapi(self, _: Request) -> Response:
        """Return the OpenAPI document for the model as it is now."""
        from services.inference.pages.openapi import build_document
        from services.inference.protocols.tensorflow import read_labels

        model = self._model
        return Response(200, orjson.dumps(build_document(model.manifest, model.outputs, read_labels(os.environ))))

    async def _answer_metrics(self, call: Request) -> Response:
        """Return the page in the accepted format: only protobuf has native histograms."""
        if PROTOBUF in call.headers.get(b"accept", b"").split(b";")[0]:
            from services.inference.telemetry.native_metrics import write_delimited

            reading = self._model.meter.read()
            families = self._page.build_families(reading, await self._siblings.collect_summary(), self._model.device)
            return Response(200, write_delimited(families, {DURATION: reading.get_native_buckets()}), PROTOBUF_KIND)
        page = self._page.write_text(
            self._model.meter.read(), await self._siblings.collect_summary(), self._model.device
        )
        return Response(
            200, page + (await self._more_metrics() if self._more_metrics is not None else b""), METRICS_KIND
        )
