"""A release in this process, without Prefect: `slipway release --here` and `slipway approve --here`."""

import logging
from collections.abc import Callable

import typer

from slipway import wiring
from slipway.cli import output
from slipway.cli.exit_codes import ExitCode
from slipway.cli.following import conclude_release
from slipway.domain.release.version import ReleaseState
from slipway.domain.rollout.actions import Approval
from slipway.usecases.here import ThreadRunner
from slipway.usecases.release import ReleaseEnd, ReleaseRequest, Runner, answer_release, release_version


def release_here(request: ReleaseRequest, *, as_json: bool) -> None:
    """Run a release to its end, with a line for every step, and exit with the code of its end."""
    _run_and_conclude(
        request.model, lambda runner: release_version(request, runner, answer=lambda: None), as_json=as_json
    )


def approve_here(model: str, approval: Approval, *, as_json: bool) -> None:
    """Answer a release that is held, and run it to its end in this process."""
    _run_and_conclude(model, lambda runner: answer_release(model, approval, runner), as_json=as_json)


def _run_and_conclude(model: str, work: Callable[[Runner], ReleaseEnd], *, as_json: bool) -> None:
    if not as_json:
        _show_steps()
    with ThreadRunner() as runner:
        end = work(runner)
    if end.state in {None, ReleaseState.RELEASING}:
        _conclude_open(model, end, as_json=as_json)
    else:
        conclude_release(wiring.get_ledger().read(end.release_id), as_json=as_json)


def _show_steps() -> None:
    """Show what the use cases log."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    steps = logging.getLogger("slipway.usecases")
    steps.addHandler(handler)
    steps.setLevel(logging.INFO)


def _conclude_open(model: str, end: ReleaseEnd, *, as_json: bool) -> None:
    """Report a release that was not decided here: it is held, or another process drives it."""
    waits = end.state is ReleaseState.RELEASING
    if as_json:
        output.print_json({"release_id": end.release_id, "reason": end.reason, "waits": waits})
    elif waits:
        output.print_line(f"{end.release_id} waits: {end.reason}; answer with `slipway approve {model} --here`")
    else:
        output.print_line(f"{end.release_id} is driven by another process now: {end.reason}")
    raise typer.Exit(ExitCode.WAITING if waits else ExitCode.PROBLEM)
