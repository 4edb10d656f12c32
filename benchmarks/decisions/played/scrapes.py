"""Pods that Prometheus scrapes each at its own time, as the product's adapter reads them.

The adapter is the real one (`PrometheusMetrics`, preset `pods`), over HTTP. What answers it is no Prometheus: it gives
each part of the query what Prometheus would, at the time of the simulated look.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from slipway.adapters.prometheus import freshness
from slipway.adapters.prometheus.metrics import PrometheusMetrics
from slipway.adapters.prometheus.presets import PODS
from slipway.adapters.prometheus.question import PART
from slipway.domain.judge.counters import Counters

OF_REVISION = {"old": 4, "new": 2}
"""Pods."""
PARTS = re.compile(rf'"{PART}", "(\w+) (\w*)"')


class Scrapes:
    """What pods have counted, and what of it Prometheus has seen."""

    def __init__(self, seconds: float, seed: int) -> None:
        """Let each pod be scraped so far apart, at a moment of its own."""
        self._every, self._draw = seconds, np.random.default_rng([seed, 1])
        self._next = {name: self._draw.uniform(0, seconds, pods) for name, pods in OF_REVISION.items()}
        self._true = {name: np.zeros((pods, 2), dtype=np.int64) for name, pods in OF_REVISION.items()}
        self._shown = {name: counted.copy() for name, counted in self._true.items()}
        self.now = 0.0
        self.metrics: PrometheusMetrics | None = None

    def count(self, name: str, began: float, seconds: float, came: tuple[int, int]) -> None:
        """Let so many requests, and failures among them, come to a revision's pods within some seconds."""
        requests, errors = came
        pods, times = self._draw.integers(0, OF_REVISION[name], requests), self._draw.uniform(0, seconds, requests)
        kinds = (np.arange(requests) < errors).astype(np.int64)  # times and pods are drawn for each: any order will do
        before = self._true[name].copy()
        np.add.at(self._true[name], (pods, kinds), 1)
        for pod in range(OF_REVISION[name]):
            while (at := self._next[name][pod]) < began + seconds:
                earlier = (pods == pod) & (times < at - began)
                self._shown[name][pod] = before[pod] + np.bincount(kinds[earlier], minlength=2)
                self._next[name][pod] += self._every

    def counters(self, now: float) -> dict[str, Counters]:
        """Return what the adapter makes of it."""
        if self.metrics is None:
            message = "nobody answers the adapter: use `scraped`"
            raise ValueError(message)
        self.now = now
        return self.metrics.read_counters("m", list(OF_REVISION))

    def answer(self, query: str) -> dict[str, Any]:
        """Return what Prometheus answers to the adapter's query, with the look's time as its own."""
        series = [
            {"metric": {PART: f"{what} {name}", **labels}, "value": [self.now, str(value)]}
            for what, name in PARTS.findall(query)
            for labels, value in self._part(what, name)
        ]
        return {"status": "success", "data": {"resultType": "vector", "result": series}}

    def _part(self, what: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
        match what:
            case "answers":
                for pod, counted in enumerate(self._shown[name]):
                    for code, number in zip(("200", "500"), counted, strict=True):
                        yield {"pod": f"{name}-{pod}", "instance": f"{name}-{pod}", "code": code}, float(number)
            case freshness.NEWEST:
                yield {}, float((self._next[name] - self._every).max())
            case "interval":
                yield {}, self._every


@contextmanager
def scraped(seconds: float, seed: int) -> Iterator[Scrapes]:
    """Let an adapter read pods that are scraped so far apart."""
    scrapes = Scrapes(seconds, seed)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer goes out at once, not its head before its body

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            page = json.dumps(scrapes.answer(form["query"][0])).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
        scrapes.metrics = PrometheusMetrics(
            f"http://127.0.0.1:{server.server_port}",
            "default",
            PODS,
            known=lambda _: list(OF_REVISION),
            pages=lambda *_: [],
            queries=lambda _: None,
        )
        yield scrapes
        server.shutdown()
