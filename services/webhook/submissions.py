"""Requesting a release within a time budget: MLflow gets its answer in time, the request may continue after it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from services.webhook.events import Created
from slipway.domain.release.version import ModelVersion
from slipway.errors import NotFound, PermanentError, TransientError

log = logging.getLogger("slipway.webhook")

BUDGET_SECONDS = 0.8
"""Seconds that the registry and the orchestrator may take, of the one second in which MLflow is answered."""
WORKERS, WAITING_LIMIT = 4, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a delivery: the answer to MLflow, and the log's words."""

    status: int
    state: str
    reason: str = ""
    run_id: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the same delivery is accepted again."""
        return self.status >= 400  # noqa: PLR2004 - HTTP's own border


class Submissions:
    """Looks versions up and submits them, on threads of its own."""

    def __init__(self, submit: Callable[[ModelVersion], str], lookup: Callable[[str, str], ModelVersion]) -> None:
        """Store the two functions, which may block."""
        self._submit, self._lookup = submit, lookup
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="submit")
        self._waiting = 0

    async def run(self, created: Created, late: Callable[[Result], object]) -> Result:
        """Return the outcome if it is there within the budget; else 202, and `late` is called with the outcome later.

        `late` is called on a worker's thread. With too many in progress the answer is 503 at once.
        """
        if self._waiting >= WAITING_LIMIT:
            return Result(status=503, state="busy", reason=f"{WAITING_LIMIT} deliveries are under way")
        self._waiting += 1
        loop, future = asyncio.get_running_loop(), self._pool.submit(self._outcome, created)
        future.add_done_callback(lambda _: _tell(loop, self._done))
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), BUDGET_SECONDS)
        except TimeoutError:
            future.add_done_callback(lambda done: late(_late(done)))
            return Result(status=202, state="accepted", reason=f"not done within {BUDGET_SECONDS:g} s; it goes on")

    def close(self) -> None:
        """Accept no more; drop those that wait (`reconcile` finds them); running ones have their own time limits."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self) -> None:
        self._waiting -= 1

    def _outcome(self, created: Created) -> Result:
        try:
            run_id = self._submit(self._lookup(created.model, created.version))
        except NotFound as error:
            return Result(status=200, state="ignored", reason=str(error))
        except PermanentError as error:
            return Result(status=422, state="refused", reason=str(error))
        except TransientError as error:
            return Result(status=503, state="unavailable", reason=str(error))
        except Exception as error:  # a delivery must not be lost by a defect of ours: MLflow retries after a 503
            log.exception("a submission failed in an unexpected way")
            return Result(status=503, state="failed", reason=f"unexpected {type(error).__name__}; see the log")
        return Result(status=202, state="submitted", run_id=run_id)


def _late(future: Future[Result]) -> Result:
    if future.cancelled():
        return Result(status=503, state="dropped", reason="the receiver was stopped; `reconcile` finds the version")
    return future.result()


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
