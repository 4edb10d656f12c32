"""Which request runs when: bounded waiting, batches without a timer, and no work past its deadline.

If nothing is running, a request is run at once, together with others that the event loop has read by then. Requests
that arrive during a run are collected and run together next. So batches grow with load, without a timer.

A short run is done on the event loop, because handing it to another thread and back costs more than the run. A longer
one is done in a thread or process, so that probes and refusals are answered meanwhile. Run times are measured all the
time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from math import ceil, inf
from time import perf_counter

from services.inference.refusals import Draining, ModelFailed, Overloaded, TooLate
from services.inference.rows import Rows
from services.inference.runtime.admission import Admission
from services.inference.runtime.model_runtime import InlineRuntime, ModelRuntime, Result
from services.inference.runtime.queued_request import Deliver, QueuedRequest, RunningBatch
from services.inference.runtime.run_times import RunTimes
from services.inference.runtime.warmup import WarmupDetector
from services.inference.telemetry.meter import Meter

INLINE_SECONDS = 0.002
"""Longest run on the event loop: a probe waits no longer than that."""
BATCH_REQUESTS = 128
"""Most requests of one run: with more, the first would wait while the last one is parsed."""
BATCH_ROWS = 4096
"""Most rows of one run, so that its arrays stay small; a single request may have more."""
WATCH_SECONDS = 0.05
"""How often deadlines are checked during a long run."""
SINGLE_RUNS = 16
"""After so many runs of a single request the next one is run at once, not at the end of the event loop's iteration, in
which others might arrive. The first iteration in which another request does arrive ends that."""
BOUND_RUNS = 8
"""Runs after which the bound of the queue is computed again."""
SCALE_UP_SECONDS = 1.0
"""If requests waited at the end of every run for so long, the runtime is asked for more concurrency."""
WARM_SECONDS, WARM_RUNS, WARM_TIMES = 1.0, 30, 1.5
"""Before the first request the model is run until two consecutive runs took about as long (one at most WARM_TIMES the
other), for at most WARM_SECONDS and WARM_RUNS. The first run is the slowest, and is not representative."""


class Engine:
    """Runs one model for many requests."""

    def __init__(
        self,
        runtime: ModelRuntime,
        *,
        batchable: bool,
        meter: Meter,
        objective: float = inf,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """Run requests with `runtime`, several together only if `batchable`; `meter` counts the runs.

        `objective`: seconds within which every response must be given; requests that can't be are refused.
        """
        self._runtime = runtime
        self._inline = runtime if isinstance(runtime, InlineRuntime) else None
        self._most = BATCH_REQUESTS if batchable else 1
        self._meter, self._clock = meter, clock
        self._queue: deque[QueuedRequest] = deque()
        self._under_way = 0
        """Requests that are being run."""
        self._background: list[RunningBatch] = []
        self._full = False
        """The runtime can't start another run now."""
        self._cached_loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = self._watching = False
        self._single_runs = 0
        """How many consecutive runs had a single request."""
        self._ran_this_turn = False
        """A request was run at once in this iteration of the event loop."""
        self._run_times = RunTimes()
        self._admission = Admission(self._run_times, together=batchable, objective=objective)
        self._queued_run_end: float | None = None
        """When the last run ended, if requests waited then; else None."""
        self._queued_since: float | None = None
        """Since when requests waited at the end of every run; None: none waited at the last one."""
        self._runs = 0
        self._warmup = WarmupDetector()
        self._started = clock()
        self.draining = False

    @property
    def busy(self) -> bool:
        """Whether a run is in progress in the background."""
        return bool(self._background)

    async def start(self, rows: Rows) -> Result:
        """Load the model and run one row until run times settle; return the row's last result."""
        await self._runtime.start()
        feeds = self._runtime.make_feeds(rows)
        start, before = self._clock(), 0.0
        for _ in range(WARM_RUNS):
            began = self._clock()
            run = None if self._inline is None else self._inline.run([feeds])  # nothing else needs the loop yet
            (result,) = run or await self._runtime.run_in_background([feeds])
            now = self._clock()
            if isinstance(result, ModelFailed):
                break
            took = now - began
            if before:
                self._run_times.record_run(1, 1, took)
            if before and (max(took, before) <= WARM_TIMES * min(took, before) or now - start >= WARM_SECONDS):
                break
            before = took
        self._admission.update_bound()
        self._started = self._clock()
        return result

    @property
    def warm(self) -> bool:
        """Whether run times have settled."""
        return self._warmup.warm

    @property
    def seconds_up(self) -> float:
        """How long the engine has been ready, in seconds."""
        return self._clock() - self._started

    async def stop(self) -> None:
        """Release the model."""
        await self._runtime.stop()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The running event loop; cached, because Python 3.11 calls the kernel (getpid) to find it."""
        if self._cached_loop is None or not self._cached_loop.is_running():
            self._cached_loop = asyncio.get_running_loop()
        return self._cached_loop

    def admit(self, deadline: float = inf) -> None:
        """Raise Overloaded, or Draining, if a request can't be answered by its deadline, or during overload.

        Called before a body is parsed, so that refusals are cheap.
        """
        waiting = len(self._queue) + self._under_way
        if not waiting:
            return
        now = self._clock()
        refusal = self._admission.explain_refusal(
            waiting, now, deadline - now, self._get_overdue_seconds(now) if self._full else 0.0
        )
        if refusal is not None:
            raise self._make_refusal(refusal, waiting)

    def _get_overdue_seconds(self, now: float) -> float:
        """Return by how much the current runs exceed their expected time: the least of them."""
        late = min(now - run.began - self._run_times.predict_seconds(run.rows) for run in self._background)
        return max(0.0, late)

    def submit(self, rows: Rows, deadline: float, deliver: Deliver) -> QueuedRequest:
        """Queue these rows to be run; `deliver` gets outputs, TooLate or ModelFailed."""
        waiting = QueuedRequest(self._runtime.make_feeds(rows), rows.count, self._clock(), deadline, deliver)
        if self._ran_this_turn:
            self._single_runs = 0  # another request arrived in the same iteration
        if self._scheduled or self._full:
            self._queue.append(waiting)
        elif self._single_runs < SINGLE_RUNS or deadline <= waiting.since:
            self._queue.append(waiting)
            self._scheduled = True
            self._loop.call_soon(self._run_queued)
        else:
            self._ran_this_turn = True
            self._loop.call_soon(self._begin_turn)
            self._run([waiting], waiting.rows)
        return waiting

    def _begin_turn(self) -> None:
        """Note that the event loop starts another iteration."""
        self._ran_this_turn = False

    def _make_refusal(self, seen: str, waiting: int) -> Overloaded | Draining:
        if self.draining:
            return Draining(f"this replica is ending and {seen}; ask another one")
        refusal = Overloaded(f"{seen}; try again later, or add replicas")
        refusal.retry_after = max(1, ceil(self._admission.estimate_wait(waiting)))
        return refusal

    def _run_queued(self) -> None:
        """Run queued requests, as far as the runtime can."""
        self._scheduled = False
        while not self._full and not self._scheduled:
            batch, rows = self._take_batch()
            if not batch:
                return
            self._run(batch, rows)

    def _run(self, batch: list[QueuedRequest], rows: int) -> None:
        self._under_way += len(batch)
        self._single_runs = self._single_runs + 1 if len(batch) == 1 else 0
        began = self._clock()
        feeds = [one.feeds for one in batch]
        if self._inline is not None and self._run_times.predict_seconds(rows) <= INLINE_SECONDS:
            self._finish_run(batch, rows, began, self._inline.run(feeds))
            return
        run = RunningBatch(batch, rows, began)
        self._background.append(run)
        self._full = len(self._background) >= self._runtime.concurrency
        if not self._watching:
            self._watching = True
            self._loop.call_later(WATCH_SECONDS, self._expire_late)
        task = self._loop.create_task(self._runtime.run_in_background(feeds))
        task.add_done_callback(lambda done: self._finish_background_run(run, done))

    def _take_batch(self) -> tuple[list[QueuedRequest], int]:
        """Take the next batch from the queue and count its rows, without late and abandoned requests."""
        batch: list[QueuedRequest] = []
        rows, now = 0, self._clock()
        while self._queue and len(batch) < self._most:
            one = self._queue[0]
            if batch and (rows + one.rows > BATCH_ROWS or one.feeds.keys() != batch[0].feeds.keys()):
                break
            self._queue.popleft()
            if one.deliver is None:
                continue
            if one.deadline <= now:
                late = 1000 * (now - one.since)
                one.finish(TooLate(f"the deadline passed while the request waited ({late:.0f} ms)"))
                continue
            rows += one.rows
            batch.append(one)
        return batch, rows

    def _expire_late(self) -> None:
        """During a long run, answer the requests whose deadline has passed."""
        if not self.busy:
            self._watching = False
            return
        now = self._clock()
        running = [one for run in self._background for one in run.batch]
        for one in (*running, *self._queue):
            if one.deadline <= now:
                one.finish(TooLate(f"no answer within {1000 * (now - one.since):.0f} ms"))
        self._loop.call_later(WATCH_SECONDS, self._expire_late)

    def _finish_background_run(self, run: RunningBatch, done: "asyncio.Future[list[Result]]") -> None:
        """Deliver the results of a background run."""
        self._background.remove(run)
        self._full = len(self._background) >= self._runtime.concurrency
        failed = None if not done.cancelled() else "the run was cancelled"
        if failed is None and done.exception() is not None:
            failed = f"{type(done.exception()).__name__}: {done.exception()}"
        results: Sequence[Result] = [ModelFailed(failed) for _ in run.batch] if failed is not None else done.result()
        self._finish_run(run.batch, run.rows, run.began, results)

    def _finish_run(self, batch: list[QueuedRequest], rows: int, began: float, results: Sequence[Result]) -> None:
        now = self._clock()
        took = now - began
        self._run_times.record_run(rows, len(batch), took)
        if self._queued_run_end is not None:
            self._run_times.record_pace(len(batch), now - self._queued_run_end)
        queued = len(self._queue)
        self._queued_run_end = now if queued else None
        self._under_way -= len(batch)
        self._admission.record_run_end(queued, now)
        self._scale_up_if_queued(queued, now)
        self._meter.count_run(began - batch[0].since, rows, took)
        if not self._warmup.warm:
            self._warmup.record_run(took / rows)
        self._runs += 1
        if not self._runs % BOUND_RUNS:
            self._run_times.concurrency = self._runtime.concurrency
            self._admission.update_bound()
        for one, result in zip(batch, results, strict=True):
            one.finish(result)
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run_queued)

    def _scale_up_if_queued(self, queued: int, now: float) -> None:
        """Ask the runtime for more concurrency if requests have waited for a while."""
        if not queued:
            self._queued_since = None
        elif self._queued_since is None:
            self._queued_since = now
        elif now - self._queued_since >= SCALE_UP_SECONDS:
            self._queued_since = now
            self._runtime.scale_up()
