"""Rollback of a version at a person's request."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from tasks.rollouts import take_back
from tasks.run_logs import show_logs_in_runs

Model = Annotated[str, Field(min_length=1)]
Reason = Annotated[str, Field(min_length=3)]


@flow(
    name="rollback",
    flow_run_name="rollback {model}",
    description="Take back the version that is being released or bakes; else bring back the one that served before.",
    validate_parameters=True,
)
def rollback(model: Model, reason: Reason) -> str:
    """Return what was done, in words.

    Args:
        model: Name of the model.
        reason: Why; kept in the record.
    """
    show_logs_in_runs()
    return take_back(model, reason)
