"""Open-loop load: requests at a constant rate, whether or not the earlier ones were answered.

    python -m benchmarks.serving.open_loop URL FORM.json --rate 2000 --seconds 5 --connections 512

Prints one JSON object. A latency counts from the moment that the request was due, also where no connection was free
then (so a server that stalls is not spared the requests it kept from being sent), and from the moment it was sent.
"""

import argparse
import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import uvloop

ACCEPTED = 200
TICK_SECONDS = 0.001
"""How often what is due is sent: latencies from the due moment are up to so much too long."""
WARM_SECONDS = 1.0
"""Of load before anything counts."""
LAST_SECONDS = 5.0
"""How long the last answers may take; what is not there by then is counted as lost."""


@dataclass(slots=True)
class Course:
    """What was sent and what came of it."""

    requests: list[bytes]
    rate: float
    idle: "deque[Connection]" = field(default_factory=deque)
    backlog: deque[float] = field(default_factory=deque)
    """When requests were due that no connection was free for."""
    counts_from: float = 0.0
    sent: int = 0
    open: int = 0
    """Sent, not answered yet."""
    turn: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    from_due: list[float] = field(default_factory=list)
    """Seconds of accepted requests."""
    from_sent: list[float] = field(default_factory=list)
    ends: float = float("inf")
    """When the last request is due."""
    in_time: int = 0
    """Accepted requests that were answered between the warm-up and that, whenever they were due."""
    refused: list[float] = field(default_factory=list)
    """Seconds of all others, from when they were sent."""

    def request(self) -> bytes:
        """Return the next request's bytes."""
        self.turn += 1
        return self.requests[self.turn % len(self.requests)]

    def due(self, moment: float) -> None:
        """Send a request now, or as soon as a connection is free."""
        if self.idle:
            self.idle.pop().send(moment)
        else:
            self.backlog.append(moment)

    def answered(self, status: int, due: float, sent: float) -> None:
        """Note an answer."""
        self.open -= 1
        now = time.perf_counter()
        self.in_time += status == ACCEPTED and self.counts_from <= now <= self.ends
        if due < self.counts_from:
            return
        self.statuses[status] += 1
        if status == ACCEPTED:
            self.from_due.append(now - due)
            self.from_sent.append(now - sent)
        else:
            self.refused.append(now - sent)


class Connection(asyncio.Protocol):
    """One connection, which has at most one request under way."""

    def __init__(self, course: Course) -> None:
        """Wait to be connected."""
        self._course = course
        self._buffer = b""
        self._due = self._sent = 0.0
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be free."""
        self._transport: Any = transport
        self._course.idle.append(self)

    def send(self, due: float) -> None:
        """Send the next request, which was due at a moment."""
        self._due, self._sent, self._busy = due, time.perf_counter(), True
        self._course.sent += 1
        self._course.open += 1
        self._transport.write(self._course.request())

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take an answer when it has come whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        place = head.find(b"content-length:")
        if place < 0:
            raise SystemExit(f"an answer without content-length: {head[:200]!r}")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._buffer, self._busy = b"", False
        self._course.answered(int(head[9:12]), self._due, self._sent)
        if self._course.backlog:
            self.send(self._course.backlog.popleft())
        else:
            self._course.idle.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Count what was under way as status 0."""
        if self in self._course.idle:
            self._course.idle.remove(self)
        if self._busy:
            self._course.answered(0, self._due, self._sent)


async def load(url: str, course: Course, seconds: float, connections: int) -> None:
    """Send at the course's rate for some seconds after a warm-up, then wait for the last answers."""
    loop, where = asyncio.get_running_loop(), urlsplit(url)
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(course), where.hostname, where.port)
    began = time.perf_counter()
    course.counts_from, course.ends = began + WARM_SECONDS, began + WARM_SECONDS + seconds
    total, asked = int(course.rate * (WARM_SECONDS + seconds)), 0
    while asked < total:
        now = time.perf_counter()
        while asked < total and began + asked / course.rate <= now:
            course.due(began + asked / course.rate)
            asked += 1
        await asyncio.sleep(TICK_SECONDS)
    deadline = time.perf_counter() + LAST_SECONDS
    while (course.open or course.backlog) and time.perf_counter() < deadline:  # noqa: ASYNC110 - no event per request
        await asyncio.sleep(TICK_SECONDS)


def read_requests(form: Path, url: str) -> list[bytes]:
    """Return the bytes of each request of a form on disk."""
    said = json.loads(form.read_text(encoding="utf-8"))
    bodies = [(form.parent / f"{number}.body").read_bytes() for number in range(said["bodies"])]
    host = urlsplit(url).netloc
    headers = "".join(f"{name}: {value}\r\n" for name, value in said["headers"].items())
    head = f"POST {said['path']} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: "
    return [head.encode() + b"%d\r\n\r\n" % len(body) + body for body in bodies]


def told(course: Course, seconds: float) -> dict[str, Any]:
    """Return what is printed; times in milliseconds."""
    wanted = course.rate * seconds
    counted = sum(course.statuses.values())
    return {
        "wanted": round(wanted),
        "answered": counted,
        "share": counted / wanted,
        "statuses": {str(status): count for status, count in sorted(course.statuses.items())},
        "accepted_per_second": course.in_time / seconds,
        "p50_from_due": percentile(course.from_due, 50),
        "p99_from_due": percentile(course.from_due, 99),
        "p99_from_sent": percentile(course.from_sent, 99),
        "p99_refused": percentile(course.refused, 99),
        "lost": course.open + len(course.backlog),
    }


def percentile(seconds: list[float], share: float) -> float | None:
    """Return a percentile in milliseconds; None of nothing.

    >>> percentile([0.001, 0.002, 0.003], 50)
    2.0
    """
    return 1000 * float(np.percentile(seconds, share)) if seconds else None


def main() -> None:
    """Load a server as the words of the command line say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("form", type=Path)
    for name in ("--rate", "--seconds"):
        parser.add_argument(name, type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    asked = parser.parse_args()
    course = Course(requests=read_requests(asked.form, asked.url), rate=asked.rate)
    uvloop.run(load(asked.url, course, asked.seconds, asked.connections))
    used, wall = time.process_time(), asked.seconds + WARM_SECONDS
    print(json.dumps(told(course, asked.seconds) | {"client_cores": used / wall}))


if __name__ == "__main__":
    main()
