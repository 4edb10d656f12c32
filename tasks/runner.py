"""Runs the steps of a release as Prefect tasks: each is visible in Prefect's UI with its state, logs and retries."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prefect.futures import PrefectFuture, wait
from prefect.tasks import Task

from slipway.usecases.release import Future
from tasks import gates, rollouts

P = ParamSpec("P")
T = TypeVar("T")

TASKS: dict[Callable[..., Any], Task[..., Any]] = {
    one.fn: one for module in (gates, rollouts) for one in vars(module).values() if isinstance(one, Task)
}
"""Tasks by the step that each runs."""


class TaskRunner:
    """Implements `Runner` within a flow run."""

    def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step as a task and return its result."""
        return cast("T", TASKS[step](*args, **kwargs))

    def submit(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a step as a task of the flow's task runner."""
        return TASKS[step].submit(*args, **kwargs)

    def wait(self, futures: list[Future[Any]]) -> None:
        """Wait until all of these have ended, successfully or not."""
        wait([one for one in futures if isinstance(one, PrefectFuture)])
