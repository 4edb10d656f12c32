"""The client: it checks every answer, tells bad answers from lost requests, keeps its rate, and ends in order.

It runs as the process that it is in the demo, against a real HTTP server that answers as each test says.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.client import ODD_EVERY
from demo.models import Trained
from demo.rows import Digits
from demo.tally import Counts, Ending
from demo.traffic import Traffic

RATE = 200.0
ENOUGH = 3 * ODD_EVERY
Answering = Callable[[list[float]], Response]


def answer(digit: int | None, version: int = 1, status: int = 200) -> Response:
    """Return what the inference service answers, as it comes out of Envoy."""
    outputs = [{"name": "prediction", "shape": [1], "datatype": "INT64", "data": [digit]}]
    body = {"model_name": "digits", "model_version": str(version), "outputs": outputs}
    named = {"x-slipway-revision": f"digits-v{version}", "x-envoy-upstream-service-time": "1"}
    return Response(orjson.dumps(body), status, headers=named, media_type="application/json")


Infer = Callable[[Request], Awaitable[Response]]


@contextmanager
def served(infer: Infer) -> Iterator[str]:
    """Serve on a free port; yields the address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/infer", infer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/infer"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listening.close()


def at_once(answering: Answering) -> Infer:
    """Answer every row without delay."""

    async def infer(request: Request) -> Response:
        return answering(await row_of(request))

    return infer


async def row_of(request: Request) -> list[float]:
    """Return the pixels that a request brings."""
    row: list[float] = orjson.loads(await request.body())["inputs"][0]["data"]
    return row


@pytest.fixture
def ran(tmp_path: Path, digits: Digits, trained: list[Trained]) -> Callable[[Answering], Counts]:
    """Return a function: the client against a server, until some hundred requests have been sent; its counts."""

    def run(answering: Answering, requests: int = ENOUGH) -> Counts:
        with served(at_once(answering)) as address:
            traffic = prepared(tmp_path, address, digits, trained)
            traffic.start()
            wait_until(lambda: traffic.counts().sent >= requests or bool(traffic.died()))
            assert traffic.died() == ""
            return traffic.end()

    return run


def prepared(folder: Path, address: str, digits: Digits, trained: list[Trained]) -> Traffic:
    """Return a client that knows its rows and what versions 1 and 3 say of them."""
    traffic = Traffic(folder / "client", address, RATE)
    traffic.send_rows(digits)
    traffic.expect(trained[0], digits)
    traffic.expect(trained[2], digits)
    return traffic


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait on a condition, for a bounded time."""
    ends, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < ends, "it did not come to pass in time"
        pause.wait(0.05)


def right(digits: Digits, trained: list[Trained]) -> Answering:
    """Return the answers of version 1's own model."""
    pairs = zip(
        (digits.live, digits.odd), (trained[0].answers(digits.live), trained[0].answers(digits.odd)), strict=True
    )
    known = {
        tuple(row): digit for pixels, said in pairs for row, digit in zip(pixels.to_numpy().tolist(), said, strict=True)
    }
    return lambda row: answer(known[tuple(row)])


def test_right_answers_are_counted_by_the_version_that_gave_them(
    ran: Callable[[Answering], Counts], digits: Digits, trained: list[Trained]
) -> None:
    """Every request ends as answered; latencies are measured; rows of the odd kind are among them."""
    rows_seen: list[list[float]] = []
    said = right(digits, trained)

    counts = ran(lambda row: rows_seen.append(row) or said(row))

    assert counts.finished
    assert counts.sent == counts.answered == len(rows_seen) >= ENOUGH
    assert counts.answered_by == {1: counts.sent}
    assert (counts.wrong, counts.lost, counts.failed, counts.findings) == (0, 0, {}, ())
    assert counts.p50_milliseconds is not None
    assert sum(min(row) < 0 for row in rows_seen) == counts.sent // ODD_EVERY


def test_an_answer_that_the_original_model_does_not_give_is_wrong(ran: Callable[[Answering], Counts]) -> None:
    """A digit of no model's is found out, and the finding names row and digits."""
    counts = ran(lambda _row: answer(11))

    assert counts.wrong == counts.sent
    assert "got ('1', 11), expected ('1', " in counts.findings[0].detail


def test_a_server_error_that_a_model_wrote_is_a_failure_of_its_version(ran: Callable[[Answering], Counts]) -> None:
    """It was answered, badly: exposure, not loss."""
    counts = ran(lambda _row: answer(None, version=3, status=500))

    assert counts.failed == {3: counts.sent}
    assert counts.lost == 0


def test_an_answer_given_in_another_versions_place_counts_for_both(
    ran: Callable[[Answering], Counts], digits: Digits, trained: list[Trained]
) -> None:
    """It is a right answer of who gave it, and version 3 had to be answered for."""
    said = right(digits, trained)

    def rescued(row: list[float]) -> Response:
        response = said(row)
        response.headers["x-slipway-rescued"] = "digits-v3"
        return response

    counts = ran(rescued)

    assert counts.rescued == {3: counts.sent}
    assert counts.answered_by == {1: counts.sent}
    assert counts.failed == {}


def test_a_server_error_of_the_routers_own_is_a_lost_request(ran: Callable[[Answering], Counts]) -> None:
    """Envoy names the revision that it meant; that nothing came from behind it shows in what is missing."""
    refusal = {"x-slipway-revision": "digits-v1"}

    counts = ran(lambda _row: Response("no healthy upstream", 503, headers=refusal))

    assert counts.lost == counts.sent
    assert counts.findings[0].ending is Ending.LOST
    assert "no healthy upstream" in counts.findings[0].detail


def test_where_nobody_listens_every_request_is_lost_and_the_client_goes_on(
    tmp_path: Path, digits: Digits, trained: list[Trained]
) -> None:
    """A dead front door does not end the client: the losses are what it is there to count."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        traffic = prepared(tmp_path, f"http://127.0.0.1:{reserved.getsockname()[1]}/infer", digits, trained)
        traffic.start()
        wait_until(lambda: traffic.counts().lost >= ENOUGH)
        counts = traffic.end()

    assert counts.lost == counts.sent
    assert counts.finished
    assert "ConnectError" in counts.findings[0].detail


def test_slow_answers_hold_up_no_other_request(tmp_path: Path, digits: Digits, trained: list[Trained]) -> None:
    """The loop is open: while the server thinks, requests go on at the same rate, and all get their answer."""
    said, release = right(digits, trained), threading.Event()

    async def infer(request: Request) -> Response:
        row = await row_of(request)
        await asyncio.to_thread(release.wait, 20)
        return said(row)

    with served(infer) as address:
        traffic = prepared(tmp_path, address, digits, trained)
        traffic.start()
        wait_until(lambda: traffic.counts().sent >= ENOUGH)
        before = traffic.counts()
        release.set()
        counts = traffic.end()

    assert before.answered == 0
    assert counts.answered == counts.sent >= ENOUGH


def test_a_client_that_dies_says_why(tmp_path: Path) -> None:
    """Without its rows it can't begin; the story hears of it instead of waiting."""
    traffic = Traffic(tmp_path / "client", "http://127.0.0.1:9/infer")

    traffic.start()
    wait_until(lambda: bool(traffic.died()))

    assert "rows.json" in traffic.died()
    assert traffic.end() == Counts()
