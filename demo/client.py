"""The client: one held-out row per request, at a steady rate, and every answer checked. A process of its own.

    python -m demo.client FOLDER ADDRESS REQUESTS_PER_SECOND

It works in FOLDER: `rows.json` is what it sends, `answers-N.json` the answers of version N to each row, `traffic.json`
is its tally. When its standard input closes, it sends no more, waits for requests in flight, and ends: it never
outlives its parent process. Its rate is open-loop: a slow answer delays no other request, and a slow machine drops
none.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from demo import tally
from demo.tally import Ending, Tally
from slipway_interface.headers import RESCUED, REVISION

ODD_EVERY = 33
"""Interval of requests of the odd kind: 3 %."""
TIMEOUT_SECONDS = 10.0
"""A request without an answer after this has failed."""
WRITE_SECONDS = 0.5
"""The revision that was tried first and could not answer, if another one did."""
FROM_A_SERVICE = "x-envoy-upstream-service-time"
"""Envoy adds it to every answer of an upstream; its own errors lack it."""
OK, SERVER_ERROR = 200, 500

Send = Callable[[bytes], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: which row, and its body."""

    number: int
    kind: str
    """`live` or `odd`."""
    row: int
    body: bytes


class Requests:
    """The rows as requests, in a cycle, with each odd one in its place."""

    def __init__(self, rows: dict[str, list[list[float]]]) -> None:
        """Prepare every body once: the client costs little while it runs. `rows`: `live` and `odd`, of equal length."""
        self._bodies = {kind: [_body(row) for row in some] for kind, some in rows.items()}

    def __getitem__(self, number: int) -> Request:
        """Return the request with this number, counted from 0."""
        kind = "odd" if number % ODD_EVERY == ODD_EVERY - 1 else "live"
        row = number % len(self._bodies[kind])
        return Request(number=number, kind=kind, row=row, body=self._bodies[kind][row])


class Checker:
    """The answers of every version to every row, from the trained models themselves."""

    def __init__(self, folder: Path) -> None:
        """Read `answers-N.json` from the folder when version N first answers."""
        self._folder = folder
        self._known: dict[str, dict[str, list[int | None]]] = {}

    def ending(self, request: Request, response: httpx.Response) -> tuple[Ending, int | None, str]:
        """Return how a request ended, which version answered, and what was wrong."""
        revision = response.headers.get(REVISION, "")
        if not revision or FROM_A_SERVICE not in response.headers:
            return Ending.LOST, None, f"status {response.status_code} of the router's own: {response.text[:200]}"
        version = int(revision.rpartition("-v")[2])
        if response.status_code >= SERVER_ERROR:
            return Ending.FAILED, version, response.text[:200]
        if response.status_code != OK:
            return Ending.WRONG, version, f"status {response.status_code}: {response.text[:200]}"
        said, expected = _said(response.json()), (str(version), self._expected(version, request))
        if said == expected:
            return Ending.ANSWERED, version, ""
        return Ending.WRONG, version, f"row {request.kind} {request.row}: got {said}, expected {expected}"

    def _expected(self, version: int, request: Request) -> int | None:
        name = f"answers-{version}.json"
        if name not in self._known:
            self._known[name] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        return self._known[name][request.kind][request.row]


class Client:
    """Sends, checks and counts."""

    def __init__(self, requests: Requests, checker: Checker, send: Send) -> None:
        """Store what to send, what to expect, and how to send."""
        self.tally = Tally()
        self._requests, self._checker, self._send = requests, checker, send
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, stopped: asyncio.Event) -> None:
        """Send `rate` requests a second until stopped; return when all have ended."""
        began = time.monotonic()
        for number in itertools.count():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), max(0.0, began + number / rate - time.monotonic()))
            if stopped.is_set():
                break
            self.tally.sent += 1
            task = asyncio.create_task(self._one(self._requests[number]))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way)

    async def _one(self, request: Request) -> None:
        began = time.monotonic()
        try:
            response = await self._send(request.body)
        except httpx.HTTPError as error:
            took = time.monotonic() - began
            self.tally.note(request.number, Ending.LOST, None, f"{type(error).__name__} after {took:.1f} s: {error}")
            return
        took = time.monotonic() - began
        try:
            ending, version, detail = self._checker.ending(request, response)
        except (ValueError, KeyError, IndexError, OSError) as error:
            ending, version, detail = Ending.WRONG, None, f"unreadable answer ({error}): {response.text[:200]}"
        if ending is not Ending.LOST:
            self.tally.milliseconds.append(1000 * took)
        if RESCUED in response.headers:
            self.tally.rescued[int(response.headers[RESCUED].rpartition("-v")[2])] += 1
        self.tally.note(request.number, ending, version, detail)


def _body(row: list[float]) -> bytes:
    tensor = {"name": "input", "shape": [1, len(row)], "datatype": "FP64", "data": row}
    return json.dumps({"inputs": [tensor]}).encode()


def _said(answer: dict[str, Any]) -> tuple[str, int]:
    """Return the version and the digit that an answer names."""
    prediction = next(output for output in answer["outputs"] if output["name"] == "prediction")
    return str(answer["model_version"]), int(prediction["data"][0])


async def _work(folder: Path, address: str, rate: float) -> None:
    stopped = await _closing_stdin()
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    patience = httpx.Timeout(TIMEOUT_SECONDS, pool=None)  # a wait for a free connection is not the server's delay
    async with httpx.AsyncClient(limits=limits, timeout=patience, trust_env=False) as http:
        headers = {"content-type": "application/json"}
        client = Client(Requests(rows), Checker(folder), lambda body: http.post(address, content=body, headers=headers))
        running = asyncio.create_task(client.run(rate, stopped))
        while not running.done():
            await asyncio.wait([running], timeout=WRITE_SECONDS)
            counts = replace(client.tally.counts(), finished=running.done(), cpu_seconds=time.process_time())
            tally.write(counts, folder / "traffic.json")
        running.result()


async def _closing_stdin() -> asyncio.Event:
    """Return an event that is set once the other end of our standard input is closed."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    held = sys.stdin.fileno()

    def look() -> None:
        if not os.read(held, 64):
            loop.remove_reader(held)
            stopped.set()

    loop.add_reader(held, look)
    return stopped


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
