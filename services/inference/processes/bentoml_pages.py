"""BentoML's own pages in a worker: imported with the first request for one of them, because that takes seconds."""

import asyncio

from services.inference.request import AsgiApp, Receive, Scope, Send


class BentomlPages:
    """An ASGI application that imports BentoML's with the first request and passes requests on to it."""

    def __init__(self) -> None:
        """Import nothing yet."""
        self._app: AsgiApp | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        async with self._turn:
            if self._app is None:
                self._app = await asyncio.to_thread(_import_app)
        await self._app(scope, receive, send)


def _import_app() -> AsgiApp:
    from services.inference.service import make_bentoml_app

    return make_bentoml_app()
