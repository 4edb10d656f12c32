"""The ASGI application: it answers the protocols itself, and passes other paths on to BentoML.

BentoML's middleware takes longer than most models, so requests that run the model do not pass through it.
"""

import asyncio
import os
from collections.abc import Sequence

from services.inference.bodies import ClientGone, compress_body, read_body
from services.inference.exchange import Exchange, make_refusal_response
from services.inference.headers import REQUEST_ID, REVISION
from services.inference.model import Model
from services.inference.pages.operations import OperationsPages
from services.inference.protocols.mlflow_scoring import MlflowScoring
from services.inference.protocols.oip import OpenInferenceHttp
from services.inference.protocols.tensorflow import TensorFlowServing, read_labels
from services.inference.refusals import NotAllowed, Refused
from services.inference.request import (
    AsgiApp,
    Header,
    HttpProtocolHandler,
    InferenceCodec,
    ProtocolHandler,
    Receive,
    Request,
    Response,
    Route,
    Scope,
    Send,
)


class HttpApplication:
    """An ASGI application; each of its responses names the revision and echoes the request's id."""

    def __init__(
        self,
        model: Model,
        protocols: Sequence[HttpProtocolHandler],
        operations: OperationsPages,
        rest: AsgiApp | None = None,
    ) -> None:
        """Answer the paths of `protocols`, and pass others on to `rest` (None: refuse them)."""
        self.model = model
        self._operations, self._fallback = operations, rest
        self.revision: Header = (REVISION, model.manifest.revision.encode())
        self.routes: dict[str, Route] = {}
        self._prefixes: list[tuple[str, HttpProtocolHandler]] = []
        for protocol in (*protocols, operations):
            paths = protocol.build_routes()
            self.routes.update(paths.exact)
            self._prefixes.extend((prefix, protocol) for prefix in paths.prefixes)
        self._last_resort = protocols[0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._answer_non_http(scope, receive, send)
            return
        route = self.routes.get(scope["path"])
        if route is None and self._fallback is not None and self._operations.is_bentoml_path(scope["path"]):
            await self._fallback(scope, receive, send)
        elif route is not None and route.codec is not None and scope["method"] == "POST":
            await self._run_inference(route.protocol, route.codec, scope, receive, send)
        else:
            await self._answer_page(route, scope, receive, send)

    async def _run_inference(
        self, protocol: ProtocolHandler, codec: InferenceCodec, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = dict(scope["headers"])
        came: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def reply(answer: Response) -> None:
            if not came.done():  # the waiting task was cancelled
                came.set_result(answer)

        exchange = Exchange(self.model, protocol, codec, reply)
        exchange.defer_count()
        try:
            body = await read_body(receive, headers)
        except ClientGone:
            exchange.abandon()
            return
        except Refused as refusal:
            exchange.refuse(refusal)
        else:
            exchange.start(Request("POST", scope["path"], scope["query_string"], headers, body))
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await asyncio.wait((came, gone), return_when=asyncio.FIRST_COMPLETED)
            if came.done() and await self._send_response(came.result(), headers, send, gone=gone):
                exchange.count_written()
            else:
                exchange.abandon()
        finally:
            gone.cancel()

    async def _answer_page(self, route: Route | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that does not run the model, or refuse it."""
        headers = dict(scope["headers"])
        path, method = scope["path"], scope["method"]
        protocol: ProtocolHandler = self._find_protocol(path) if route is None else route.protocol
        allowed = "POST" if route is None else ", ".join(route.handlers) or "POST"
        try:
            if route is None:
                raise self._find_protocol(path).explain_missing(path)
            handler = route.handlers.get(method)
            if handler is None:
                raise NotAllowed(f"method: got {method[:20]}, expected {allowed} for {path[:160]}")
            body = await read_body(receive, headers) if method == "POST" else b""
            answer = await handler(Request(method, path, scope["query_string"], headers, body))
        except ClientGone:
            return
        except Refused as refusal:
            answer = make_refusal_response(protocol, self.model, refusal)
            if isinstance(refusal, NotAllowed):
                answer = answer._replace(headers=(*answer.headers, (b"allow", allowed.encode())))
        await self._send_response(answer, headers, send, head=method == "HEAD")

    def build_headers(
        self, answer: Response, asked: dict[bytes, bytes], encoding: bytes | None, size: int
    ) -> list[Header]:
        """Return the headers of a response with so many bytes."""
        sent: list[Header] = [
            (b"content-type", answer.media_type),
            (b"content-length", b"%d" % size),
            *answer.headers,
        ]
        if not any(name == REVISION for name, _ in answer.headers):  # a forwarded response names its own revision
            sent.append(self.revision)
        request_id = asked.get(REQUEST_ID)
        if request_id is not None:
            sent.append((REQUEST_ID, request_id))
        if encoding is not None:
            sent.append((b"content-encoding", encoding))
        if self.model.draining:
            sent.append((b"connection", b"close"))  # the client goes elsewhere with its next request
        return sent

    async def _send_response(
        self,
        answer: Response,
        asked: dict[bytes, bytes],
        send: Send,
        *,
        head: bool = False,
        gone: "asyncio.Future[None] | None" = None,
    ) -> bool:
        """Send a response, for HEAD without its body; False: the client is gone, as `gone` says."""
        body, encoding = await compress_body(answer.body, asked)
        if gone is not None and gone.done():
            return False
        sent = self.build_headers(answer, asked, encoding, len(body))
        await send({"type": "http.response.start", "status": answer.status, "headers": sent})
        await send({"type": "http.response.body", "body": b"" if head else body})
        return True

    def _find_protocol(self, path: str) -> HttpProtocolHandler:
        return next((protocol for prefix, protocol in self._prefixes if path.startswith(prefix)), self._last_resort)

    async def _answer_non_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle startup, shutdown and websockets; BentoML's application, if there is one, starts and stops itself."""
        if scope["type"] == "lifespan" and self._fallback is not None:
            await self._fallback(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    """Acknowledge startup and shutdown: the server has loaded the model."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def build_application(model: Model, operations: OperationsPages, rest: AsgiApp | None = None) -> HttpApplication:
    """Return the application with every protocol."""
    protocols = (
        OpenInferenceHttp(model),
        TensorFlowServing(model, read_labels(os.environ)),
        MlflowScoring(model),
    )
    return HttpApplication(model, protocols, operations, rest)
