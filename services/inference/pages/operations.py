"""Pages for those who run the service, not for its clients: probes, metrics, and what judges of releases read."""

import os
from collections.abc import Awaitable, Callable

import orjson

from services.inference.model import Model
from services.inference.pages.siblings import Siblings
from services.inference.refusals import NotFound, Refused
from services.inference.request import Answer, Call, Handler, Paths, Route
from services.inference.telemetry.metrics_page import DURATION, Page

TEXT = b"text/plain; charset=utf-8"
METRICS_KIND = b"text/plain; version=0.0.4; charset=utf-8"
PROTOBUF = b"application/vnd.google.protobuf"
PROTOBUF_KIND = PROTOBUF + b"; proto=io.prometheus.client.MetricFamily; encoding=delimited"
BENTOML_PATHS = frozenset(["/", "/docs.json", "/schema.json"])
BENTOML_PREFIXES = ("/static_content/", "/assets/")

More = Callable[[], Awaitable[bytes]]


class Upkeep:
    """Probes and pages."""

    name = "upkeep"

    def __init__(self, model: Model, siblings: Siblings, more_metrics: More | None = None) -> None:
        """Tell of a model and of all workers; `more_metrics` is a page that is appended to ours."""
        self._model, self._siblings, self._more = model, siblings, more_metrics
        self._page = Page(model.manifest)

    def paths(self) -> Paths:
        """Return the pages, and the probes that BentoML has too."""
        pages: dict[str, Handler] = {
            "/slipway/answers": self._answers,
            "/slipway/summary": self._summary,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
            "/livez": self._live,
            "/healthz": self._live,
            "/readyz": self._ready,
        }
        exact = {path: Route(handlers={"GET": page, "HEAD": page}, door=self) for path, page in pages.items()}
        return Paths(exact=exact, prefixes=("/slipway/",))

    def is_bentoml(self, path: str) -> bool:
        """Tell whether BentoML answers a path: its description of the service, and the page that shows it."""
        return path in BENTOML_PATHS or path.startswith(BENTOML_PREFIXES)

    def refused(self, refusal: Refused) -> Answer:
        """Return the message as JSON."""
        return Answer(refusal.status, orjson.dumps({"error": str(refusal)}))

    def missing(self, path: str) -> NotFound:
        """Say what there is."""
        return NotFound(f"path: got {path[:160]!r}, expected one of {', '.join(self.paths().exact)}")

    async def _live(self, _: Call) -> Answer:
        return Answer(200, b"\n", TEXT)

    async def _ready(self, _: Call) -> Answer:
        return Answer(200 if self._model.ready else 503, b"\n", TEXT)

    async def _answers(self, _: Call) -> Answer:
        """Give the latest answers to requests marked for comparison. Never routed to clients."""
        return Answer(200, orjson.dumps({"answers": await self._siblings.answers()}))

    async def _summary(self, _: Call) -> Answer:
        """Give predictions and inputs summed since the processes began. Never routed to clients."""
        return Answer(200, orjson.dumps(await self._siblings.summary()))

    async def _openapi(self, _: Call) -> Answer:
        """Describe the protocols, for this model as it is now."""
        from services.inference.pages.openapi import describe
        from services.inference.protocols.tensorflow import labels_of

        model = self._model
        return Answer(200, orjson.dumps(describe(model.manifest, model.outputs, labels_of(os.environ))))

    async def _metrics(self, call: Call) -> Answer:
        """Give the page as it is asked for: protobuf has native histograms, which the text format has no word for."""
        if PROTOBUF in call.headers.get(b"accept", b"").split(b";")[0]:
            from services.inference.telemetry.native_metrics import delimited

            reading = self._model.meter.read()
            families = self._page.families(reading, await self._siblings.summary(), self._model.device)
            return Answer(200, delimited(families, {DURATION: reading.native()}), PROTOBUF_KIND)
        page = self._page.write(self._model.meter.read(), await self._siblings.summary(), self._model.device)
        return Answer(200, page + (await self._more() if self._more is not None else b""), METRICS_KIND)
