"""Reconcile: compare what the registry says with what is deployed, and ask for what is missing."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from slipway import wiring
from slipway.domain.pending import attempt_of, interrupted, may_need_a_run, waiting, waits
from slipway.domain.status import RolloutStatus
from slipway.errors import NotFound
from slipway.settings import settings
from slipway.specs import names
from slipway.usecases.submit import submit_release
from tasks.retrying import RETRIED


@task(name="survey", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)
def models_to_reconcile() -> list[str]:
    """Return the models that may need a run: three questions about all of them, however many there are.

    A model counts by its release spec, readable or not: one broken spec does not hide the others.
    """
    models = sorted(set(names(settings().models).values()))
    newest, held = wiring.registry().newest(), wiring.leases().in_force()
    under_way = wiring.rollouts().under_way()
    due = [
        model
        for model in models
        if model in newest and model not in held and may_need_a_run(newest[model], under_way.get(model))
    ]
    get_run_logger().info("%d models, %d to look at: %s", len(models), len(due), ", ".join(due) or "none")
    return due


@task(name="reconcile", task_run_name="reconcile {model}", tags=["slipway"], cache_policy=NO_CACHE, **RETRIED)
def reconcile_model(model: str) -> str:
    """Ask for the release of a version that nobody began, or for the resumption of one that nobody drives."""
    try:
        versions = wiring.registry().versions(model)
    except NotFound:
        return "not registered yet"
    if wiring.leases().current(model) is not None:
        return "a release is under way"
    status = wiring.rollouts().load(model)
    begun = interrupted(versions)
    if begun is not None and not waits(status, begun.version):
        run = submit_release(begun, "schedule", attempt_of(begun), resume=_interruption(status))
        return f"version {begun.version} was left under way: resumed by run {run}"
    new = waiting(versions)
    if new is not None:
        return f"version {new.version} waits: released by run {submit_release(new, 'schedule')}"
    return "nothing to do"


def _interruption(status: RolloutStatus | None) -> str:
    """Name the moment when its driver was last heard of: one new run per interruption."""
    return f"-resume-{status.heartbeat_at:.0f}" if status else "-resume"
