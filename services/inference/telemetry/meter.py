"""Counters of requests and runs: a few additions in shared memory per request. `metrics_page` publishes them."""

import os
from bisect import bisect_left
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.inference.telemetry.shared_counters import FOLDER, SLOT, SharedCounters
from slipway_interface.metrics import EDGES_MILLISECONDS

PROTOCOLS = ("oip", "oip-grpc", "tensorflow", "tensorflow-grpc", "mlflow")
CODES = (200, 400, 404, 405, 408, 413, 415, 429, 499, 500, 503, 504)
"""The statuses that inference requests end with; 499: the client disconnected before its response was written."""
ANSWER_KINDS = {
    "right": (200,),
    "refused": (400, 404, 405, 413, 415),
    "shed": (429, 503),
    "failed": (500, 504),
    "not_the_versions": (408, 499),
}
"""Statuses by what they mean to the client. 503 has the header retry-after."""
EDGES_SECONDS = tuple(milliseconds / 1000 for milliseconds in EDGES_MILLISECONDS)
"""Upper edges of request durations in seconds; Envoy's counts on one machine use the same edges."""
FINE_EDGES_SECONDS = (
    *(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""Edges of durations within a request: waiting, running."""
ROW_EDGES = tuple(float(1 << power) for power in range(13))
"""Edges of the number of rows of one run."""
NATIVE_SCHEMA = 3
"""Buckets of the same durations for Prometheus' native histograms: eight per doubling, 9 % apart."""
NATIVE_LOWEST, _NATIVE_HIGHEST = -136, 48
"""Numbers of the first and last of them: 8 microseconds, 64 seconds."""
NATIVE_EDGES = tuple(2.0 ** (number / 8) for number in range(NATIVE_LOWEST, _NATIVE_HIGHEST + 1))
"""The upper end of each; longer durations count in the last: no client waits so long."""
_HISTOGRAMS = (
    ("seconds", EDGES_SECONDS),
    ("waited", FINE_EDGES_SECONDS),
    ("ran", FINE_EDGES_SECONDS),
    ("rows", ROW_EDGES),
)
_TABLE = len(PROTOCOLS) * len(CODES)
_LENGTHS = [_TABLE, 1, *(len(edges) + 2 for _, edges in _HISTOGRAMS), len(NATIVE_EDGES) + 1, _TABLE, _TABLE]
_STARTS = [0, *accumulate(_LENGTHS)]
_IN_FLIGHT = _STARTS[1]
_SECONDS, _WAITED, _RAN, _BATCH, _NATIVE, _RESCUED, _HELPED = _STARTS[2:9]
_CODE_PLACES = {code: place for place, code in enumerate(CODES)}
_PROTOCOL_PLACES = {name: place * len(CODES) for place, name in enumerate(PROTOCOLS)}


class Histogram:
    """Counts by bucket, and the sum, at the time of reading."""

    def __init__(self, edges: tuple[float, ...], cells: NDArray[np.float64]) -> None:
        """Take the counters of one histogram: a count per edge, one for larger values, the sum."""
        self.edges, self.counts, self.total = edges, cells[:-1], float(cells[-1])


class Meter:
    """Counts inference requests of one revision, not probes and pages."""

    def __init__(self, folder: Path | None = None, slot: str = "0") -> None:
        """Continue this slot's counters; nothing is in flight yet."""
        self._folder = folder
        self._own = SharedCounters(folder, slot, _STARTS[-1])
        self._values = self._own.values
        self._values[_IN_FLIGHT] = 0.0

    @classmethod
    def of_process(cls) -> "Meter":
        """Return this process' meter, in the folder that the server's workers share, if there is one."""
        folder = os.environ.get(FOLDER) or os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        slot = os.environ.get(SLOT) or str(os.getpid())
        return cls(Path(folder) if folder and Path(folder).is_dir() else None, slot)

    def count_arrival(self) -> None:
        """Count a request that has arrived."""
        self._values[_IN_FLIGHT] += 1.0

    def count_response(self, protocol: str, status: int, seconds: float, *, helped: bool = False) -> None:
        """Count its response: the status, and how long it took; separately if it was meant for another revision."""
        values = self._values
        values[_IN_FLIGHT] -= 1.0
        if helped:
            values[_HELPED + _PROTOCOL_PLACES[protocol] + _CODE_PLACES.get(status, _OTHER)] += 1.0
            return
        values[_PROTOCOL_PLACES[protocol] + _CODE_PLACES.get(status, _OTHER)] += 1.0
        values[_SECONDS + bisect_left(EDGES_SECONDS, seconds)] += 1.0
        values[_WAITED - 1] += seconds
        values[_NATIVE + bisect_left(NATIVE_EDGES, seconds)] += 1.0

    def count_rescued(self, protocol: str, status: int) -> None:
        """Count a request that another revision answered, by this revision's own status."""
        self._values[_RESCUED + _PROTOCOL_PLACES[protocol] + _CODE_PLACES.get(status, _OTHER)] += 1.0

    def count_run(self, waited: float, rows: int, seconds: float) -> None:
        """Count one run of the model: how long its first request had waited, its rows, and how long it took."""
        values = self._values
        values[_WAITED + bisect_left(FINE_EDGES_SECONDS, waited)] += 1.0
        values[_RAN - 1] += waited
        values[_RAN + bisect_left(FINE_EDGES_SECONDS, seconds)] += 1.0
        values[_BATCH - 1] += seconds
        values[_BATCH + bisect_left(ROW_EDGES, rows)] += 1.0
        values[_NATIVE - 1] += rows

    def read(self) -> "MeterReading":
        """Return the sums over all workers of this server."""
        return MeterReading(SharedCounters.sum_workers(self._folder, self._own, live=(_IN_FLIGHT,)))


_OTHER = _CODE_PLACES[500]
"""Statuses outside of CODES count as this one: the service failed."""


class MeterReading:
    """All counters at the time of reading."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        """Take all counters."""
        self._values = values

    @property
    def in_flight(self) -> float:
        """Requests that have arrived and are not answered."""
        return float(self._values[_IN_FLIGHT])

    def get_requests(self) -> dict[tuple[str, int], float]:
        """Return answered requests by protocol and status, zeros included."""
        return self._read_table(0)

    def get_rescued(self) -> dict[tuple[str, int], float]:
        """Return requests that another revision answered, by protocol and this revision's own status."""
        return self._read_table(_RESCUED)

    def get_helped(self) -> dict[tuple[str, int], float]:
        """Return requests of another revision that were answered here, by protocol and status."""
        return self._read_table(_HELPED)

    def _read_table(self, start: int) -> dict[tuple[str, int], float]:
        table = self._values[start : start + _TABLE].reshape(len(PROTOCOLS), len(CODES))
        return {
            (protocol, code): float(table[row, column])
            for row, protocol in enumerate(PROTOCOLS)
            for column, code in enumerate(CODES)
        }

    def get_answers(self) -> dict[str, float]:
        """Return answered requests by kind, zeros included."""
        by_code: dict[int, float] = dict.fromkeys(CODES, 0.0)
        for (_, code), count in self.get_requests().items():
            by_code[code] += count
        return {kind: sum(by_code[code] for code in codes) for kind, codes in ANSWER_KINDS.items()}

    def get_native_buckets(self) -> NDArray[np.int64]:
        """Return requests by native bucket, from NATIVE_LOWEST on."""
        counts = self._values[_NATIVE:_RESCUED].astype(np.int64)
        counts[-2] += counts[-1]
        return counts[:-1]

    def get_histogram(self, name: str) -> Histogram:
        """Return `seconds` (a request), `waited`, `ran` (a run) or `rows` (of a run)."""
        place = [one for one, _ in _HISTOGRAMS].index(name)
        start = _STARTS[2 + place]
        return Histogram(_HISTOGRAMS[place][1], self._values[start : _STARTS[3 + place]])
