"""Models without ONNX: run by MLflow in a child process, so that nothing they do blocks or ends the service."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from services.inference.manifest import Manifest
from services.inference.refusals import ModelFailed
from services.inference.rows import Rows
from services.inference.running.frames import HEADER, pack, pack_array, unpack_array
from services.inference.running.runtime import Feeds, Result, unwritable

STOP_SECONDS = 10
"""How long the child may take to end after its pipe is closed."""


class PyfuncRuntime:
    """One child process, one request in it at a time; a child that died is started again by the next request."""

    def __init__(self, manifest: Manifest, path: Path) -> None:
        """Remember what to load."""
        self._manifest, self._path = manifest, path
        self._turn = asyncio.Lock()
        self._child: Process | None = None

    @property
    def child_pid(self) -> int | None:
        """The child's process id; None: it was not started, or was let go."""
        return None if self._child is None else self._child.pid

    @property
    def device(self) -> str:
        """Not known: the model's own framework chooses."""
        return "unknown"

    @property
    def lanes(self) -> int:
        """One process, one lane."""
        return 1

    def grow(self) -> None:
        """Nothing: there is one process."""

    async def start(self) -> None:
        """Start the child and wait until it has loaded the model; raise ModelFailed."""
        async with self._turn:
            await self._ensure_child()

    def feeds(self, rows: Rows) -> Feeds:
        """Return arrays by column; one named "" is the whole input of a model that takes a tensor."""
        columns = self._manifest.columns
        tensor = len(columns) == 1 and len(columns[0].shape) > 1
        if rows.matrix is None:
            return {"": rows.columns[columns[0].name]} if tensor else rows.columns
        matrix = rows.matrix
        if tensor:
            return {"": matrix.reshape(-1, *columns[0].shape[1:]).astype(columns[0].kind, copy=False)}
        return {column.name: matrix[:, place].astype(column.kind, copy=False) for place, column in enumerate(columns)}

    async def exchange(self, requests: Sequence[Feeds]) -> list[Result]:
        """Have the child run the requests, one after another."""
        return [await self._asked(feeds) for feeds in requests]

    async def _asked(self, feeds: Feeds) -> Result:
        columns = {name: pack_array(values) for name, values in feeds.items()}
        try:
            async with self._turn:
                child = await self._ensure_child()
                answer = await self._exchange(child, {"columns": columns})
        except ModelFailed as failed:
            return failed
        if "error" in answer:
            return ModelFailed(answer["error"])
        outputs = {"prediction": unpack_array(answer["prediction"])}
        return unwritable(outputs, len(next(iter(feeds.values())))) or outputs

    async def stop(self) -> None:
        """Close the child's pipe after the request in flight; kill it when it does not end."""
        async with self._turn:
            await self._end_child()

    async def _ensure_child(self) -> Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        command = (sys.executable, "-m", "services.inference.running.pyfunc_worker", str(self._path))
        root = Path(__file__).parents[3]  # the folder that holds `services`
        self._child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=root)
        greeting = await self._exchange(self._child, None)
        if "error" in greeting:
            await self._end_child()
            raise ModelFailed(greeting["error"])
        return self._child

    async def _exchange(self, child: Process, message: dict[str, Any] | None) -> dict[str, Any]:
        """Send a message (or none) and return the next answer. Cancelled half-way, the child is of no use any more."""
        if child.stdin is None or child.stdout is None:
            message_ = "the model's process has no pipes"
            raise ModelFailed(message_)
        try:
            if message is not None:
                child.stdin.write(pack(message))
                await child.stdin.drain()
            header = await child.stdout.readexactly(HEADER.size)
            answer: dict[str, Any] = orjson.loads(await child.stdout.readexactly(HEADER.unpack(header)[0]))
        except (OSError, asyncio.IncompleteReadError) as error:
            await self._end_child()
            died = f"the model's process ended with code {child.returncode}; see the service's log"
            raise ModelFailed(died) from error
        except asyncio.CancelledError:
            child.kill()
            raise
        return answer

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), STOP_SECONDS)
        except TimeoutError:
            child.kill()
            await child.wait()
