"""Steps of use cases as Prefect tasks; which of their failures Prefect retries."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypedDict, TypeVar

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from slipway.errors import TransientError
from slipway.usecases.retrying import JITTER, PAUSES_SECONDS, is_idempotent

P = ParamSpec("P")
T = TypeVar("T")


class Retried(TypedDict):
    """The arguments of `@task` on retries."""

    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Any


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a failed task may succeed if it is retried."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


RETRIED = Retried(
    retries=len(PAUSES_SECONDS),
    retry_delay_seconds=list(PAUSES_SECONDS),
    retry_jitter_factor=JITTER,
    retry_condition_fn=is_transient,
)
"""For idempotent steps: transient errors may disappear by themselves."""


def make_task(
    step: Callable[P, T],
    name: str,
    *tags: str,
    **options: Any,  # noqa: ANN401 - Prefect's own
) -> Task[P, T]:
    """Return the task that runs a step, tagged `slipway`; if the step is idempotent, transient errors are retried."""
    if is_idempotent(step):
        options |= RETRIED
    return task(name=name, tags=["slipway", *tags], **options)(step)
