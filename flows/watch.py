"""Watch: bake windows and held rollouts, which no release drives."""

from typing import Annotated

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from tasks.watching import models_to_watch, watch_model

Duration = Annotated[float, Field(gt=0, le=3600)]


@flow(
    name="watch",
    description="End bake windows, take back what fails in them, keep judging what is held.",
    task_runner=ThreadPoolTaskRunner(max_workers=16),  # type: ignore[arg-type]  # the runner is generic over futures
)
def watch(duration_seconds: Duration = 50) -> dict[str, str]:
    """Look after every model that bakes or is held; return what became of each.

    Args:
        duration_seconds: How long this run keeps looking.
    """
    futures = {model: watch_model.submit(model, duration_seconds) for model in models_to_watch()}
    return {model: future.result() for model, future in futures.items()}
