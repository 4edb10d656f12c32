"""Waiting for a flow run, with a line for every change of its rollout, and the exit code of its end."""

import time
from dataclasses import dataclass

import typer

from slipway import wiring
from slipway.cli import output
from slipway.cli.exit_codes import ExitCode
from slipway.domain.release.record import ReleaseRecord
from slipway.domain.release.version import ReleaseState
from slipway.errors import NotFound, OrchestratorUnavailable, TransientError

LOOK_SECONDS = 1.0
"""Seconds between two reads of the rollout while waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that was requested."""

    model: str
    version: int
    release_id: str
    run_id: str


def follow_release(release: Release, timeout_seconds: float, *, as_json: bool) -> None:
    """Wait for a release and exit with the code of its end. Raises TransientError if it takes too long."""
    state = _wait_for_end(release.run_id, release.model, timeout_seconds, quiet=as_json)
    record = _find_record(release.release_id)
    if record is None or record.state is ReleaseState.RELEASING:
        conclude_nothing(release, state, record.reason if record else "no record was written", as_json=as_json)
    else:
        conclude_release(record, as_json=as_json)


def follow_rollback(model: str, run_id: str, timeout_seconds: float, *, as_json: bool) -> None:
    """Wait for a rollback and exit: OK if its run completed."""
    state = _wait_for_end(run_id, model, timeout_seconds, quiet=as_json)
    status = wiring.get_rollout_store().load(model)
    reason = status.reason if status else ""
    if as_json:
        output.print_json({"model": model, "run_id": run_id, "state": state, "reason": reason})
    else:
        output.print_line(f"{model}: {state.lower()}; {reason}")
    if state != "Completed":
        raise typer.Exit(ExitCode.PROBLEM)


def _wait_for_end(run_id: str, model: str, timeout_seconds: float, *, quiet: bool) -> str:
    ends = time.monotonic() + timeout_seconds
    tell = output.make_change_printer((lambda _line: None) if quiet else output.print_line)
    while True:
        left = ends - time.monotonic()
        try:
            return wiring.get_orchestrator().wait_for_run(run_id, min(LOOK_SECONDS, max(left, 0)))
        except OrchestratorUnavailable:
            raise
        except TransientError:
            if left <= 0:
                raise
        tell(_describe_progress(model))


def _describe_progress(model: str) -> str:
    status = wiring.get_rollout_store().load(model)
    if status is None:
        return f"{model}: waiting for a worker"
    return f"{status.release_id}: {status.phase.value}, {status.weight_percent} %: {status.reason}"


def _find_record(release_id: str) -> ReleaseRecord | None:
    try:
        return wiring.get_ledger().read(release_id)
    except NotFound:
        return None


def conclude_release(record: ReleaseRecord, *, as_json: bool) -> None:
    """Print how a release ended, and exit with REFUSED if it was not promoted."""
    if as_json:
        facts = ("release_id", "model", "version", "state", "reason", "replaced", "started_at", "ended_at")
        output.print_json({name: getattr(record, name) for name in facts})
    else:
        output.print_line(f"{record.release_id}: {record.state.value}: {record.reason}")
        output.print_line(f"`slipway report {record.model} {record.version}` shows why")
    if record.state is not ReleaseState.PROMOTED:
        raise typer.Exit(ExitCode.REFUSED)


def conclude_nothing(release: Release, state: str, reason: str, *, as_json: bool) -> None:
    """Print how a run ended without a decision: it waits for a person or for data, or it failed."""
    waits = state in {"Suspended", "Paused"}
    if as_json:
        facts = {"release_id": release.release_id, "run_id": release.run_id, "state": state, "reason": reason}
        output.print_json(facts | {"waits": waits})
    elif waits:
        output.print_line(f"{release.release_id} waits: {reason}; answer with `slipway approve {release.model}`")
    else:
        output.print_line(f"{release.release_id}: flow run {release.run_id} ended as {state}: {reason}")
        output.print_line("`reconcile` takes it up where it stopped; Prefect's UI shows the run's log")
    raise typer.Exit(ExitCode.WAITING if waits else ExitCode.PROBLEM)
