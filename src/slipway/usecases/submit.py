"""Ask the orchestrator for a run: what the webhook, the command line and `reconcile` share."""

from slipway import wiring
from slipway.domain.release.record import make_idempotency_key
from slipway.domain.release.version import ModelVersion
from slipway.settings import settings
from slipway.specs import find_spec


def submit_release(version: ModelVersion, trigger: str, attempt: int | None = None, resume: str = "") -> str:
    """Start the release of one version and return the flow run's id; a second call starts no second run.

    `attempt` None means the latest one (or the first). `resume` names the interruption after which a new run
    continues: a run that died keeps its key. Raises NotFound for a model without a release spec, or without the
    deployment; OrchestratorUnavailable.
    """
    find_spec(settings().models, version.model)
    number = attempt or max(1, version.attempt)
    parameters = {"model": version.model, "version": str(version.version), "attempt": number, "trigger": trigger}
    return wiring.get_orchestrator().submit_run("release", parameters, make_idempotency_key(version, number) + resume)


def submit_rollback(model: str, reason: str, key: str) -> str:
    """Ask for a rollback of what serves, or of what is under way; return the flow run's id."""
    return wiring.get_orchestrator().submit_run(
        "rollback", {"model": model, "reason": reason}, f"rollback-{model}-{key}"
    )
