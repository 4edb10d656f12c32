"""The receiver served by uvicorn, with deliveries signed as MLflow signs them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn

from services.webhook.app import create_app
from services.webhook.signature import ID, SIGNATURE, TIMESTAMP, sign
from slipway.domain.release.version import ModelVersion

SECRET = "a secret shared with MLflow"  # noqa: S105 - a test's own
NOW = 1_800_000_000.0
MAX_AGE_SECONDS = 600.0


@dataclass(slots=True, kw_only=True)
class Parts:
    """What stands behind the receiver: what it is to do, and what it was asked for."""

    submit: Callable[[ModelVersion], str] = lambda version: f"run-of-{version.name}"
    lookup: Callable[[str, str], ModelVersion] = lambda model, version: ModelVersion(
        model=model, version=int(version), source="models:/m-1"
    )
    now: float = NOW
    asked: list[str] = field(default_factory=list)

    def submitted(self, version: ModelVersion) -> str:
        """Take the version down, then do what is to be done."""
        self.asked.append(version.name)
        return self.submit(version)

    def looked_up(self, model: str, version: str) -> ModelVersion:
        """Look a version up the way it is to be done by now."""
        return self.lookup(model, version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A running receiver, as MLflow sees it."""

    uri: str
    parts: Parts

    def deliver(self, body: bytes | None = None, **changes: str | None) -> httpx.Response:
        """Send an event signed as MLflow does; `changes` replace headers, None takes one away.

        `delivery` is its id, `at` its timestamp, `secret` what it is signed with.
        """
        content = created("digits", "7") if body is None else body
        delivery, at = str(changes.pop("delivery", None) or "d-1"), str(changes.pop("at", None) or int(self.parts.now))
        signature = sign(str(changes.pop("secret", None) or SECRET), delivery, at, content)
        headers: dict[str, str | None] = {ID: delivery, TIMESTAMP: at, SIGNATURE: signature}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        return httpx.post(f"{self.uri}/webhooks/mlflow", content=content, headers=sent, timeout=10)


def created(name: str, version: str) -> bytes:
    """Return the event as MLflow writes it."""
    data = {"name": name, "version": version, "source": "models:/m-1", "run_id": None, "tags": {}, "description": ""}
    return event("model_version", "created", data)


def event(entity: str, action: str, data: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return any event."""
    return json.dumps({"entity": entity, "action": action, "timestamp": "2027-01-15T08:00:00Z", "data": data}).encode()


@contextmanager
def _running(parts: Parts) -> Iterator[Receiver]:
    app = create_app(SECRET, parts.submitted, parts.looked_up, MAX_AGE_SECONDS, lambda: parts.now)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Receiver(uri=f"http://127.0.0.1:{listener.getsockname()[1]}", parts=parts)
        finally:
            served.should_exit = True
            thread.join()


@pytest.fixture
def running() -> Callable[[Parts], AbstractContextManager[Receiver]]:
    """Return what runs a receiver with these parts behind it."""
    return _running


@pytest.fixture
def parts() -> Parts:
    """Return what stands behind the receiver; a test may change it."""
    return Parts()


@pytest.fixture
def receiver(parts: Parts) -> Iterator[Receiver]:
    """Give a running receiver."""
    with _running(parts) as one:
        yield one


@pytest.fixture(name="event")
def event_of() -> Callable[[str, str, Any], bytes]:
    """Return what makes the body of an event."""
    return event
