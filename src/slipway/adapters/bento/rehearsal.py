"""A package tested as a real process, before any traffic: with recorded rows, and with the champion's requests."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
from numpy.typing import NDArray

from slipway.adapters.bento.leftovers import end_leftovers
from slipway.adapters.bento.payloads import make_payloads, read_prediction, stack_predictions
from slipway.adapters.bento.process import PortTaken, ServiceProcess, run_package
from slipway.adapters.bento.replaying.asking import open_clients, replay_requests
from slipway.adapters.bento.replaying.live import replay_live
from slipway.adapters.bento.replaying.samples import make_samples
from slipway.artifacts.rows import read_rows, read_table
from slipway.domain.gates.contract.replay import ReplayResult
from slipway.domain.release.version import revision_name
from slipway.domain.rollout.revision import Package
from slipway.domain.spec.release import RehearsalSpec
from slipway.errors import RevisionFailed
from slipway.ports.rehearsal import Promise, Rehearsed

if TYPE_CHECKING:  # pandas takes a second to import: read_rows imports it if there are rows
    import pandas as pd

ATTEMPTS = 3
"""Ports tried: between choosing one and binding it, another process may take it."""
REQUEST_SECONDS = 30.0
"""The service's own limit of one request."""
MEMORY_EVERY = 20
"""Requests between two reads of memory: a read costs as much as a request."""


class ProcessRehearsal:
    """Runs packages on this machine, on a loopback port."""

    def __init__(self, logs: Path) -> None:
        """Write each rehearsal's log under `logs`."""
        self._logs = logs

    def rehearse(
        self,
        package: Package,
        rows: Path,
        columns: tuple[str, ...],
        spec: RehearsalSpec,
        promise: Promise | None = None,
    ) -> Rehearsed:
        """Start the package, send `spec.requests` rows one by one (again from the first when they end), stop it.

        With a promise the champion's package is started too, afterwards, and both get requests made from its signature.
        Raises RevisionFailed: not ready in time, or a row it does not answer. DataBroken: rows that can't be read.
        """
        frame = read_rows(rows, columns)
        end_leftovers(self._logs)
        with ExitStack() as stopped, self._start_ready(package, spec.ready_timeout_seconds) as (service, ready_seconds):
            seen = _Client(service).send_rows(frame, spec.requests, ready_seconds)
            if promise is None:
                return seen
            return replace(seen, replayed=self._replay_requests(promise, service, rows, spec, stopped))

    def _replay_requests(
        self, promise: Promise, challenger: ServiceProcess, rows: Path, spec: RehearsalSpec, stopped: ExitStack
    ) -> ReplayResult:
        """Send both the requests of the champion's clients; a champion that can't be started is no failure.

        `stopped` ends when both services have ended: then their messages about recorded requests are cut off their
        logs.
        """
        if not promise.package.path.is_dir():
            return ReplayResult(skipped="nothing was replayed: the champion's package is not on this machine")
        asked = make_samples(read_table(rows), promise.signature, promise.columns)
        try:
            with (
                self._start_ready(promise.package, spec.ready_timeout_seconds) as (champion, _),
                open_clients(champion) as before,
                open_clients(challenger) as after,
            ):
                made = replay_requests(before, after, asked)
                for log in (champion.log, challenger.log):
                    stopped.callback(os.truncate, log, log.stat().st_size)
                live = replay_live(before, after, promise.recorded, asked[0])
                return replace(made, exchanges=(*made.exchanges, *live.exchanges), unrecorded=live.unrecorded)
        except (RevisionFailed, OSError) as error:
            return ReplayResult(skipped=f"nothing was replayed: the champion can't be tried here ({error})")

    @contextmanager
    def _start_ready(self, package: Package, seconds: float) -> Iterator[tuple[ServiceProcess, float]]:
        """Start a package on a free port and wait until it is ready; yield the service and the seconds it took."""
        log = self._logs / f"{package.tag.replace(':', '-')}.log"
        with ExitStack() as stack:
            for _ in range(ATTEMPTS):
                with ExitStack() as attempt:
                    service = attempt.enter_context(run_package(package, log))
                    began = time.monotonic()
                    try:
                        service.wait_ready(seconds)
                    except PortTaken:
                        continue
                    took = time.monotonic() - began
                    stack.push(attempt.pop_all())
                    break
            else:
                raise _make_no_port_error(package)
            yield service, took


def _make_no_port_error(package: Package) -> RevisionFailed:
    return RevisionFailed(
        f"revision {revision_name(package.model, package.version)}",
        seen=f"{ATTEMPTS} ports in a row taken by others",
        expected="a free port on the loopback address",
        do="release again; see which processes listen with `ss -lntp`",
    )


class _Client:
    """Sends rows to a service that is ready."""

    def __init__(self, service: ServiceProcess) -> None:
        self._service = service
        self._peak = 0.0

    def send_rows(self, frame: "pd.DataFrame", requests: int, ready_seconds: float) -> Rehearsed:
        path = f"/v2/models/{self._service.package.model}/versions/{self._service.package.version}"
        predictions: list[NDArray[np.generic]] = []
        latencies = np.empty(requests)
        with httpx.Client(base_url=self._service.url, timeout=REQUEST_SECONDS) as client:
            bodies = make_payloads(frame, client.get(path).raise_for_status().json())
            for number in range(requests):
                row = number % len(bodies)
                began = time.perf_counter()
                answer = self._send_row(client, f"{path}/infer", bodies[row], row)
                latencies[number] = (time.perf_counter() - began) * 1000
                predictions.append(read_prediction(answer.json()))
                if number % MEMORY_EVERY == 0:
                    self._look_at_memory()
        self._look_at_memory()
        return Rehearsed(
            predictions=stack_predictions(predictions),
            latencies_milliseconds=latencies,
            memory_mebibytes=self._peak,
            ready_seconds=ready_seconds,
        )

    def _send_row(self, client: httpx.Client, path: str, body: bytes, row: int) -> httpx.Response:
        try:
            answer = client.post(path, content=body, headers={"content-type": "application/json"})
        except httpx.TransportError as error:
            seen = f"no answer ({type(error).__name__}); last lines: {self._service.read_last_lines()}"
            raise self._make_failed_error(row, seen) from error
        if not answer.is_success:
            raise self._make_failed_error(row, f"answered {answer.status_code}: {answer.text[:500]}")
        return answer

    def _make_failed_error(self, row: int, seen: str) -> RevisionFailed:
        return RevisionFailed(
            f"revision {self._service.name}, row {row + 1}",
            seen=seen,
            expected="a prediction for every row",
            do="fix the model so that it takes this row, and register a new version",
        )

    def _look_at_memory(self) -> None:
        self._peak = max(self._peak, self._service.measure_memory_mebibytes())
