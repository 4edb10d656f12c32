"""Which revision answered, and to which request: headers that routers, judges and people read."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REVISION = "x-slipway-revision"
REQUEST_ID = "x-request-id"


class RevisionHeaders:
    """ASGI middleware: adds the revision to every answer, and the request's id where it had one."""

    def __init__(self, app: ASGIApp, revision: Callable[[], str]) -> None:
        """Wrap an application; `revision` is asked at every answer, as the model is loaded later."""
        self._app, self._revision = app, revision

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = Headers(scope=scope).get(REQUEST_ID)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REVISION] = self._revision()
                if request_id is not None:
                    headers[REQUEST_ID] = request_id
            await send(message)

        await self._app(scope, receive, send_with_headers)
