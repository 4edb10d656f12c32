"""What Prometheus reads of this process: requests, their durations, how many are at work, and what serves them.

The page is BentoML's own `/metrics`. Its supervisor names a folder that all its processes write their numbers into
(PROMETHEUS_MULTIPROC_DIR), after this module is imported: prometheus_client must be imported later, when the numbers
begin. Every series is there from the start, so that a rate over a first error is not lost.
"""

import contextlib
import os
from asyncio import CancelledError
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from services.inference.manifest import Manifest

if TYPE_CHECKING:
    from prometheus_client import Counter

_LOWER = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 100, 120, 150, 200, 250, 300)
_UPPER = (400, 500, 600, 700, 800, 1000, 1200, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000, 30000, 60000)
EDGES_SECONDS = tuple(milliseconds / 1000 for milliseconds in (*_LOWER, *_UPPER))
"""The same edges as on one machine, where Envoy measures: a judge compares like with like."""
FROM_THE_START = (200, 500)
"""Statuses whose series are there before the first request."""
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Taken:
    """One request under way; the status is 500 until somebody says better."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        """Expect the worst."""
        self.status = 500


class RequestMetrics:
    """Counts inference requests of one revision; probes and pages are no requests.

    `registry` is its own, not the process' one: a page is made of the files that all processes of a server write.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Begin at zero."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        forget_dead_processes()
        self.registry = registry = CollectorRegistry()
        names = {"model": manifest.model, "revision": manifest.revision}
        self._codes: dict[int, Counter] = {}
        self._names, self._manifest = names, manifest
        self._requests = Counter(
            "slipway_requests", "Answered inference requests.", [*names, "code"], registry=registry
        )
        self._seconds = Histogram(
            "slipway_request_duration_seconds",
            "From a request's arrival to its answer.",
            [*names],
            buckets=EDGES_SECONDS,
            registry=registry,
        ).labels(**names)
        self._in_flight = Gauge(
            "slipway_requests_in_flight",
            "Inference requests that have arrived and are not answered.",
            [*names],
            multiprocess_mode="livesum",
            registry=registry,
        ).labels(**names)
        self._info = Gauge(
            "slipway_model_info",
            "1 for the model that is loaded.",
            [*names, "version", "runtime", "device", "digest"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        for status in FROM_THE_START:
            self._counted(status)

    def loaded(self, device: str) -> None:
        """Say that the model is there, and on what it runs (`cpu`, `cuda`)."""
        manifest = self._manifest
        labels = {"version": manifest.version, "runtime": manifest.runtime, "digest": manifest.digest}
        self._info.labels(**self._names, **labels, device=device).set(1)

    @contextlib.contextmanager
    def request(self) -> Iterator[Taken]:
        """Measure one request; the block sets the status of its answer, or raises."""
        taken = Taken()
        began = perf_counter()
        self._in_flight.inc()
        try:
            yield taken
        except HTTPException as refusal:
            taken.status = refusal.status_code
            raise
        except CancelledError:
            taken.status = 504  # BentoML's time limit: the client is told so
            raise
        finally:
            self._in_flight.dec()
            self._seconds.observe(perf_counter() - began)
            self._counted(taken.status).inc()

    def _counted(self, status: int) -> "Counter":
        """Return a status' series; there are as many as this service has statuses."""
        series = self._codes.get(status)
        if series is None:
            series = self._codes[status] = self._requests.labels(**self._names, code=str(status))
        return series


def forget_dead_processes() -> None:
    """Remove what processes of before had under way: one that was killed could not say that it was over.

    Their counters and histograms stay: those only ever grow.
    """
    folder = os.environ.get(MULTIPROCESS_FOLDER)
    if not folder:
        return
    for path in Path(folder).glob("gauge_live*_*.db"):
        number = path.stem.rpartition("_")[2]
        if number.isdecimal() and not _lives(int(number)):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, so none of ours
        return True
    return True
