"""The BentoML service: what `bentoml build` packages and `bentoml serve` runs, with its own routes and pages.

The protocols are answered by an application in front of BentoML's middleware. BentoML has no public place for that
(middlewares that one adds come after its own), so `to_asgi`, which makes a service's application, is wrapped for ours;
a test holds on to it.
"""

import gc
from collections.abc import Callable
from typing import Any

import bentoml

from services.inference.application import make_front
from services.inference.loading import open_model
from services.inference.model import Model
from services.inference.pages.operations import Upkeep
from services.inference.pages.siblings import Siblings
from services.inference.request import App, Message, Scope
from services.inference.termination import telling


class _Loaded:
    """The process' one model, once BentoML has made the service's application."""

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
        """Load and warm up; then tell the garbage collector to leave what was loaded alone (it pauses p99)."""
        with telling():
            await _Loaded.model.start()
        gc.collect()
        gc.freeze()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML has no types for us
    async def unload(self) -> None:
        """Let go of the model after the last request."""
        await _Loaded.model.stop()


_Service: Any = type(Inference)
_made: Callable[..., App] = _Service.to_asgi


def pages() -> App:
    """Return BentoML's application alone, for a process that has a model and doors already."""
    return _made(Inference)


def _fronted(service: Any, *words: Any, **more: Any) -> App:  # noqa: ANN401 - BentoML's own arguments
    """Return BentoML's application, behind ours where the service is ours."""
    app = _made(service, *words, **more)
    if service is not Inference:
        return app
    _Loaded.model = model = open_model()

    async def counted_by_bentoml() -> bytes:
        return await _page(app, "/metrics")

    return make_front(model, Upkeep(model, Siblings(model, None, ""), counted_by_bentoml), app)


async def _page(app: App, path: str) -> bytes:
    """Return the body of one of BentoML's pages."""
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
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


_Service.to_asgi = _fronted
