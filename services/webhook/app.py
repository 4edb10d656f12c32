"""The receiver: POST /webhooks/mlflow, GET /healthz.

An event is only a trigger: the version is read from the registry, and `reconcile` finds lost events.
Every request leaves one log line, without its body and without any secret.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from services.webhook import events, signature
from services.webhook.events import BODY_LIMIT
from services.webhook.rejection import Rejected
from services.webhook.seen import AcceptedDeliveries
from services.webhook.submissions import Result, Submissions
from slipway.domain.release.version import ModelVersion

log = logging.getLogger("slipway.webhook")

BODY_SECONDS = 5.0
"""Seconds that a body may take to arrive."""


def create_app(
    secret: str,
    submit: Callable[[ModelVersion], str],
    lookup: Callable[[str, str], ModelVersion],
    max_age_seconds: float,
    clock: Callable[[], float],
) -> FastAPI:
    """Return the receiver's application.

    `lookup` reads a version (model, number) from the registry, `submit` asks for its release and returns the run's id;
    both may block and raise Slipway's errors. `clock` gives unix seconds. Raises ValueError for an empty secret.
    """
    if not secret:
        message = "the webhook secret is empty: every delivery could be forged"
        raise ValueError(message)
    submissions = Submissions(submit, lookup)
    receiver = Receiver(secret, submissions, max_age_seconds, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        submissions.close()

    app = FastAPI(title="Slipway webhook receiver", lifespan=lifespan, openapi_url=None)
    app.add_api_route("/webhooks/mlflow", receiver.receive, methods=["POST"], response_model=None)
    app.add_api_route("/healthz", healthy, methods=["GET"])
    return app


async def healthy() -> dict[str, str]:
    """Report that the receiver answers."""
    return {"state": "ok"}


class Receiver:
    """Checks deliveries, and requests a release of the version that they announce."""

    def __init__(
        self, secret: str, submissions: Submissions, max_age_seconds: float, clock: Callable[[], float]
    ) -> None:
        """Store nothing yet."""
        self._secret, self._submissions = secret, submissions
        self._max_age_seconds, self._clock = max_age_seconds, clock
        self._seen = AcceptedDeliveries()

    async def receive(self, request: Request) -> JSONResponse:
        """Answer one delivery, within a second of having its body."""
        try:
            body = await _body(request)
            window = signature.Window(now=self._clock(), max_age_seconds=self._max_age_seconds)
            delivery = signature.verify(self._secret, request.headers, body, window)
            created = events.parse(body)
        except Rejected as no:
            return _answer("unknown", Result(status=no.status, state=no.state, reason=no.reason))
        if created is None:
            reason = "only model_version.created starts a release"
            return _answer(delivery.id, Result(status=200, state="ignored", reason=reason))
        # stored for as long as its timestamp would be accepted again
        if not self._seen.claim(delivery.id, now=window.now, until=delivery.sent_at + self._max_age_seconds + 1):
            return _answer(delivery.id, Result(status=200, state="duplicate", reason="this delivery was taken before"))
        result = await self._submissions.run(created, lambda late: self._settle(delivery.id, late))
        return self._settle(delivery.id, result)

    def _settle(self, delivery_id: str, result: Result) -> JSONResponse:
        if result.failed:
            self._seen.forget(delivery_id)
        return _answer(delivery_id, result)


async def _body(request: Request) -> bytes:
    """Return the raw body; raise Rejected for one that does not arrive, or is too large, before all is read."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise Rejected(413, "oversized", f"more than {BODY_LIMIT} bytes")
    except TimeoutError as error:
        raise Rejected(408, "slow", f"the body did not arrive within {BODY_SECONDS:g} s") from error
    except ClientDisconnect as error:
        raise Rejected(400, "malformed", "the sender went away before the body's end") from error
    return bytes(body)


def _answer(delivery_id: str, result: Result) -> JSONResponse:
    level = logging.WARNING if result.failed else logging.INFO
    words = " ".join((result.run_id or result.reason).split())  # one line, whatever is in a message
    log.log(level, "delivery %s: %s %s: %s", delivery_id, result.status, result.state, words)
    content = {"state": result.state, "reason": result.reason, "run_id": result.run_id}
    return JSONResponse({key: value for key, value in content.items() if value}, result.status)
