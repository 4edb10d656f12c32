"""Which failures of a task are retried: only those that may disappear by themselves."""

from typing import Any, TypedDict

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from slipway.errors import TransientError
from slipway.usecases.retrying import JITTER, PAUSES_SECONDS


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
"""For tasks that are idempotent."""
