"""Starting, finding and answering flow runs through Prefect's own client."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from slipway.errors import NotFound, OrchestratorUnavailable, PermanentError, TransientError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

POLL_SECONDS = 0.5
"""Time between two looks at a run that is waited for."""
MOST_TRIES = 30
"""Half an hour of `reconcile`, each minute one: longer outages are a person's."""


class PrefectOrchestrator:
    """Runs the deployments of prefect.yaml; every flow has one deployment of its own name."""

    def __init__(self, api: str, timeout_seconds: float = 10) -> None:
        """Keep the API's address; nothing is called yet."""
        self._api, self._timeout = api, timeout_seconds

    def submit_run(self, flow: str, parameters: dict[str, Any], idempotency_key: str) -> str:
        """Start a run; the same key gives the run that is there already, unless that one broke.

        Raises PermanentError after `MOST_TRIES` runs that broke: what is asked for can't work as things are.
        """
        with self._open_client(f"deployment {flow}/{flow}") as client:
            deployment = client.read_deployment_by_name(f"{flow}/{flow}")
            for number in range(1, MOST_TRIES + 1):
                key = idempotency_key if number == 1 else f"{idempotency_key}-try-{number}"
                run = client.create_flow_run_from_deployment(deployment.id, parameters=parameters, idempotency_key=key)
                if run.state is None or not (run.state.is_failed() or run.state.is_crashed()):
                    return str(run.id)
        raise PermanentError(
            f"flow {flow}",
            seen=f"{MOST_TRIES} runs of it broke, one after the other",
            expected="a run that ends",
            do=f"fix what Prefect's log of run {run.id} reports, then delete that run",
        )

    def answer_release(self, model: str, *, approve: bool, by: str) -> str:
        """Resume the model's suspended release with a person's answer."""
        from prefect.client.schemas.filters import FlowRunFilter
        from prefect.client.schemas.sorting import FlowRunSort

        with self._open_client(f"the approval of {model}") as client:
            waiting = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PAUSED"]}}})
            runs = client.read_flow_runs(flow_run_filter=waiting, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
            run = _find_waiting(model, runs)
            client.resume_flow_run(run.id, run_input={"approve": approve, "by": by})
        return str(run.id)

    def wait_for_run(self, run_id: str, timeout_seconds: float) -> str:
        """Poll until the run ends; raises TransientError when it has not ended in time."""
        ends = time.monotonic() + timeout_seconds
        with self._open_client(f"flow run {run_id}") as client:
            while True:
                state = client.read_flow_run(UUID(run_id)).state
                if state is not None and (state.is_final() or state.is_paused()):
                    return state.name or state.type.value
                if time.monotonic() > ends:
                    raise TransientError(
                        f"flow run {run_id}",
                        seen=f"{state.name if state else 'no state'} after {timeout_seconds:.0f} s",
                        expected="an end",
                        do="wait longer, or look at it in Prefect's UI",
                    )
                time.sleep(POLL_SECONDS)

    @contextmanager
    def _open_client(self, what: str) -> "Iterator[SyncPrefectClient]":
        from prefect.client.orchestration import SyncPrefectClient
        from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

        try:
            with SyncPrefectClient(self._api, httpx_settings={"timeout": self._timeout}) as client:
                yield client
        except ObjectNotFound as no:
            raise NotFound(
                what,
                seen="Prefect does not know it",
                expected="the deployments of prefect.yaml and a run of them",
                do="run `slipway up`, or `prefect deploy --all` against your server",
            ) from no
        except (httpx.TransportError, PrefectHTTPStatusError) as no:
            raise OrchestratorUnavailable(
                what,
                seen=f"Prefect at {self._api} did not answer as it should ({type(no).__name__})",
                expected="a Prefect server",
                do="run `slipway doctor`; `slipway up` starts the embedded one",
            ) from no


def _find_waiting(model: str, runs: "list[FlowRun]") -> "FlowRun":
    for run in runs:
        if run.parameters.get("model") == model:
            return run
    raise NotFound(
        f"model {model}",
        seen="no release of it waits for an approval",
        expected="a suspended release",
        do=f"run `slipway status {model}`",
    )
