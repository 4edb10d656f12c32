"""One child process that runs a model through MLflow, and the pipes to it."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from services.inference.refusals import ModelFailed
from services.inference.runtime.pipe_frames import HEADER, pack_frame

STOP_SECONDS = 10
"""How long the child may take to end after its pipe is closed."""


class PyfuncProcess:
    """A process with the model, one request in it at a time; one that died is started again by the next request."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None = None) -> None:
        """Remember what to load, and what to add to the environment."""
        self._path, self._more = path, environment or {}
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process's id; None: it was not started, or was let go."""
        return None if self._process is None else self._process.pid

    @property
    def busy(self) -> bool:
        """A request is in it."""
        return self._turn.locked()

    async def start(self) -> None:
        """Start it and wait until it has loaded the model; raise ModelFailed."""
        async with self._turn:
            await self._get_started()

    async def predict(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to packed columns; raise ModelFailed where there is none."""
        async with self._turn:
            process = await self._get_started()
            return await self._exchange(process, {"columns": columns})

    async def stop(self) -> None:
        """Close its pipe after the request in flight; kill it when it does not end."""
        async with self._turn:
            await self._end()

    async def _get_started(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        command = (sys.executable, "-m", "services.inference.runtime.pyfunc_worker", str(self._path))
        root = Path(__file__).parents[3]  # the folder that holds `services`
        environment = os.environ | self._more
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, cwd=root, env=environment
        )
        greeting = await self._exchange(self._process, None)
        if "error" in greeting:
            await self._end()
            raise ModelFailed(greeting["error"])
        return self._process

    async def _exchange(self, process: Process, message: dict[str, Any] | None) -> dict[str, Any]:
        """Send a message (or none) and return the next answer. Cancelled half-way, the child is of no use any more."""
        if process.stdin is None or process.stdout is None:
            message_ = "the model's process has no pipes"
            raise ModelFailed(message_)
        try:
            if message is not None:
                process.stdin.write(pack_frame(message))
                await process.stdin.drain()
            header = await process.stdout.readexactly(HEADER.size)
            answer: dict[str, Any] = orjson.loads(await process.stdout.readexactly(HEADER.unpack(header)[0]))
        except (OSError, asyncio.IncompleteReadError) as error:
            await self._end()
            died = f"the model's process ended with code {process.returncode}; see the service's log"
            raise ModelFailed(died) from error
        except asyncio.CancelledError:
            process.kill()
            raise
        return answer

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
