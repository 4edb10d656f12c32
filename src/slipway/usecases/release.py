"""A release: one version from the registry to all traffic, or stopped with the reason in a sentence.

The order of the steps is here only, for every way to run them: a `Runner` runs a step in this process or as a task
of an orchestrator.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Protocol, TypeVar

from slipway import wiring
from slipway.domain.release.lifecycle import find_release_state
from slipway.domain.release.record import StageRecord
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.actions import Approval
from slipway.domain.rollout.status import Phase, RolloutStatus
from slipway.errors import GateFailed, LeaseLost, NotFound, PermanentError, SlipwayError
from slipway.usecases.active_release import ActiveRelease, find_release_spec, resume_release
from slipway.usecases.begin import NEWEST, begin_release, clear_previous
from slipway.usecases.leases import keep_lease
from slipway.usecases.record import record_release
from slipway.usecases.roll_out import (
    begin_rollout,
    drive_rollout,
    is_in_gates,
    load_status,
    start_revision,
    stop_release,
)
from slipway.usecases.stages.check_contract import check_contract
from slipway.usecases.stages.convert import convert_model
from slipway.usecases.stages.fetch import fetch_artifacts
from slipway.usecases.stages.optimize import optimize_model
from slipway.usecases.stages.package import build_package
from slipway.usecases.stages.predict import predict_holdout
from slipway.usecases.stages.rehearse import make_promise, rehearse_package
from slipway.usecases.stages.stage import Stage, require_passed
from slipway.usecases.stages.validate_data import validate_data
from slipway.usecases.stages.validate_model import pair_predictions, validate_model

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Future(Protocol[T_co]):
    """The result of a step that runs meanwhile."""

    def result(self) -> T_co:
        """Wait for the step and return its result, or raise its error."""
        ...


class Runner(Protocol):
    """Runs the steps of a release."""

    def run(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step and return its result."""
        ...

    def submit(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin to run a step beside others."""
        ...

    def wait(self, futures: list[Future[Any]]) -> None:
        """Wait until all of these have ended, successfully or not."""
        ...


Answer = Callable[[], Approval | None]
"""Returns a person's answer to a release that is held; None: there is none yet, and the release ends here as held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """What is to be released."""

    model: str
    version: str = NEWEST
    """Version number or alias; `newest` is the one registered last."""
    attempt: int = 0
    """Number of this attempt; 0 continues the latest one."""
    trigger: str
    """What started it; kept in the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEnd:
    """How a release ended."""

    release_id: str
    state: ReleaseState | None
    """RELEASING: it is held and waits for an answer. None: another release or a rollback took the lease over."""
    reason: str


def release_version(request: ReleaseRequest, runner: Runner, answer: Answer) -> ReleaseEnd:
    """Take a version through the gates, the package and the rehearsal, then through shadow and canary to its end.

    A release that was interrupted continues from its status. Raises what ended it unexpectedly: then nothing is
    lost, and `reconcile` resumes it.
    """
    active = runner.run(begin_release, request.model, request.version, request.attempt, request.trigger)
    release = _Release(active=active, runner=runner, answer=answer)
    with keep_lease(active.lease, active.spec.rollout.lease_seconds):
        try:
            runner.run(clear_previous, active)
            if is_in_gates(active):
                release.pass_gates()
            status = release.roll_out()
        except LeaseLost as lost:
            return release.end(None, str(lost))
        except GateFailed as no:
            return release.stop(no)
        except PermanentError as no:
            if is_in_gates(active):  # else it continues from its status: `reconcile` resumes it
                release.stop(no)
            raise
        return release.conclude(status)


def answer_release(model: str, approval: Approval, runner: Runner) -> ReleaseEnd:
    """Continue a release that is held, with a person's answer, to its end or to where it is held again.

    Raises NotFound where no release of the model is held, LeaseHeld where another process drives it.
    """
    status = wiring.get_rollout_store().load(model)
    if status is None or status.phase is not Phase.HELD:
        raise NotFound(
            f"model {model}",
            seen="no release of it waits for an answer",
            expected="a release that is held",
            do=f"run `slipway status {model}`",
        )
    seconds = find_release_spec(model).rollout.lease_seconds
    lease = wiring.get_leases().acquire(model, status.release_id, seconds)
    with keep_lease(lease, seconds):
        active = resume_release(status, lease, "answer")
        release = _Release(active=active, runner=runner, answer=lambda: None)
        try:
            runner.run(drive_rollout, active, status, approval)
            return release.conclude(release.roll_out())
        except LeaseLost as lost:
            return release.end(None, str(lost))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Release:
    """One release under way: how its steps are run, and the stages that have ended."""

    active: ActiveRelease
    runner: Runner
    answer: Answer
    stages: list[StageRecord] = field(default_factory=list)

    def pass_gates(self) -> None:
        """Run every gate, side by side where they allow it; begin the rollout when all have passed."""
        active, spec, run, submit = self.active, self.active.spec, self.runner.run, self.runner.submit
        fetched = self.take(run(fetch_artifacts, active.version, active.champion, spec))
        rows = fetched.rows
        asks = [self.take(run(check_contract, fetched, spec.contract))]
        data = submit(validate_data, rows, spec.data, fetched.signature)
        answers = submit(predict_holdout, fetched.challenger, rows)
        before = submit(predict_holdout, fetched.champion, rows)
        with self.all_done(data, answers, before):
            plain = self.take(run(convert_model, fetched.challenger, fetched.signature, rows, spec.conversion))
            onnx = self.take(run(optimize_model, plain, rows, spec.optimization))
            built = self.take(run(build_package, fetched.challenger, fetched.signature, onnx, spec, rows))
            self.take(data.result())
            compared = pair_predictions(fetched, answers.result(), before.result())
            asks.append(self.take(run(validate_model, compared, rows, spec.quality, spec.contract)))
        warm = submit(start_revision, active, built)  # starting takes as long as the rehearsal; it gets no traffic
        with self.all_done(warm):
            promise = make_promise(active, fetched)
            asks.append(self.take(run(rehearse_package, built, rows, compared.predictions, spec, promise)))
        run(begin_rollout, active, built, needs_approval=any(asks))

    def roll_out(self) -> RolloutStatus:
        """Drive the rollout to its rest; where it is held, ask for a person's answer and continue with it."""
        reason = "the gates are passed; traffic is next"
        begun = self.runner.submit(record_release, self.active, ReleaseState.RELEASING, reason, tuple(self.stages))
        status = load_status(self.active)
        with self.all_done(begun):
            if status.phase.driven:
                status = self.runner.run(drive_rollout, self.active, status)
        if status.phase is not Phase.HELD:
            return status
        self.record(ReleaseState.RELEASING, status.reason, status)
        answer = self.answer()
        status = load_status(self.active)  # the watch may have taken it back meanwhile
        if status.phase is not Phase.HELD or answer is None:
            return status
        self.runner.run(drive_rollout, self.active, status, answer)
        return self.roll_out()

    def conclude(self, status: RolloutStatus) -> ReleaseEnd:
        """Record how it ended."""
        state = find_release_state(status)
        self.record(state, status.reason, status)
        return self.end(state, status.reason)

    def stop(self, no: SlipwayError) -> ReleaseEnd:
        """Record what stopped it before any traffic; the champion serves as before."""
        stop_release(self.active, str(no))
        self.record(ReleaseState.STOPPED, str(no))
        return self.end(ReleaseState.STOPPED, str(no))

    def end(self, state: ReleaseState | None, reason: str) -> ReleaseEnd:
        """Return how this release ended; without a state: another one took the lease over."""
        return ReleaseEnd(release_id=self.active.release_id, state=state, reason=reason)

    def record(self, state: ReleaseState, reason: str, status: RolloutStatus | None = None) -> None:
        """Write the record with the stages so far."""
        self.runner.run(record_release, self.active, state, reason, tuple(self.stages), status)

    def take(self, stage: Stage[T]) -> T:
        """Keep the record of a stage and return its value; raise GateFailed when it did not pass."""
        self.stages.append(stage.record)
        value = require_passed(stage)
        log.info("%s: %s has passed", self.active.release_id, stage.record.name)
        return value

    @contextmanager
    def all_done(self, *futures: Future[Any]) -> Iterator[None]:
        """Wait for what was submitted, whatever happens in the block: nothing runs on after the release."""
        try:
            yield
        finally:
            self.runner.wait(list(futures))
