"""Models that are not ONNX: run by MLflow in child processes, so that they can't block or end the service."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from services.inference.manifest import Manifest
from services.inference.refusals import ModelFailed
from services.inference.rows import Rows
from services.inference.runtime.memory import read_available_bytes, read_resident_bytes
from services.inference.runtime.model_runtime import Feeds, Result, find_unwritable
from services.inference.runtime.pipe_frames import pack_array, unpack_array
from services.inference.runtime.pyfunc_child import PyfuncProcess
from slipway_interface.logs import LOGGER

SPARE = 1.25
"""Free memory that another process needs, as a multiple of what the first one has."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For each further process, because the first one uses threads for all cores already."""

log = logging.getLogger(LOGGER)


class PyfuncRuntime:
    """Child processes, one request in each at a time; more while requests wait, if cores and memory allow."""

    def __init__(
        self, manifest: Manifest, path: Path, processes: int = 1, available: Callable[[], int] = read_available_bytes
    ) -> None:
        """Remember the model, the most processes, and how to read the free memory in bytes."""
        self._manifest, self._path, self._most, self._available = manifest, path, max(1, processes), available
        self._children = [PyfuncProcess(path)]
        self._growing: asyncio.Task[None] | None = None

    @property
    def child_pids(self) -> list[int]:
        """The process ids of those that run."""
        return [child.pid for child in self._children if child.pid is not None]

    @property
    def device(self) -> str:
        """Not known: the model's own framework chooses."""
        return "unknown"

    @property
    def concurrency(self) -> int:
        """The processes that have loaded the model."""
        return len(self._children)

    async def start(self) -> None:
        """Start the first process and wait until it has loaded the model; raise ModelFailed."""
        await self._children[0].start()

    def scale_up(self) -> None:
        """Begin to start another process, if the limit and free memory allow one."""
        if self.concurrency >= self._most or (self._growing is not None and not self._growing.done()):
            return
        needed = int(SPARE * max(map(read_resident_bytes, self.child_pids), default=0))
        free = self._available()
        if needed > free:
            log.warning("requests wait, and memory for another process is missing: %d bytes of %d", free, needed)
            self._most = self.concurrency
            return
        self._growing = asyncio.get_running_loop().create_task(self._add_process())

    async def _add_process(self) -> None:
        child = PyfuncProcess(self._path, ONE_THREAD)
        try:
            await child.start()
        except ModelFailed as failed:
            log.warning("requests wait, and another process can't load the model: %s", failed)
            self._most = self.concurrency
            return
        except asyncio.CancelledError:
            await child.stop()
            raise
        self._children.append(child)
        log.info("requests wait: %d processes run the model now", self.concurrency)

    def make_feeds(self, rows: Rows) -> Feeds:
        """Return arrays by column; one named "" is the whole input of a model that takes a tensor."""
        columns = self._manifest.columns
        tensor = len(columns) == 1 and len(columns[0].shape) > 1
        if rows.matrix is None:
            return {"": rows.columns[columns[0].name]} if tensor else rows.columns
        matrix = rows.matrix
        if tensor:
            return {"": matrix.reshape(-1, *columns[0].shape[1:]).astype(columns[0].kind, copy=False)}
        return {column.name: matrix[:, place].astype(column.kind, copy=False) for place, column in enumerate(columns)}

    async def run_in_background(self, requests: Sequence[Feeds]) -> list[Result]:
        """Run the requests in one process, one after another."""
        return [await self._predict(feeds) for feeds in requests]

    async def _predict(self, feeds: Feeds) -> Result:
        columns = {name: pack_array(values) for name, values in feeds.items()}
        child = next((one for one in self._children if not one.busy), self._children[0])
        try:
            answer = await child.predict(columns)
        except ModelFailed as failed:
            self._replace(child)
            return failed
        if "error" in answer:
            return ModelFailed(answer["error"])
        outputs = {"prediction": unpack_array(answer["prediction"])}
        return find_unwritable(outputs, len(next(iter(feeds.values())))) or outputs

    def _replace(self, child: PyfuncProcess) -> None:
        """Replace a process that died: the only one with the next request, one of several at once."""
        if self.concurrency > 1 and child in self._children:
            self._children.remove(child)
            self.scale_up()

    async def stop(self) -> None:
        """End all processes after the requests in flight."""
        if self._growing is not None:
            self._growing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._growing
        await asyncio.gather(*(child.stop() for child in self._children))
