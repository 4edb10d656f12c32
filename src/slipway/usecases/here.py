"""Run a release in this process: in a terminal, a notebook, or under any orchestrator."""

from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from slipway.usecases.release import Future
from slipway.usecases.retrying import is_idempotent, retry_transient

P = ParamSpec("P")
T = TypeVar("T")

SIDE_BY_SIDE = 4
"""Steps that run at once, at most: three gates beside the conversion."""


class ThreadRunner:
    """Runs steps in this process, those that are submitted in threads. A context manager: it ends its threads."""

    def __enter__(self) -> Self:
        """Start no thread yet."""
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="release")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Wait for what runs still."""
        self._pool.shutdown()

    def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step and return its result; idempotent ones are retried after transient errors."""
        if is_idempotent(step):
            return retry_transient(step, *args, **kwargs)
        return step(*args, **kwargs)

    def submit(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin to run a step in a thread."""
        return self._pool.submit(lambda: self.run(step, *args, **kwargs))

    def wait(self, futures: list[Future[Any]]) -> None:
        """Wait until all of these have ended, successfully or not."""
        wait([one for one in futures if isinstance(one, ThreadFuture)])
