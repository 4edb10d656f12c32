"""Rollback: take back what a person does not want to serve."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from slipway.usecases.roll_back import take_back

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
    return take_back(model, reason)
