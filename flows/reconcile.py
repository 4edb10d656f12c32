"""Reconcile: releases that the webhook missed, and those that a crash interrupted."""

from prefect import flow

from tasks.rollouts import reconcile_model, survey
from tasks.run_logs import show_logs_in_runs


@flow(
    name="reconcile",
    description="Start releases that no event started, resume rollouts without a driver.",
)
def reconcile() -> dict[str, str]:
    """Compare registry and target for every model with a release spec; return what was done where something was due."""
    show_logs_in_runs()
    futures = {model: reconcile_model.submit(model) for model in survey()}
    return {model: future.result() for model, future in futures.items()}
