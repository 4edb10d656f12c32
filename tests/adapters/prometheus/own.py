"""A Prometheus of the tests' own, and exporters whose pages tests write: real programs, whose trouble hurts nobody."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from slipway.adapters.local.ports import find_free_port

HOST = "127.0.0.1"
MISSING = "needs the program prometheus on PATH (https://prometheus.io/download)"
Reply = Callable[[BaseHTTPRequestHandler], tuple[int, str, bytes]]


def until(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until something holds; fail where it does not."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"not within {seconds:.0f} s: {what}"
        threading.Event().wait(0.05)


class WebServer:
    """Serves what `reply` gives, on a port of its own."""

    def __init__(self, reply: Reply) -> None:
        """Begin to serve."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = reply(self)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - http.server's own names

            def log_message(self, *_: object) -> None:
                """Say nothing per request."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.address = f"{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more; the port is closed afterwards."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Exporter(WebServer):
    """A scrape target: `page` is what it shows, and `status` what it answers to POST."""

    def __init__(self, page: str = "") -> None:
        """Begin to serve a page of metrics."""
        self.page, self.status = page, 200
        super().__init__(self._reply)

    def _reply(self, request: BaseHTTPRequestHandler) -> tuple[int, str, bytes]:
        status = self.status if request.command == "POST" else 200
        return status, "text/plain; version=0.0.4", self.page.encode()


class Addressed(Protocol):
    """What can be scraped."""

    address: str


class OwnPrometheus:
    """The program, with a folder of its own, scraping these exporters five times a second."""

    def __init__(self, home: Path, exporters: Sequence[Addressed], **scraping: object) -> None:
        """Write its configuration, with more settings of the scrape; nothing runs yet."""
        self._home, self._process = home, None
        self._program = shutil.which("prometheus")
        if self._program is None:
            (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_CLUSTER") else pytest.skip)(MISSING)
        self.port = find_free_port(HOST)
        self.address = f"http://{HOST}:{self.port}"
        config = {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [
                {"job_name": "test", "static_configs": [{"targets": [one.address for one in exporters]}], **scraping},
            ],
        }
        (home / "prometheus.yml").write_text(json.dumps(config))

    def start(self) -> None:
        """Start it, or start it again with its data; return when it answers queries."""
        log = (self._home / "log").open("ab")
        options = (f"--config.file={self._home}/prometheus.yml", f"--storage.tsdb.path={self._home}/data")
        argv = [str(self._program), *options, f"--web.listen-address={HOST}:{self.port}", "--log.level=warn"]
        self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        log.close()
        until(self._ready, "Prometheus is ready")

    def stop(self) -> None:
        """End it, as a machine does that loses power: nothing is written in haste."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def scraped(self, *exporters: Addressed) -> None:
        """Return when the exporters' present pages were read."""
        began = time.time()
        for one in exporters:
            asked = f'timestamp(up{{instance="{one.address}"}}) > {began}'
            until(lambda asked=asked: bool(self.value(asked)), "scraped")

    def value(self, promql: str) -> list[float]:
        """Return an expression's numbers."""
        found = httpx.get(f"{self.address}/api/v1/query", params={"query": promql}).json()
        return [float(one["value"][1]) for one in found["data"]["result"]]

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
