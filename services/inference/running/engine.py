"""Which request runs when: bounded waiting, batches without a timer, and no work past its deadline.

A request that comes while nothing runs is run at once, with whatever else the event loop has read by then. While a run
is under way what comes is gathered, and runs together next. So batches grow with load, and nobody waits for a timer.

A run that is over in a moment is done on the event loop: handing it to another thread and back costs more than it
takes. A longer one is done beside it, so that probes and refusals are answered meanwhile. How long a run takes is
measured as it goes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from time import perf_counter

from services.inference.calls import Outputs
from services.inference.refusals import Draining, ModelFailed, Overloaded, Refused, TooLate
from services.inference.rows import Rows
from services.inference.running.runtime import Feeds, InlineRuntime, Result, Runtime
from services.inference.telling.meter import Meter

INLINE_SECONDS = 0.002
"""Longest run that the event loop does itself: a probe waits no longer for it."""
WAIT_SECONDS = 0.003
"""How long what is accepted may wait while more comes than can be answered, as far as runs of the past tell."""
WAIT_RUNS = 16
"""Or so many runs of one request, where requests run alone: in a queue at 80 % load one in a hundred waits for ten."""
WAIT_BATCHES = 8
"""Or so many, where they run together, which shortens the queue."""
LEAST_WAITING, MOST_WAITING = 6, 1024
"""Bounds of the queue, in requests."""
BURST_SECONDS, BURST_TIMES = 0.05, 4
"""How long it may wait at other times, or so many times as long: clients that come together are no overload."""
CALM_SECONDS = 0.1
"""After so long without a refusal more may wait again."""
BATCH_REQUESTS = 128
"""Most requests of one run; more would make the first wait for the last one's parsing."""
BATCH_ROWS = 4096
"""Most rows of one run, so that its arrays stay small; one request alone may have more."""
WATCH_SECONDS = 0.05
"""How exactly deadlines are kept while a long run is under way."""
ALONE = 16
"""After so many runs of one request alone the next one doesn't wait for the end of the event loop's turn, in which
others might come. The first turn in which another one does come ends that."""
BOUND_RUNS = 8
"""Runs after which the bound of the queue is reckoned anew."""
SMOOTHING = 0.1
"""Weight of a run in how many rows requests have, and in how fast a queue is worked off."""
FALLING, RISING = 0.3, 0.02
"""Weights of a run in what the next is expected to take, where it took less than expected and where it took more: a
machine that is busy with something else for a moment makes runs look slow, and nothing makes them look fast."""
WARM_UPS = 3
"""Runs before the first request. The first of them is the slowest, and tells nothing of the others."""


Tell = Callable[[Outputs | Refused], None]
"""Takes what became of a request; called once, on the event loop."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that is not run yet."""

    feeds: Feeds
    rows: int
    since: float
    deadline: float
    tell: "Tell | None"
    """Takes the result; None: it was told already."""

    def answer(self, result: Outputs | Refused) -> None:
        """Tell the result, once."""
        tell, self.tell = self.tell, None
        if tell is not None:
            tell(result)


class Engine:
    """Runs one model for many requests."""

    def __init__(
        self, runtime: Runtime, *, batchable: bool, meter: Meter, clock: Callable[[], float] = perf_counter
    ) -> None:
        """Run by `runtime`; several requests together only where `batchable`, and say to `meter` what was done."""
        self._runtime = runtime
        self._inline = runtime if isinstance(runtime, InlineRuntime) else None
        self._most = BATCH_REQUESTS if batchable else 1
        self._patience = WAIT_BATCHES if batchable else WAIT_RUNS
        self._meter, self._clock = meter, clock
        self._queue: deque[_Waiting] = deque()
        self._under_way = 0
        self._running: list[_Waiting] = []
        """The batch that is run beside the loop."""
        self._kept: asyncio.AbstractEventLoop | None = None
        self._scheduled = self._watching = False
        self.busy = False
        """A run is under way beside the loop."""
        self._began = 0.0
        """When the last run did."""
        self._alone = 0
        """How many runs in a row had one request alone."""
        self._answered = False
        """A request was run in this turn of the event loop, without waiting for its end."""
        self._expected = _Expected()
        self._settled: float | None = None
        """When a run ended that others already waited for; None: nobody did."""
        self._limit = self._burst = MOST_WAITING
        """How many requests may wait or run while more come than can be answered, and at other times."""
        self._pressed = 0.0
        """Until when more come than can be answered."""
        self._runs = 0
        self.draining = False

    def _reckon(self) -> None:
        """Bound the queue: what is done within the time that one may wait."""
        expected = self._expected
        if not expected.each:
            return
        pace = max(expected.each, expected.pace)
        wait = max(WAIT_SECONDS, self._patience * expected.seconds(round(expected.rows)))
        self._limit = min(MOST_WAITING, max(LEAST_WAITING, int(wait / pace)))
        self._burst = min(MOST_WAITING, max(BURST_TIMES * self._limit, int(BURST_SECONDS / pace)))

    async def start(self, rows: Rows) -> Result:
        """Load the model and run one row, until it is known what a run takes; return the row's last result."""
        await self._runtime.start()
        feeds = self._runtime.feeds(rows)
        for warm in range(WARM_UPS):
            began = self._clock()
            run = None if self._inline is None else self._inline.run([feeds])  # nobody waits for the loop yet
            (result,) = run or await self._runtime.exchange([feeds])
            if isinstance(result, ModelFailed):
                break
            if warm:
                self._expected.saw(1, 1, self._clock() - began)
        self._reckon()
        return result

    async def stop(self) -> None:
        """Let go of the model."""
        await self._runtime.stop()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that runs; kept, as Python 3.11 asks the kernel for our process' number to find it."""
        if self._kept is None or not self._kept.is_running():
            self._kept = asyncio.get_running_loop()
        return self._kept

    def admit(self) -> None:
        """Raise Overloaded, or Draining, where no more may wait: asked before anything of a request is looked at."""
        waiting = len(self._queue) + self._under_way
        if waiting < self._limit:
            return
        now = self._clock()
        stuck = self.busy and now - self._began > BURST_SECONDS
        if stuck or waiting >= self._burst or now < self._pressed:
            self._pressed = now + CALM_SECONDS
            raise self._overloaded()

    def submit(self, rows: Rows, deadline: float, tell: Tell) -> "_Waiting":
        """Run these rows soon; `tell` takes outputs, TooLate or ModelFailed."""
        waiting = _Waiting(self._runtime.feeds(rows), rows.count, self._clock(), deadline, tell)
        if self._answered:
            self._alone = 0  # somebody else came in the same turn
        if self._scheduled or self.busy:
            self._queue.append(waiting)
        elif self._alone < ALONE or deadline <= waiting.since:
            self._queue.append(waiting)
            self._scheduled = True
            self._loop.call_soon(self._next)
        else:
            self._answered = True
            self._loop.call_soon(self._turned)
            self._run([waiting], waiting.rows)
        return waiting

    def _turned(self) -> None:
        """Note that the event loop begins another turn."""
        self._answered = False

    async def predict(self, rows: Rows, deadline: float) -> Outputs:
        """Return the model's outputs for these rows; raise Overloaded, Draining, TooLate or ModelFailed."""
        self.admit()
        came: asyncio.Future[Outputs | Refused] = self._loop.create_future()
        waiting = self.submit(rows, deadline, lambda result: None if came.done() else came.set_result(result))
        try:
            result = await came
        except asyncio.CancelledError:
            waiting.tell = None  # what nobody waits for any more is not run
            raise
        if isinstance(result, Refused):
            raise result
        return result

    def _overloaded(self) -> Overloaded | Draining:
        seen = f"{len(self._queue) + self._under_way} requests wait already"
        if self.draining:
            return Draining(f"this replica is ending and {seen}; ask another one")
        refusal = Overloaded(f"{seen}, which is all that can be answered soon; come again later, or add replicas")
        refusal.retry_after = max(1, ceil(self._expected.each * self._limit))
        return refusal

    def _next(self) -> None:
        """Run what waits, if nothing runs."""
        self._scheduled = False
        if self.busy:
            return
        batch, rows = self._taken()
        if batch:
            self._run(batch, rows)

    def _run(self, batch: list[_Waiting], rows: int) -> None:
        self._under_way = len(batch)
        self._alone = self._alone + 1 if len(batch) == 1 else 0
        self._began = self._clock()
        feeds = [one.feeds for one in batch]
        if self._inline is not None and self._expected.seconds(rows) <= INLINE_SECONDS:
            self._settle(batch, rows, self._inline.run(feeds))
            return
        self.busy, self._running = True, batch
        if not self._watching:
            self._watching = True
            self._loop.call_later(WATCH_SECONDS, self._watch)
        task = self._loop.create_task(self._runtime.exchange(feeds))
        task.add_done_callback(lambda done: self._came(batch, rows, done))

    def _taken(self) -> tuple[list[_Waiting], int]:
        """Take the next batch from the queue, and count its rows; what is late, or unwanted by now, is left out."""
        batch: list[_Waiting] = []
        rows, now = 0, self._clock()
        while self._queue and len(batch) < self._most:
            one = self._queue[0]
            if batch and (rows + one.rows > BATCH_ROWS or one.feeds.keys() != batch[0].feeds.keys()):
                break
            self._queue.popleft()
            if one.tell is None:
                continue
            if one.deadline <= now:
                late = 1000 * (now - one.since)
                one.answer(TooLate(f"the deadline passed while the request waited ({late:.0f} ms)"))
                continue
            rows += one.rows
            batch.append(one)
        return batch, rows

    def _watch(self) -> None:
        """While a long run is under way, tell those whose time is over; nobody else would."""
        if not self.busy:
            self._watching = False
            return
        now = self._clock()
        for one in (*self._running, *self._queue):
            if one.deadline <= now:
                one.answer(TooLate(f"no answer within {1000 * (now - one.since):.0f} ms"))
        self._loop.call_later(WATCH_SECONDS, self._watch)

    def _came(self, batch: list[_Waiting], rows: int, done: "asyncio.Future[list[Result]]") -> None:
        """Hand out what came from beside the loop."""
        self.busy, self._running = False, []
        failed = None if not done.cancelled() else "the run was cancelled"
        if failed is None and done.exception() is not None:
            failed = f"{type(done.exception()).__name__}: {done.exception()}"
        results: Sequence[Result] = [ModelFailed(failed) for _ in batch] if failed is not None else done.result()
        self._settle(batch, rows, results)

    def _settle(self, batch: list[_Waiting], rows: int, results: Sequence[Result]) -> None:
        now = self._clock()
        took = now - self._began
        self._expected.saw(rows, len(batch), took)
        if self._settled is not None:
            self._expected.paced(len(batch), now - self._settled)
        self._settled = now if self._queue else None
        self._under_way = 0
        self._meter.ran(self._began - batch[0].since, rows, took)
        self._runs += 1
        if not self._runs % BOUND_RUNS:
            self._reckon()
        for one, result in zip(batch, results, strict=True):
            one.answer(result)
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._next)


class _Expected:
    """What a run takes, by its rows, as runs of the past tell; doubled rows are told apart.

    >>> expected = _Expected()
    >>> expected.saw(1, 1, 0.001)
    >>> expected.seconds(1), expected.seconds(8)
    (0.001, 0.008)
    """

    def __init__(self) -> None:
        self._by_size: list[float | None] = [None] * 32
        self.each = 0.0
        """Seconds of one request, its share of the runs it had company in."""
        self.rows = 1.0
        """Rows of one request."""
        self.pace = 0.0
        """Seconds from one answer to the next while requests wait: what the event loop does between runs is in it."""

    def seconds(self, rows: int) -> float:
        """Return what a run of so many rows is expected to take; of sizes never seen, in proportion at the most."""
        size = rows.bit_length()
        known = self._by_size[size]
        if known is not None:
            return known
        for smaller in range(size - 1, 0, -1):
            seen = self._by_size[smaller]
            if seen is not None:
                return seen * (1 << (size - smaller))
        return 0.0

    def saw(self, rows: int, requests: int, took: float) -> None:
        """Learn from a run."""
        size = rows.bit_length()
        known = self._by_size[size]
        self._by_size[size] = took if known is None else _nearer(known, took)
        self.rows += SMOOTHING * (rows / requests - self.rows)
        share = took / requests
        self.each = _nearer(self.each, share) if self.each else share

    def paced(self, requests: int, took: float) -> None:
        """Learn from a run that requests waited for, from the end of the one before it."""
        share = took / requests
        known = self.pace or share
        self.pace = known + SMOOTHING * (min(share, 2 * known) - known)  # one stall tells little


def _nearer(expected: float, took: float) -> float:
    """Return what is expected after one more run."""
    return expected + (FALLING if took < expected else RISING) * (took - expected)
