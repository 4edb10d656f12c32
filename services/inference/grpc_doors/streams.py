"""A stream of inference requests: several are under way at a time, and answered in the order in which they came."""

import asyncio

from grpc import aio  # type: ignore[import-untyped]

from services.inference.grpc_doors.asking import Asking, Context, deadline_of
from services.inference.grpc_doors.open_inference import OpenInference
from services.inference.refusals import Draining, Refused

AHEAD = 8
"""Requests of one stream that are read before the first of them is answered: they may make a batch."""

Answers = asyncio.Queue["asyncio.Task[bytes] | None"]


class Streams:
    """The streams of one server, which end with it."""

    def __init__(self, asking: Asking, door: OpenInference) -> None:
        """Begin with none."""
        self._asking, self._door = asking, door
        self._reading: set[asyncio.Task[None]] = set()
        self._ended = False

    def end(self) -> None:
        """Read no more; what was read is answered, and then each stream ends."""
        self._ended = True
        for task in self._reading:
            task.cancel()

    async def answer(self, _: object, context: Context) -> None:
        """Answer the requests of a stream; a refusal is an answer, and the stream goes on."""
        self._asking.begin(context)
        answers: Answers = asyncio.Queue()
        room = asyncio.Semaphore(AHEAD)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._read(context, tasks, answers, room))
            self._reading.add(reading)
            reading.add_done_callback(self._reading.discard)
            while (task := await answers.get()) is not None:
                await context.write(await task)
                room.release()
        if self._ended:
            self._asking.refuse(context, Draining("this replica is ending; begin another stream, at another one"))

    async def _read(
        self, context: Context, tasks: asyncio.TaskGroup, answers: Answers, room: asyncio.Semaphore
    ) -> None:
        """Begin what comes, while there is room: a client that does not take its answers is not read from either."""
        try:
            while not self._ended:
                await room.acquire()
                body = await context.read()
                if body is aio.EOF:
                    return
                answers.put_nowait(tasks.create_task(self._one(body, context)))
        finally:
            answers.put_nowait(None)

    async def _one(self, body: bytes, context: Context) -> bytes:
        try:
            return await self._asking.infer(self._door.streamed, body, deadline_of(context), {})
        except Refused as refusal:
            return self._door.refused(body, refusal)
