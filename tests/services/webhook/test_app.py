"""The receiver: what it answers, what it asks for, what it remembers."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.webhook.app import create_app
from services.webhook.events import BODY_LIMIT
from services.webhook.submissions import WAITING_LIMIT
from slipway.domain.release.version import ModelVersion
from slipway.errors import NotFound, OrchestratorUnavailable, RegistryUnavailable, SlipwayError, SpecError

if TYPE_CHECKING:
    from tests.services.webhook.conftest import Parts, Receiver

SECRET = "a secret shared with MLflow"  # noqa: S105 - a test's own


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        threading.Event().wait(0.01)
    return condition()


def failure(kind: type[SlipwayError]) -> SlipwayError:
    """Return an error of Slipway's."""
    return kind("model digits", seen="trouble", expected="none", do="wait")


def test_it_answers_that_it_is_there(receiver: "Receiver") -> None:
    """What a supervisor asks."""
    answer = httpx.get(f"{receiver.uri}/healthz")

    assert (answer.status_code, answer.json()) == (200, {"state": "ok"})


def test_a_new_version_is_asked_for(receiver: "Receiver") -> None:
    """The answer holds the flow run's id."""
    answer = receiver.deliver()

    assert (answer.status_code, answer.json()) == (202, {"state": "submitted", "run_id": "run-of-digits-v7"})
    assert receiver.parts.asked == ["digits-v7"]


def test_the_same_delivery_is_taken_once(receiver: "Receiver") -> None:
    """A replay asks for nothing; another delivery of the same version is for the orchestrator's key to catch."""
    receiver.deliver()

    replay, other = receiver.deliver(), receiver.deliver(delivery="d-2")

    assert (replay.status_code, replay.json()["state"]) == (200, "duplicate")
    assert other.json()["state"] == "submitted"
    assert receiver.parts.asked == ["digits-v7", "digits-v7"]


def test_a_replay_is_caught_for_as_long_as_its_timestamp_is_good(receiver: "Receiver") -> None:
    """First remembered, then too old."""
    sent = str(int(receiver.parts.now) + 500)
    receiver.deliver(at=sent)
    receiver.parts.now += 1100

    late = receiver.deliver(at=sent)
    receiver.parts.now += 1
    too_late = receiver.deliver(at=sent)

    assert late.json()["state"] == "duplicate"
    assert (too_late.status_code, too_late.json()["state"]) == (401, "stale")
    assert receiver.parts.asked == ["digits-v7"]


@pytest.mark.parametrize("kind", [RegistryUnavailable, OrchestratorUnavailable, ValueError])
def test_a_delivery_that_failed_is_welcome_again(receiver: "Receiver", kind: type[Exception]) -> None:
    """503 makes MLflow try again, with the same delivery id; even a mistake of ours does not lose it."""
    failures = [failure(kind) if issubclass(kind, SlipwayError) else kind("a mistake")]

    def submit(version: ModelVersion) -> str:
        if failures:
            raise failures.pop()
        return f"run-of-{version.name}"

    receiver.parts.submit = submit

    first, second = receiver.deliver(), receiver.deliver()

    assert first.status_code == 503
    assert first.json()["reason"]
    assert (second.status_code, second.json()["state"]) == (202, "submitted")


@pytest.mark.parametrize(("kind", "status", "state"), [(NotFound, 200, "ignored"), (SpecError, 422, "refused")])
def test_what_can_not_be_released_is_said(
    receiver: "Receiver", kind: type[SlipwayError], status: int, state: str
) -> None:
    """A model without a release spec is nobody's business; a broken spec is somebody's."""

    def submit(_: ModelVersion) -> str:
        raise failure(kind)

    receiver.parts.submit = submit

    answer = receiver.deliver()

    assert (answer.status_code, answer.json()["state"]) == (status, state)
    assert answer.json()["reason"] == "model digits: trouble; expected none. Next: wait"


def test_a_version_that_the_registry_does_not_know_is_ignored(receiver: "Receiver") -> None:
    """An event is only a hint: the registry is asked."""

    def lookup(_: str, __: str) -> ModelVersion:
        raise failure(NotFound)

    receiver.parts.lookup = lookup

    answer = receiver.deliver()

    assert (answer.status_code, answer.json()["state"]) == (200, "ignored")
    assert receiver.parts.asked == []


@pytest.mark.parametrize("outcome", ["well", "badly"])
def test_a_slow_submission_is_answered_before_it_ends_and_goes_on(
    receiver: "Receiver", caplog: pytest.LogCaptureFixture, outcome: str
) -> None:
    """MLflow is told that it was accepted; the log tells how it went, and a failed one may come again."""
    caplog.set_level(logging.INFO, "slipway.webhook")
    go_on = threading.Event()

    def submit(version: ModelVersion) -> str:
        go_on.wait(60)  # until both were answered
        if outcome == "badly":
            raise failure(OrchestratorUnavailable)
        return f"run-of-{version.name}"

    receiver.parts.submit = submit

    answer = receiver.deliver()
    again = receiver.deliver()
    go_on.set()

    expected = {"well": "delivery d-1: 202 submitted: run-of-digits-v7", "badly": "delivery d-1: 503 unavailable: "}
    assert (answer.status_code, answer.json()["state"]) == (202, "accepted")
    assert again.json()["state"] == "duplicate"
    assert until(lambda: any(record.message.startswith(expected[outcome]) for record in caplog.records))
    states = {"well": "duplicate", "badly": "unavailable"}
    assert receiver.deliver().json()["state"] == states[outcome]


def test_too_many_at_once_are_told_to_come_again(
    running: "Callable[[Parts], AbstractContextManager[Receiver]]", parts: "Parts"
) -> None:
    """A registry that hangs does not fill the memory; health is answered all the while."""
    go_on = threading.Event()

    def submit(version: ModelVersion) -> str:
        go_on.wait(30)
        return version.name

    parts.submit = submit
    statuses: list[int] = []
    with running(parts) as receiver:
        numbers = range(WAITING_LIMIT + 8)
        threads = [
            threading.Thread(target=lambda n=n: statuses.append(receiver.deliver(delivery=f"d-{n}").status_code))
            for n in numbers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        healthy = httpx.get(f"{receiver.uri}/healthz").is_success
        go_on.set()

    assert healthy
    assert (statuses.count(202), statuses.count(503)) == (WAITING_LIMIT, 8)


@pytest.mark.parametrize(
    ("entity", "action"),
    [("model_version_alias", "created"), ("registered_model", "created"), ("model_version", "set"), ("new", "thing")],
)
def test_other_events_are_ignored(
    receiver: "Receiver", event: Callable[[str, str, Any], bytes], entity: str, action: str
) -> None:
    """Also those that MLflow will have one day."""
    answer = receiver.deliver(event(entity, action, {"name": "digits", "version": "7"}))

    assert (answer.status_code, answer.json()["state"]) == (200, "ignored")
    assert receiver.parts.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"[" * 60_000,
        b"\xff\xfe",
        b'{"entity": "model_version"}',
        b'{"entity": "model_version", "action": "created", "data": {}}',
        b'{"entity": "model_version", "action": "created", "data": []}',
        b'{"entity": "model_version", "action": "created", "data": {"name": "digits", "version": "seven"}}',
        b'{"entity": "model_version", "action": "created", "data": {"name": "", "version": "7"}}',
        b'{"entity": "model_version", "action": "created", "data": {"name": "digits", "version": "1234567890"}}',
    ],
)
def test_a_signed_body_that_says_nothing_is_malformed(receiver: "Receiver", body: bytes) -> None:
    """The reason names the field."""
    answer = receiver.deliver(body)

    assert (answer.status_code, answer.json()["state"]) == (400, "malformed")
    assert answer.json()["reason"]
    assert receiver.parts.asked == []


@pytest.mark.parametrize(
    ("changes", "status", "state"),
    [
        ({"x_mlflow_signature": None}, 401, "unsigned"),
        ({"secret": "guessed"}, 401, "forged"),
        ({"at": "1700000000"}, 401, "stale"),
        ({"x_mlflow_delivery_id": None}, 400, "malformed"),
        ({"x_mlflow_timestamp": None}, 400, "malformed"),
        ({"x_mlflow_timestamp": "yesterday"}, 400, "malformed"),
    ],
)
def test_what_is_not_mlflows_leaves_no_trace_but_a_line(
    receiver: "Receiver", caplog: pytest.LogCaptureFixture, changes: dict[str, str | None], status: int, state: str
) -> None:
    """Nothing is asked for or remembered; the line holds neither the body nor a secret."""
    caplog.set_level(logging.INFO, "slipway.webhook")

    answer = receiver.deliver(**changes)

    assert (answer.status_code, answer.json()["state"]) == (status, state)
    assert receiver.parts.asked == []
    lines = [record.getMessage() for record in caplog.records if record.name == "slipway.webhook"]
    assert lines == [f"delivery unknown: {status} {state}: {answer.json()['reason']}"]
    assert not any(word in lines[0] for word in (SECRET, "guessed", "digits", "models:/"))
    assert receiver.deliver().json()["state"] == "submitted"


@pytest.mark.parametrize("signed", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(receiver: "Receiver", *, signed: bool) -> None:
    """Also when it is signed."""
    body = b'{"entity": "' + b"x" * BODY_LIMIT + b'"}'

    answer = receiver.deliver(body) if signed else httpx.post(f"{receiver.uri}/webhooks/mlflow", content=body)

    assert (answer.status_code, answer.json()["state"]) == (413, "oversized")


def test_a_sender_that_goes_away_leaves_nothing(receiver: "Receiver", caplog: pytest.LogCaptureFixture) -> None:
    """Half a body, then a closed connection."""
    caplog.set_level(logging.INFO, "slipway.webhook")
    host, port = receiver.uri.removeprefix("http://").split(":")

    with socket.create_connection((host, int(port))) as half:
        half.sendall(b"POST /webhooks/mlflow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")

    assert until(lambda: any("the sender went away" in record.message for record in caplog.records))
    assert receiver.parts.asked == []


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/webhooks/mlflow", 405), ("GET", "/docs", 404)])
def test_there_is_nothing_else(receiver: "Receiver", method: str, path: str, status: int) -> None:
    """No pages that describe it to strangers."""
    assert httpx.request(method, receiver.uri + path).status_code == status


def test_an_empty_secret_is_refused() -> None:
    """With it every delivery could be forged."""
    with pytest.raises(ValueError, match="secret is empty"):
        create_app("", lambda version: version.name, lambda *_: pytest.fail("never"), 600, time.time)
