"""Release: one version, from the registry to all traffic, or stopped with a sentence that says why."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.flow_runs import suspend_flow_run
from prefect.futures import PrefectFuture, wait
from prefect.input import RunInput
from prefect.states import Completed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from slipway.domain.model import ReleaseState
from slipway.domain.moving import Approval
from slipway.domain.release import StageRecord
from slipway.domain.status import Phase, RolloutStatus
from slipway.errors import GateFailed, LeaseLost, PermanentError, SlipwayError
from slipway.usecases.active_release import Opened
from slipway.usecases.begin import NEWEST, begin, clear_up
from slipway.usecases.leases import keeping
from slipway.usecases.record import record, state_of
from slipway.usecases.roll_out import drive_rollout, in_gates, start_rollout, status_of, stop_rollout, warm_up
from slipway.usecases.stages.check_contract import check_contract
from slipway.usecases.stages.convert import convert
from slipway.usecases.stages.fetch import fetch
from slipway.usecases.stages.optimize import optimize
from slipway.usecases.stages.package import package
from slipway.usecases.stages.predict import predict
from slipway.usecases.stages.rehearse import promise_of, rehearse
from slipway.usecases.stages.stage import Stage, require
from slipway.usecases.stages.validate_data import validate_data
from slipway.usecases.stages.validate_model import compare, validate_model

T = TypeVar("T")


class PromotionApproval(RunInput):
    """The answer that a held release waits for."""

    approve: bool = Field(default=True, description="Yes: all traffic goes to the new version. No: it is taken back.")
    by: str = Field(default="somebody in Prefect's UI", description="Who says so; kept in the record.")


Model = Annotated[str, Field(min_length=1)]
Attempt = Annotated[int, Field(ge=0)]


@flow(
    name="release",
    flow_run_name="release {model} {version}",
    description="Take one model version to production traffic, or stop it and say why.",
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]  # the runner is generic over futures
    persist_result=True,
    validate_parameters=True,
)
def release(model: Model, version: str = NEWEST, attempt: Attempt = 0, trigger: str = "prefect ui") -> State[Any]:
    """Gates, package, rehearsal; shadow, canary, promotion or rollback; record.

    Args:
        model: Name of the registered model; it needs a release spec.
        version: Version number or alias; `newest` is the one registered last.
        attempt: Number of this attempt; 0 goes on with the latest one.
        trigger: What asked for this release; kept in the record.
    """
    opened = begin(model, version, attempt, trigger)
    stages: list[StageRecord] = []
    with keeping(opened.lease, opened.spec.rollout.lease_seconds):
        try:
            clear_up(opened)
            if in_gates(opened):
                pass_gates(opened, stages)
            status = roll_out(opened, stages)
        except LeaseLost as lost:
            return Completed(name="TakenOver", message=str(lost))
        except GateFailed as no:
            return stop(opened, no, stages)
        except PermanentError as no:
            if in_gates(opened):  # else it goes on from its status: `reconcile` takes it up
                stop(opened, no, stages)
            raise
        return conclude(opened, status, stages)


def pass_gates(opened: Opened, stages: list[StageRecord]) -> None:
    """Run every gate, side by side where they allow it; begin the rollout when all said yes."""
    fetched = take(fetch(opened.version, opened.champion, opened.spec), stages)
    spec, rows = opened.spec, fetched.rows
    asks = [take(check_contract(fetched, spec.contract), stages)]
    data = validate_data.submit(rows, spec.data, fetched.signature)
    answers, before = predict.submit(fetched.challenger, rows), predict.submit(fetched.champion, rows)
    with all_done(data, answers, before):
        plain = take(convert(fetched.challenger, fetched.signature, rows, spec.conversion), stages)
        onnx = take(optimize(plain, rows, spec.optimization), stages)
        built = take(package(fetched.challenger, fetched.signature, onnx, spec, rows), stages)
        take(data.result(), stages)
        compared = compare(fetched, answers.result(), before.result())
        asks.append(take(validate_model(compared, rows, spec.quality, spec.contract), stages))
    warm = warm_up.submit(opened, built)  # its imports take as long as the rehearsal's; it gets no traffic
    with all_done(warm):
        asks.append(take(rehearse(built, rows, compared.predictions, spec, promise_of(opened, fetched)), stages))
    start_rollout(opened, built, needs_approval=any(asks))


def roll_out(opened: Opened, stages: list[StageRecord]) -> RolloutStatus:
    """Drive the rollout until it is at rest; where it is held, suspend this run until a person answers."""
    begun = record.submit(opened, ReleaseState.RELEASING, "the gates are passed; traffic is next", tuple(stages))
    status = status_of(opened)
    with all_done(begun):
        if status.phase.driven:
            status = drive_rollout(opened, status)
    if status.phase is not Phase.HELD:
        return status
    record(opened, ReleaseState.RELEASING, status.reason, tuple(stages), status)
    answer = suspend_flow_run(wait_for_input=PromotionApproval)
    return answered(opened, answer, stages)


def answered(opened: Opened, answer: PromotionApproval | None, stages: list[StageRecord]) -> RolloutStatus:
    """Go on with a person's answer, unless the watch took the rollout back meanwhile."""
    status = status_of(opened)
    if status.phase is Phase.HELD and answer is not None:
        drive_rollout(opened, status, Approval(by=answer.by, approve=answer.approve))
        return roll_out(opened, stages)
    return status


def conclude(opened: Opened, status: RolloutStatus, stages: list[StageRecord]) -> State[Any]:
    """Write down how it ended and show it as the run's state."""
    state = state_of(status)
    record(opened, state, status.reason, tuple(stages), status)
    return Completed(name=state.value.capitalize(), message=status.reason)


def stop(opened: Opened, no: SlipwayError, stages: list[StageRecord]) -> State[Any]:
    """Write down what stopped it before any traffic; the champion serves as before."""
    stop_rollout(opened, str(no))
    record(opened, ReleaseState.STOPPED, str(no), tuple(stages))
    return Completed(name="Stopped", message=str(no))


def take(stage: Stage[T], stages: list[StageRecord]) -> T:
    """Note a finished stage and return its value; raise GateFailed when it said no."""
    stages.append(stage.record)
    return require(stage)


@contextmanager
def all_done(*futures: PrefectFuture[Any]) -> Iterator[None]:
    """Wait for what was submitted, whatever happens in the block: nothing runs on after the flow."""
    try:
        yield
    finally:
        wait(list(futures))
