"""Reconcile: what the webhook lost, and what a crash left behind."""

from prefect import flow

from slipway.usecases.reconcile import models_to_reconcile, reconcile_model


@flow(
    name="reconcile",
    description="Start releases that no event started, resume rollouts that nobody drives.",
)
def reconcile() -> dict[str, str]:
    """Compare registry and target for every model with a release spec; return what was done where something was due."""
    futures = {model: reconcile_model.submit(model) for model in models_to_reconcile()}
    return {model: future.result() for model, future in futures.items()}
