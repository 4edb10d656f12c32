"""Up, down, status: everything runs under the supervisor of this home."""

import time
from collections.abc import Callable
from pathlib import Path

from slipway.adapters.local import loopback
from slipway.adapters.local.plan import PartPlan, Probe
from slipway.adapters.local.ports import is_free
from slipway.adapters.local.processes import find_listener
from slipway.adapters.local.program import ProgramPhase, ProgramState
from slipway.adapters.local.target import LocalTarget
from slipway.errors import SlipwayError, StackFailed
from slipway.platforms.local import make_target
from slipway.project import find_project, is_project
from slipway.settings import Settings
from slipway.stack.deploying import Deploying
from slipway.stack.part import Part, PartState
from slipway.stack.plans import make_plans

UP_SECONDS = 180.0
"""Seconds that all parts may take together: 15 to 25 s on two idle cores, several times that on a busy machine."""
PAUSE_SECONDS = 0.1
Progress = Callable[[str, str, float], None]
"""Part, its progress (`starting`, `up`, `skipped: ...`), seconds since the beginning."""


def start_stack(settings: Settings, *, root: Path | None = None, on_progress: Progress | None = None) -> list[Part]:
    """Start the parts that do not run, deploy prefect.yaml, and return once every part answers.

    `root` is the project's folder (default: the current one if it is a project, else that of this Slipway). Raises
    StackFailed; then everything that this call started is stopped.
    """
    root, tell = root or find_project(Path.cwd()), on_progress or _report_nothing
    root = root.absolute()
    target = make_target(settings)
    began = time.monotonic()
    target.supervisor.end_leftovers()
    fresh = not target.supervisor.is_running()
    wanted = make_plans(settings, root)
    states = {} if fresh else target.supervisor.read_states()
    missing = [plan for plan in wanted if not (plan.name in states and states[plan.name].alive)]
    _require_files(root)
    _require_ports(settings, missing)
    deploying = None
    try:
        target.supervisor.start()
        deploying = Deploying(settings, root)
        for plan in wanted:
            target.supervisor.add(plan.program())
            tell(plan.name, "starting", time.monotonic() - began)
        target.resume_revisions()
        _wait_for_parts(settings, target, wanted, lambda part, state: tell(part, state, time.monotonic() - began))
        tell("deployments", deploying.wait_for_result(UP_SECONDS), time.monotonic() - began)
    except BaseException:  # interrupted or failed: stop what was started
        if deploying:
            deploying.abandon()
        _undo_start(target, [] if fresh else missing)
        raise
    return read_status(settings)


def stop_stack(settings: Settings) -> None:
    """End every part and every revision, however they were started; `start_stack` starts them again as they were."""
    try:
        make_target(settings).supervisor.stop()
    except (SlipwayError, OSError) as error:
        raise StackFailed("embedded stack", seen=str(error), expected="all parts ended", do="try again") from error


def read_status(settings: Settings) -> list[Part]:
    """Return the observed state of every part and every revision."""
    target = make_target(settings)
    states = target.supervisor.read_states() if target.supervisor.is_running() else {}
    wanted = make_plans(settings, find_project(Path.cwd()))
    others = sorted(states.keys() - {plan.name for plan in wanted})
    revisions = [Part(name=name, state=_find_process_state(states[name]), pid=states[name].pid) for name in others]
    return [_read_part(settings, plan, states.get(plan.name)) for plan in wanted] + revisions


def _wait_for_parts(
    settings: Settings, target: LocalTarget, wanted: list[PartPlan], tell: Callable[[str, str], None]
) -> None:
    waiting = {plan.name: plan for plan in wanted}
    deadline = time.monotonic() + UP_SECONDS
    while waiting:
        states = target.supervisor.read_states()
        for plan in list(waiting.values()):
            part = _read_part(settings, plan, states.get(plan.name))
            if part.state is PartState.UP:
                tell(plan.name, "up")
                del waiting[plan.name]
            elif part.state is PartState.FAILED or time.monotonic() > deadline:
                raise _make_failed_error(part, states.get(plan.name))
        time.sleep(PAUSE_SECONDS if waiting else 0)


def _read_part(settings: Settings, plan: PartPlan, seen: ProgramState | None) -> Part:
    state = _find_process_state(seen)
    if state is PartState.UP and plan.probe and not _is_answering(settings.host, plan.probe):
        state = PartState.STARTING
    detail = seen.read_last_line() if seen and state is PartState.FAILED else ""
    return Part(name=plan.name, state=state, address=plan.address, pid=seen.pid if seen else None, detail=detail)


def _find_process_state(seen: ProgramState | None) -> PartState:
    if seen is None or seen.phase is ProgramPhase.STOPPED:
        return PartState.DOWN
    if seen.phase is ProgramPhase.FATAL or (seen.phase is ProgramPhase.BACKOFF and seen.starts > 1):
        return PartState.FAILED
    return PartState.UP if seen.alive else PartState.STARTING


def _is_answering(host: str, probe: Probe) -> bool:
    try:
        status, body = loopback.get(host, probe.port, probe.path)
    except loopback.NoAnswer:
        return False
    return status < 500 and probe.contains.encode() in body  # noqa: PLR2004 - HTTP's server errors


def _require_ports(settings: Settings, missing: list[PartPlan]) -> None:
    for plan in missing:
        for port in plan.ports:
            if not is_free(settings.host, port.number):
                holder = find_listener(port.number)
                who = f"{holder.name()} (pid {holder.pid}) listens there" if holder else "it is taken"
                raise StackFailed(
                    f"port {port.number} of {plan.name}",
                    seen=who,
                    expected="a free port",
                    do=f"end that process, or set {port.setting} to another port",
                )


def _require_files(root: Path) -> None:
    if not is_project(root):
        raise StackFailed(
            "project folder",
            seen=f"no services/webhook under {root}",
            expected="the root of a Slipway project",
            do="change to the project's root and try again",
        )


def _make_failed_error(part: Part, seen: ProgramState | None) -> StackFailed:
    log = f"; see {seen.log}" if seen else ""
    what = part.detail or f"it was {part.state} after {UP_SECONDS:.0f} s"
    return StackFailed(part.name, seen=what, expected="that it answers", do=f"fix that and try again{log}")


def _undo_start(target: LocalTarget, started: list[PartPlan]) -> None:
    if not started:
        target.supervisor.stop()
    for plan in started:
        target.supervisor.remove(plan.name)


def _report_nothing(_part: str, _state: str, _seconds: float) -> None:
    """Report nothing."""
