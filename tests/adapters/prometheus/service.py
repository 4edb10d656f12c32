"""A small real service that runs as a pod: what a packaged model counts and says, without a model.

Argument: the revision's name. It needs nothing but Python.
"""

import json
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

EDGES_SECONDS = (
    *(0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.01, 0.012, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06),
    *(0.07, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0),
    *(15.0, 20.0, 30.0, 60.0),
)


class Service(BaseHTTPRequestHandler):
    """Answers requests, counts and times them, and says of itself what it is told to."""

    protocol_version = "HTTP/1.1"
    revision = sys.argv[1] if len(sys.argv) > 1 else ""
    lock = threading.Lock()
    codes: ClassVar = Counter({200: 0, 500: 0})
    times: ClassVar = Counter()
    said: ClassVar = {"scores": None, "classes": {}, "inputs": {}}

    def do_GET(self) -> None:
        """Probes, metrics, and what is said of oneself; /slipway/say?said=JSON: say so from now on."""
        if self.path == "/metrics":
            self._answer(200, self._metrics(), "text/plain; version=0.0.4")
        elif self.path.startswith("/slipway/say?"):
            Service.said = json.loads(parse_qs(urlsplit(self.path).query)["said"][0])
            self._answer(200, "{}")
        elif self.path == "/slipway/summary":
            self._answer(200, json.dumps(self.said))
        else:
            self._answer(200, "{}")

    def do_POST(self) -> None:
        """Answer; `fail` in the body gives 500, `break` ends the connection."""
        body, began = self.rfile.read(int(self.headers["content-length"])), time.perf_counter()
        if b"break" in body:
            self.close_connection = True
        else:
            code = 500 if b"fail" in body else 200
            with self.lock:
                self.codes[code] += 1
                self.times[bisect_left(EDGES_SECONDS, time.perf_counter() - began)] += 1
            self._answer(code, "{}")

    def _metrics(self) -> str:
        labels = f'model="{self.revision.rpartition("-")[0]}",revision="{self.revision}"'
        with self.lock:
            codes, times = dict(self.codes), dict(self.times)
        lines = [f'slipway_requests_total{{{labels},code="{code}"}} {number}' for code, number in codes.items()]
        within = 0
        for number, edge in enumerate([*EDGES_SECONDS, "+Inf"]):
            within += times.get(number, 0)
            lines.append(f'slipway_request_duration_seconds_bucket{{{labels},le="{edge}"}} {within}')
        return "\n".join(lines) + "\n"

    def _answer(self, status: int, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        head = f"HTTP/1.1 {status} OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        """Say nothing per request."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    Server(("", 3000), Service).serve_forever()
