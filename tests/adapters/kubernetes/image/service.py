"""A small real service in a pod: the paths that a packaged model has, without a model.

It is named by its pod (`digits-v1-6c9f-x2x` serves digits-v1) and behaves as its model's name says: `crash` ends with
code 3 at once, `late` is never ready. It ends, or takes all memory, when it is asked to; `sample` has it record one.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = socket.gethostname().rsplit("-", 2)[0]
MODEL = REVISION.rpartition("-")[0]
PORT = 3000
METRICS = '# TYPE slipway_requests_in_flight gauge\nslipway_requests_in_flight{{revision="{revision}"}} {count}\n'


class Service(BaseHTTPRequestHandler):
    """Answers probes, echoes inference requests, says how many are under way."""

    protocol_version = "HTTP/1.1"
    under_way = 0
    counting = threading.Lock()

    def do_GET(self) -> None:
        """Probes, the gauge, and pages of its own."""
        if self.path == "/v2/health/ready":
            self._answer(503 if MODEL == "late" else 200, {})
        elif self.path == "/livez":
            self._answer(200, {})
        elif self.path == "/metrics":
            self._send(200, METRICS.format(revision=REVISION, count=Service.under_way), "text/plain; version=0.0.4")
        elif self.path == "/slipway/summary":
            self._answer(200, {"scores": None, "classes": {REVISION: 1}, "inputs": {}})
        elif self.path == "/slipway/text":
            self._send(200, "no JSON", "text/plain")
        else:
            self._answer(404, {"error": self.path})

    def do_POST(self) -> None:
        """Echo; `wait 0.5` in the body takes so many seconds, `end` ends the process, `hog` takes all memory."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with self.counting:
            Service.under_way += 1
        word, _, seconds = body.partition(" ")
        if word == "end":
            print("asked to end", flush=True)  # noqa: T201 - the last line of the log
            os._exit(3)
        if word == "sample":
            line = {"logger": "slipway.inference.samples", "time": "2026-01-01T00:00:00Z"}
            print(json.dumps(line | {"inputs": {"x": [seconds] * 9000}}), flush=True)  # noqa: T201 - as services do
        if word == "hog":
            taken = []
            while True:
                taken.append(b"x" * 2**24)
        time.sleep(float(seconds) if word == "wait" else 0)
        with self.counting:
            Service.under_way -= 1
        compare = self.headers.get("x-slipway-compare")
        self._answer(200, {"revision": REVISION, "path": self.path, "compare": compare, "arguments": sys.argv[1:]})

    def _answer(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value), "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        body = text.encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        self.wfile.write(f"{head}x-slipway-revision: {REVISION}\r\n\r\n".encode() + body)

    def log_message(self, *_: object) -> None:
        """Say nothing per request."""


class Server(ThreadingHTTPServer):
    """On SIGTERM it ends what it is at work on."""

    daemon_threads = False
    request_queue_size = 512


def main() -> None:
    """Serve until SIGTERM."""
    if MODEL == "crash":
        print("the model file is broken", flush=True)  # noqa: T201 - the last line of the log
        sys.exit(3)
    server = Server(("", PORT), Service)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    while Service.under_way:
        time.sleep(0.01)
    os._exit(0)  # idle keep-alive connections hold threads; their requests were answered


if __name__ == "__main__":
    main()
