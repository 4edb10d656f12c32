"""The release flow: one version, from the registry to all traffic, or stopped with a sentence on the reason.

The story itself is `slipway.usecases.release`. Here each of its steps is a task, and a release that is held suspends
its flow run until a person answers.
"""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from slipway.domain.rollout.actions import Approval
from slipway.usecases.begin import NEWEST
from slipway.usecases.release import ReleaseRequest, release_version
from tasks.run_logs import show_logs_in_runs
from tasks.runner import TaskRunner


class PromotionApproval(RunInput):
    """The answer that a held release waits for."""

    approve: bool = Field(default=True, description="Yes: all traffic goes to the new version. No: it is taken back.")
    by: str = Field(default="someone in Prefect's UI", description="Who approves or rejects; kept in the record.")


Model = Annotated[str, Field(min_length=1)]
Attempt = Annotated[int, Field(ge=0)]


@flow(
    name="release",
    flow_run_name="release {model} {version}",
    description="Take one model version to production traffic, or stop it and report why.",
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]  # the runner is generic over futures
    persist_result=True,
    validate_parameters=True,
)
def release(model: Model, version: str = NEWEST, attempt: Attempt = 0, trigger: str = "prefect ui") -> State[Any]:
    """Gates, package, rehearsal; shadow, canary, promotion or rollback; record.

    Args:
        model: Name of the registered model; it needs a release spec.
        version: Version number or alias; `newest` is the one registered last.
        attempt: Number of this attempt; 0 continues the latest one.
        trigger: What started this release; kept in the record.
    """
    show_logs_in_runs()
    request = ReleaseRequest(model=model, version=version, attempt=attempt, trigger=trigger)
    end = release_version(request, TaskRunner(), wait_for_answer)
    name = "TakenOver" if end.state is None else end.state.value.capitalize()
    return Completed(name=name, message=end.reason)


def wait_for_answer() -> Approval | None:
    """Suspend this flow run until a person answers. It then starts again and continues from its status."""
    answer = suspend_flow_run(wait_for_input=PromotionApproval)
    return None if answer is None else Approval(by=answer.by, approve=answer.approve)
