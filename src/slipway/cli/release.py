"""`slipway release`, `rollback` and `approve`: the same flows that the webhook and the schedule start."""

from typing import TYPE_CHECKING, Annotated

import typer

from slipway.cli import output
from slipway.cli.completing import Model

if TYPE_CHECKING:
    from slipway.domain.release.version import ModelVersion

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end and exit with its code.")]
Timeout = Annotated[float, typer.Option("--timeout-seconds", min=1, help="How long to wait.")]
Here = Annotated[
    bool, typer.Option("--here", help="Run it in this process, without Prefect; ctrl-C leaves it to `reconcile`.")
]

TRIGGER = "command line"
SHORTEST_REASON = 3
"""Characters; the rollback flow refuses shorter ones."""


def release(  # noqa: PLR0913 - one parameter per option
    model: Model,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="Which version; the newest without.")] = None,
    alias: Annotated[str | None, typer.Option(help="The version that this alias points at.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Release a version that was released before.")] = False,
    here: Here = False,
    wait: Wait = True,
    timeout_seconds: Timeout = 7200,
    as_json: output.AsJson = False,
) -> None:
    """Take a version to production traffic, or stop it and report why."""
    from slipway.cli.following import Release, follow_release
    from slipway.domain.release.record import make_release_id
    from slipway.usecases.submit import submit_release

    chosen = _pick_version(model, version, alias)
    attempt = chosen.attempt + 1 if again else max(1, chosen.attempt)
    if here:
        from slipway.cli.here import release_here
        from slipway.usecases.release import ReleaseRequest

        request = ReleaseRequest(model=model, version=str(chosen.version), attempt=attempt, trigger=TRIGGER)
        release_here(request, as_json=as_json)
        return
    run_id = submit_release(chosen, TRIGGER, attempt)
    under_way = Release(
        model=model, version=chosen.version, release_id=make_release_id(model, chosen.version, attempt), run_id=run_id
    )
    if wait:
        follow_release(under_way, timeout_seconds, as_json=as_json)
    elif as_json:
        output.print_json(under_way)
    else:
        output.print_line(f"{under_way.release_id} requested (flow run {run_id}); `slipway status {model}` shows it")


def rollback(
    model: Model,
    *,
    reason: Annotated[str, typer.Option(help="Why, in one sentence: it is kept in the history.")] = "requested",
    wait: Wait = True,
    timeout_seconds: Timeout = 600,
    as_json: output.AsJson = False,
) -> None:
    """Take back the release under way, or the version that serves."""
    from uuid import uuid4

    from slipway.cli.following import follow_rollback
    from slipway.usecases.submit import submit_rollback

    if len(reason.strip()) < SHORTEST_REASON:
        message = "give the reason in a few words"
        raise typer.BadParameter(message, param_hint="--reason")
    run_id = submit_rollback(model, reason, uuid4().hex)
    if wait:
        follow_rollback(model, run_id, timeout_seconds, as_json=as_json)
    elif as_json:
        output.print_json({"model": model, "run_id": run_id})
    else:
        output.print_line(f"rollback of {model} requested (flow run {run_id}); `slipway status {model}` shows it")


def approve(
    model: Model,
    *,
    reject: Annotated[bool, typer.Option("--reject", help="Reject: the canary is rolled back.")] = False,
    by: Annotated[str | None, typer.Option(help="Who answers; your user name without.")] = None,
    here: Here = False,
    as_json: output.AsJson = False,
) -> None:
    """Answer a release that waits for a person."""
    from slipway import wiring

    who = by or _find_user()
    if here:
        from slipway.cli.here import approve_here
        from slipway.domain.rollout.actions import Approval

        approve_here(model, Approval(by=who, approve=not reject), as_json=as_json)
        return
    run_id = wiring.get_orchestrator().answer_release(model, approve=not reject, by=who)
    if as_json:
        output.print_json({"model": model, "run_id": run_id, "approved": not reject, "by": who})
    else:
        output.print_line(f"{model}: {'rejected' if reject else 'approved'} by {who}; flow run {run_id} goes on")


def _pick_version(model: str, version: int | None, alias: str | None) -> "ModelVersion":
    from slipway import wiring
    from slipway.usecases.begin import find_newest

    if version is not None and alias is not None:
        message = "give --version or --alias, not both"
        raise typer.BadParameter(message)
    if version is not None or alias is not None:
        return wiring.get_registry().get_version(model, alias or str(version))
    return find_newest(model, wiring.get_registry().list_versions(model))


def _find_user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
