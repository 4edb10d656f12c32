"""A small real service in a pod, named by its pod (`digits-v1-6c9f-x2x` serves digits-v1) and made as its image says.

The file `made` beside this one says how: `good`, `fails` (on rows of the odd kind), `refuses` (every row: it lacks a
column), `slow` (0.4 s per answer), `exits` (at once) or `hungry` (takes more memory than it may have, before it is
ready). What it can't answer it hands on as the real service does, where the route says to whom.
"""

import bisect
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = socket.gethostname().rsplit("-", 2)[0]
MODEL = REVISION.rpartition("-")[0]
MADE = Path(__file__).with_name("made").read_text().strip()
PORT = 3000
SLOW_SECONDS = 0.4
OK = 200
_LOWER = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 100, 120, 150, 200, 250, 300)
_UPPER = (400, 500, 600, 700, 800, 1000, 1200, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000, 30000, 60000)
EDGES_SECONDS = [milliseconds / 1000 for milliseconds in (*_LOWER, *_UPPER)]
"""Those of the real service."""


class Numbers:
    """What Prometheus reads."""

    def __init__(self) -> None:
        """Begin at zero, with every series there from the start."""
        self.lock = threading.Lock()
        self.in_flight = 0
        self.codes = {200: 0, 400: 0, 500: 0}
        self.rescued = {400: 0, 500: 0}
        self.helped = 0
        self.slots = [0] * (len(EDGES_SECONDS) + 1)
        self.total_seconds = 0.0

    def begin(self) -> None:
        """Note a request that came."""
        with self.lock:
            self.in_flight += 1

    def end(self, code: int, seconds: float) -> None:
        """Note its answer."""
        with self.lock:
            self.in_flight -= 1
            self.codes[code] += 1
            self.slots[bisect.bisect_left(EDGES_SECONDS, seconds)] += 1
            self.total_seconds += seconds

    def help(self) -> None:
        """Note an answer in another revision's place."""
        with self.lock:
            self.in_flight -= 1
            self.helped += 1

    def rescue(self, code: int) -> None:
        """Note an answer of another revision in the place of one with this code."""
        with self.lock:
            self.rescued[code] += 1

    def page(self) -> str:
        """Return all of it as text."""
        names = f'model="{MODEL}",revision="{REVISION}"'
        histogram = "slipway_request_duration_seconds"
        with self.lock:
            lines = [
                "# TYPE slipway_requests_in_flight gauge",
                f"slipway_requests_in_flight{{{names}}} {self.in_flight}",
                "# TYPE slipway_requests_total counter",
                *(f'slipway_requests_total{{{names},code="{code}"}} {count}' for code, count in self.codes.items()),
                "# TYPE slipway_rescued_total counter",
                *(f'slipway_rescued_total{{{names},code="{code}"}} {count}' for code, count in self.rescued.items()),
                "# TYPE slipway_helped_total counter",
                f"slipway_helped_total{{{names}}} {self.helped}",
                f"# TYPE {histogram} histogram",
            ]
            count = 0
            for edge, slot in zip([*EDGES_SECONDS, "+Inf"], self.slots, strict=True):
                count += slot
                lines.append(f'{histogram}_bucket{{{names},le="{edge}"}} {count}')
            lines += [f"{histogram}_sum{{{names}}} {self.total_seconds}", f"{histogram}_count{{{names}}} {count}"]
        return "\n".join(lines) + "\n"


NUMBERS = Numbers()


class Service(BaseHTTPRequestHandler):
    """Answers probes, requests, and Prometheus."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Probes and pages."""
        pages = {
            "/v2/health/ready": "{}",
            "/livez": "{}",
            "/metrics": NUMBERS.page(),
            "/slipway/summary": '{"scores": null, "classes": {}, "inputs": {}, "warm": true}',
            "/slipway/answers": '{"answers": []}',
        }
        self._send(200 if self.path in pages else 404, pages.get(self.path, "{}"))

    def do_POST(self) -> None:
        """Answer a row."""
        NUMBERS.begin()
        began = time.perf_counter()
        row = self.rfile.read(int(self.headers["content-length"]))
        if MADE == "slow":
            time.sleep(SLOW_SECONDS)
        code = 400 if MADE == "refuses" else 500 if MADE == "fails" and row == b"odd" else 200
        if self.headers.get("x-slipway-rescued-from"):
            NUMBERS.help()
        else:
            NUMBERS.end(code, time.perf_counter() - began)
        by = self._rescuer() if code != OK else ""
        rescuer = _handed_on(by, self.path, row) if by else ""
        if rescuer:
            NUMBERS.rescue(code)
            self._send(OK, '{"prediction": 1}', rescuer, f"x-slipway-rescued: {REVISION}\r\n")
        else:
            self._send(code, '{"prediction": 1}')

    def _rescuer(self) -> str:
        """Return HOST:PORT of whoever answers in this revision's place, by the route's word; empty: nobody."""
        said = dict(part.strip().split("=") for part in self.headers.get("x-slipway-rescue", "").split(";") if part)
        return said["by"] if said.get("of") == REVISION and "x-slipway-rescued-from" not in self.headers else ""

    def _send(self, status: int, text: str, revision: str = REVISION, more: str = "") -> None:
        body = text.encode()
        kind = "text/plain; version=0.0.4" if self.path == "/metrics" else "application/json"
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}"
        self.wfile.write(f"{head}x-slipway-revision: {revision}\r\n\r\n".encode() + body)

    def log_message(self, *_: object) -> None:
        """Say nothing per request."""


def _handed_on(by: str, path: str, row: bytes) -> str:
    """Return who answered a row rightly at HOST:PORT; empty: nobody."""
    asked = urllib.request.Request(f"http://{by}{path}", row, {"x-slipway-rescued-from": REVISION})
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - the route's own address
            return str(answer.headers["x-slipway-revision"])
    except (OSError, HTTPException):
        return ""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    request_queue_size = 512


def main() -> None:
    """Serve until SIGTERM, and end what is under way then."""
    if MADE == "exits":
        print("the model file is broken", flush=True)  # noqa: T201 - the last line of the log
        sys.exit(3)
    if MADE == "hungry":
        taken = []
        while True:
            taken.append(b"x" * 2**24)
    server = Server(("", PORT), Service)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    while NUMBERS.in_flight:
        time.sleep(0.01)
    os._exit(0)  # idle keep-alive connections hold threads; their requests were answered


if __name__ == "__main__":
    main()
