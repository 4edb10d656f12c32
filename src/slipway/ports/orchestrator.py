"""Starting flow runs, from outside of them: the webhook, the command line, `reconcile`."""

from typing import Any, Protocol


class Orchestrator(Protocol):
    """Runs deployments. Raises OrchestratorUnavailable, and NotFound for a deployment that was not deployed."""

    def submit_run(self, flow: str, parameters: dict[str, Any], idempotency_key: str) -> str:
        """Start `release`, `rollback`, ...; the same key starts nothing new, unless its run broke. Return its id."""
        ...

    def answer_release(self, model: str, *, approve: bool, by: str) -> str:
        """Answer the model's suspended release; return its run's id, raise NotFound when none waits."""
        ...

    def wait_for_run(self, run_id: str, timeout_seconds: float) -> str:
        """Wait until a run ends and return the name of its state (`Completed`, `Failed`, ...)."""
        ...
