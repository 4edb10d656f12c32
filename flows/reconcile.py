"""Reconcile: what the webhook lost, and what a crash left behind."""

from prefect import flow

from tasks.reconciling import reconcile_model, released_models


@flow(
    name="reconcile",
    description="Start releases that no event started, resume rollouts that nobody drives.",
)
def reconcile() -> dict[str, str]:
    """Compare registry and target for every model with a release spec; return what was done for each."""
    futures = {model: reconcile_model.submit(model) for model in released_models()}
    return {model: future.result() for model, future in futures.items()}
