"""Watch: bake windows and held rollouts, which no release drives."""

from typing import Annotated

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from slipway.usecases.watch import AT_ONCE, find_watched_models
from tasks.rollouts import watch_model
from tasks.run_logs import show_logs_in_runs

Duration = Annotated[float, Field(gt=0, le=3600)]


@flow(
    name="watch",
    description="End bake windows, take back what fails in them, keep judging what is held.",
    task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE),  # type: ignore[arg-type]  # the runner is generic over futures
)
def watch(duration_seconds: Duration = 50) -> dict[str, str]:
    """Look after every model that bakes or is held, learn from first versions; return what became of each.

    Args:
        duration_seconds: How long this run keeps looking.
    """
    show_logs_in_runs()
    times = find_watched_models(duration_seconds)
    futures = {model: watch_model.submit(model, seconds) for model, seconds in times.items()}
    return {model: future.result() for model, future in futures.items()}
