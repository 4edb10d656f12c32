"""The BentoML service: what `bentoml build` packages and `bentoml serve` runs, with its own routes and pages.

An application in front of BentoML's middleware answers the protocols. BentoML has no public hook for that (added
middleware runs after its own), so `to_asgi`, which makes a service's application, is wrapped for this service; a test
covers it.
"""

import gc
from collections.abc import Callable
from typing import Any

import bentoml

from services.inference.application import build_application
from services.inference.loading import open_model
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.pages.siblings import Siblings
from services.inference.request import AsgiApp, AsgiMessage, Scope
from services.inference.termination import report_termination
from slipway_interface.pages import METRICS


class _Loaded:
    """The process' one model, set when BentoML makes the service's application."""

    model: Model


@bentoml.service(
    name="inference",
    workers=1,
    traffic={"timeout": 30},
    metrics={"enabled": True, "namespace": "bentoml_service"},
    logging={"access": {"enabled": False}},
)
class Inference:
    """Serves the package's model."""

    @bentoml.on_startup  # type: ignore[untyped-decorator]  # BentoML has no types for us
    async def load(self) -> None:
        """Load and warm up; then exclude the loaded objects from garbage collection, whose pauses raise p99."""
        with report_termination():
            await _Loaded.model.start()
        gc.collect()
        gc.freeze()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML has no types for us
    async def unload(self) -> None:
        """Release the model after the last request."""
        await _Loaded.model.stop()


_Service: Any = type(Inference)
_to_bentoml_asgi: Callable[..., AsgiApp] = _Service.to_asgi


def make_bentoml_app() -> AsgiApp:
    """Return BentoML's application alone, for a process that has loaded the model itself."""
    return _to_bentoml_asgi(Inference)


def _wrap_application(service: Any, *words: Any, **more: Any) -> AsgiApp:  # noqa: ANN401 - BentoML's own arguments
    """Return BentoML's application; for this service, behind the application of `application`."""
    app = _to_bentoml_asgi(service, *words, **more)
    if service is not Inference:
        return app
    _Loaded.model = model = open_model()

    async def counted_by_bentoml() -> bytes:
        return await _read_page(app, METRICS)

    return build_application(model, OperationsPages(model, Siblings(model, None, ""), counted_by_bentoml), app)


async def _read_page(app: AsgiApp, path: str) -> bytes:
    """Return the body of one of BentoML's pages."""
    parts: list[bytes] = []

    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: AsgiMessage) -> None:
        parts.append(message.get("body", b""))

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    more: Scope = {
        "headers": [],
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "client": None,
        "server": None,
    }
    await app({**scope, **more, "asgi": {"version": "3.0"}}, receive, send)
    return b"".join(parts)


_Service.to_asgi = _wrap_application
