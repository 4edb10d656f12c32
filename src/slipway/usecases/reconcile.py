"""Reconcile: compare the registry with what is deployed, and start the runs that are missing."""

import logging

from slipway import wiring
from slipway.domain.release.lifecycle import find_due_release, may_need_run
from slipway.domain.rollout.status import RolloutStatus
from slipway.errors import NotFound
from slipway.settings import settings
from slipway.specs import read_names
from slipway.usecases.retrying import idempotent
from slipway.usecases.submit import submit_release

log = logging.getLogger(__name__)


@idempotent
def find_models_to_reconcile() -> list[str]:
    """Return the models that may need a run: three requests for all of them, however many there are.

    A model counts by its release spec, readable or not: one broken spec does not hide the others.
    """
    models = sorted(set(read_names(settings().models).values()))
    newest, held = wiring.get_registry().list_newest_versions(), wiring.get_held_leases().list_in_force()
    under_way = wiring.get_rollout_store().list_under_way()
    due = [
        model
        for model in models
        if model in newest and model not in held and may_need_run(newest[model], under_way.get(model))
    ]
    log.info("%d models, %d to look at: %s", len(models), len(due), ", ".join(due) or "none")
    return due


@idempotent
def reconcile_model(model: str) -> str:
    """Ask for the release of a version that was never begun, or for the resumption of one that was interrupted."""
    try:
        versions = wiring.get_registry().list_versions(model)
    except NotFound:
        return "not registered yet"
    if wiring.get_held_leases().find_lease(model) is not None:
        return "a release is under way"
    status = wiring.get_rollout_store().load(model)
    due = find_due_release(versions, status)
    if due is None:
        return "nothing to do"
    number = due.version.version
    if due.interrupted:
        run = submit_release(due.version, "schedule", due.version.attempt, resume=_name_interruption(status))
        return f"version {number} was left under way: resumed by run {run}"
    return f"version {number} waits: released by run {submit_release(due.version, 'schedule')}"


def _name_interruption(status: RolloutStatus | None) -> str:
    """Return a suffix for the run's key: the last heartbeat, so that every interruption starts one new run."""
    return f"-resume-{status.heartbeat_at:.0f}" if status else "-resume"
