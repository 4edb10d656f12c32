"""Run a release in this process: in a terminal, a notebook, or under any orchestrator."""

from collections.abc import Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from slipway.usecases.begin import begin_release, clear_previous
from slipway.usecases.record import record_release
from slipway.usecases.release import Future
from slipway.usecases.retrying import retry_transient
from slipway.usecases.stages.fetch import fetch_artifacts
from slipway.usecases.stages.predict import predict_holdout
from slipway.usecases.stages.validate_data import validate_data
from slipway.usecases.stages.validate_model import validate_model

P = ParamSpec("P")
T = TypeVar("T")

SIDE_BY_SIDE = 4
"""Steps that run at once, at most: three gates beside the conversion."""
REPEATABLE: frozenset[Callable[..., Any]] = frozenset(
    {begin_release, clear_previous, fetch_artifacts, predict_holdout, record_release, validate_data, validate_model}
)
"""Steps that may be done twice without harm: they are tried again after a transient error."""


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
        """Run a step and return its result."""
        if step in REPEATABLE:
            return retry_transient(step, *args, **kwargs)
        return step(*args, **kwargs)

    def submit(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin to run a step in a thread."""
        return self._pool.submit(lambda: self.run(step, *args, **kwargs))

    def wait(self, futures: list[Future[Any]]) -> None:
        """Wait until all of these have ended, whatever came of them."""
        wait([one for one in futures if isinstance(one, ThreadFuture)])
