"""The fast path of a request through the server: from the parser's last byte to the model, without a task of its own.

uvicorn makes a task, a scope and a dozen messages per request, which costs more than a small model. A plain request
whose path runs the model takes the fast path: the parser's callback starts its exchange, and the engine's callback
writes its response in one piece. All other requests take uvicorn's own path, to the same application.

`FastPathCycle` replaces uvicorn's RequestResponseCycle, so that uvicorn still handles pipelined requests, idle
connections and shutdown. It has the attributes that uvicorn uses of a cycle; tests cover them.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from services.inference.application import HttpApplication
from services.inference.bodies import BODY_SECONDS, COMPRESS_FROM, compress_body, make_too_slow
from services.inference.exchange import Exchange
from services.inference.headers import REQUEST_ID
from services.inference.request import JSON, Request, Response, Route

LARGEST_BODY = 65536
"""Largest body on the fast path: up to it uvicorn does not pause reading."""
SLOW_PATH_HEADERS = frozenset([b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"])
"""Headers of requests that take uvicorn's own path."""


class _IgnoredEvent:
    """Replaces the event that wakes an application, because none waits here."""

    def set(self) -> None:
        """Do nothing."""


class FastPathCycle:
    """A request on the fast path, in place of uvicorn's RequestResponseCycle."""

    message_event = _IgnoredEvent()

    def __init__(
        self,
        connection: "FastPathProtocol",
        application: HttpApplication,
        route: Route,
        keep_alive: bool,  # noqa: FBT001 - as the parser says
    ) -> None:
        """Start after the request's head was parsed."""
        assert route.codec is not None  # noqa: S101 - as `FastPathProtocol` chose it
        self._connection, self._application = connection, application
        self._headers = dict(connection.headers)
        self._path = connection.url.decode("ascii")
        self.keep_alive = keep_alive
        self.body = bytearray()
        self.more_body = True
        self.disconnected = self.response_complete = False
        self._timer: asyncio.TimerHandle | None = None
        self._exchange = Exchange(application.model, route.protocol, route.codec, self._reply)

    def start_body_timer(self) -> None:
        """Start the time limit for the rest of the body, once."""
        if self._timer is None:
            self._timer = self._connection.loop.call_later(BODY_SECONDS, self._refuse_slow_body)

    def abandon(self) -> None:
        """Abandon a request whose client disconnected."""
        if self._timer is not None:
            self._timer.cancel()
        self._exchange.abandon()

    def _refuse_slow_body(self) -> None:
        if self.more_body and not self.response_complete:
            self.keep_alive = False
            self._exchange.refuse(make_too_slow(len(self.body)))

    def start(self) -> None:
        """Have the model run the request, whose body is complete."""
        if self._timer is not None:
            self._timer.cancel()
        self._exchange.start(Request("POST", self._path, b"", self._headers, bytes(self.body)))

    def _reply(self, answer: Response) -> None:
        if len(answer.body) < COMPRESS_FROM or b"accept-encoding" not in self._headers:
            self._write(answer, answer.body, None)
        else:
            self._exchange.defer_count()
            task = self._connection.loop.create_task(self._compress_and_write(answer))
            self._connection.tasks.add(task)
            task.add_done_callback(self._connection.tasks.discard)

    async def _compress_and_write(self, answer: Response) -> None:
        body, encoding = await compress_body(answer.body, self._headers)
        self._write(answer, body, encoding)
        self._exchange.count_written()

    def _write(self, answer: Response, body: bytes, encoding: bytes | None) -> None:
        self.response_complete = True
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            self._exchange.abandon()
            return
        stays = self.keep_alive and not self._application.model.draining
        plain = stays and encoding is None and answer.media_type is JSON and not answer.headers
        if plain and REQUEST_ID not in self._headers:  # most responses: three prepared pieces, and the length
            parts = [*connection.build_json_head(answer.status), b"%d\r\n\r\n" % len(body), body]
        else:
            parts = [*self._build_head(answer, encoding, len(body), stays=stays), body]
        connection.transport.write(b"".join(parts))
        if not stays:
            connection.transport.close()
        connection.on_response_complete()

    def _build_head(self, answer: Response, encoding: bytes | None, size: int, *, stays: bool) -> list[bytes]:
        parts = [STATUS_LINE[answer.status], self._connection.build_server_headers()]
        for name, value in self._application.build_headers(answer, self._headers, encoding, size):
            parts += (name, b": ", value, b"\r\n")
        if not stays and not self._application.model.draining:
            parts.append(b"connection: close\r\n")
        return [*parts, b"\r\n"]


class FastPathProtocol(HttpToolsProtocol):
    """uvicorn's connection, with the fast path."""

    def __init__(self, *words: Any, **more: Any) -> None:  # noqa: ANN401 - uvicorn's own arguments
        """Find the paths that may take it."""
        super().__init__(*words, **more)
        application = self.config.app
        assert isinstance(application, HttpApplication)  # noqa: S101 - the worker's own configuration
        self._application = application
        self._fast_routes = _find_fast_routes(application)
        self._server_headers: tuple[object, bytes] = (None, b"")
        revision = b": ".join(application.revision)
        self._json_fields = b"content-type: %b\r\n%b\r\ncontent-length: " % (JSON, revision)
        self._idle_since = 0.0

    def on_message_begin(self) -> None:
        """Prepare as little as possible: uvicorn's own preparations follow if its path is taken."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._length: bytes | None = None
        self._has_plain_headers = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, as uvicorn does; note those that exclude the fast path."""
        name = name.lower()
        self.headers.append((name, value))
        if name == b"content-length":
            self._length = value
        elif name in SLOW_PATH_HEADERS:
            self._has_plain_headers = False
            self.expect_100_continue = self.expect_100_continue or (
                name == b"expect" and value.lower() == b"100-continue"
            )

    def on_headers_complete(self) -> None:
        """Choose the path."""
        route = self._fast_routes.get(self.url)
        if route is None or not self._takes_fast_path():
            came = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.headers, self.expect_100_continue = came
            self.scope["headers"] = self.headers
            super().on_headers_complete()
            return
        self.cycle = FastPathCycle(self, self._application, route, self.parser.should_keep_alive())  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; an incomplete body gets a time limit."""
        super().data_received(data)
        cycle: Any = self.cycle
        if type(cycle) is FastPathCycle and cycle.more_body:
            cycle.start_body_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Abandon the request that can't be answered any more."""
        cycle: Any = self.cycle
        if type(cycle) is FastPathCycle and not cycle.response_complete:
            cycle.disconnected = True
            cycle.abandon()
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)

    def on_message_complete(self) -> None:
        """Run a request on the fast path."""
        super().on_message_complete()
        cycle: Any = self.cycle
        if type(cycle) is FastPathCycle and not cycle.more_body and not cycle.response_complete:
            cycle.start()

    def _unset_keepalive_if_required(self) -> None:
        """Keep the idle timer: one serves many requests."""

    def on_response_complete(self) -> None:
        """Remember since when the connection is idle; reuse a running timer."""
        timer = self.timeout_keep_alive_task
        if timer is None or self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        self._idle_since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle for the whole time; else set the timer for the rest."""
        self.timeout_keep_alive_task = None
        cycle: Any = self.cycle
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0 and (cycle is None or cycle.response_complete):
            super().timeout_keep_alive_handler()
        else:
            wait = max(left, 1.0)
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)

    def build_json_head(self, status: int) -> tuple[bytes, bytes, bytes]:
        """Return the head of a JSON response without its length."""
        return STATUS_LINE[status], self.build_server_headers(), self._json_fields

    def build_server_headers(self) -> bytes:
        """Return uvicorn's own headers (the date), encoded again if they changed."""
        headers = self.server_state.default_headers
        if self._server_headers[0] is not headers:
            self._server_headers = (
                headers,
                b"".join(part for name, value in headers for part in (name, b": ", value, b"\r\n")),
            )
        return self._server_headers[1]

    def _takes_fast_path(self) -> bool:
        """Return whether the request is plain, and the previous one on the connection is answered."""
        before: Any = self.cycle
        if before is not None and not before.response_complete:
            return False
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return False
        length = self._length
        return self._has_plain_headers and length is not None and length.isdigit() and int(length) <= LARGEST_BODY


def _find_fast_routes(application: HttpApplication) -> dict[bytes, Route]:
    """Return the paths that run the model, as bytes."""
    return {path.encode(): route for path, route in application.routes.items() if route.codec is not None}
