"""A revision's state and its reason, from the supervisor, the kernel and the readiness probe."""

from slipway.adapters.local import loopback
from slipway.adapters.local.processes import measure_memory_mebibytes
from slipway.adapters.local.program import ProgramPhase, ProgramState
from slipway.adapters.local.records import Record
from slipway.adapters.local.supervisor import ProcessSupervisor
from slipway.domain.rollout.revision import Health, RevisionState
from slipway_interface.pages import READY

PROBE_SECONDS = 1.0
MANY_STARTS = 4
"""With this many starts and still not ready it is in a crash loop, even if each run is long enough for the
supervisor."""


def assess_revision(
    record: Record, seen: ProgramState | None, host: str, supervisor: ProcessSupervisor
) -> RevisionState:
    """Return a revision's state: memory first, then readiness, then the state of its process."""
    name, limit = record.revision.name, record.revision.memory_limit_mebibytes
    if seen is None or seen.phase is ProgramPhase.STOPPED:
        return RevisionState(name=name, health=Health.ABSENT, detail="the supervisor does not run it")
    memory = measure_memory_mebibytes(seen.pid) if seen.pid else None
    health, detail = Health.READY, ""
    if limit is not None and memory is not None and memory > limit:
        health, detail = Health.FAILED, f"uses {memory:.0f} MiB, allowed {limit}"
    elif not (seen.alive and _is_answering(host, record.port)):
        health, detail = _describe_not_ready(record, seen, supervisor.find_last_end(name))
    restarts = max(0, seen.starts - 1)
    return RevisionState(name=name, health=health, detail=detail, restarts=restarts, memory_mebibytes=memory)


def _is_answering(host: str, port: int) -> bool:
    try:
        return loopback.get(host, port, READY, timeout_seconds=PROBE_SECONDS)[0] == 200  # noqa: PLR2004 - HTTP's OK
    except loopback.NoAnswer:
        return False


def _describe_not_ready(record: Record, seen: ProgramState, ended: str) -> tuple[Health, str]:
    looping = seen.starts >= MANY_STARTS or (seen.phase is ProgramPhase.BACKOFF and seen.starts > 1)
    if seen.phase is ProgramPhase.FATAL or looping:
        health = Health.FAILED
    else:
        health = Health.UNREADY if record.was_ready else Health.STARTING
    ends = seen.starts - (1 if seen.alive else 0)
    said = f"; last line: {seen.read_last_line()}" if seen.read_last_line() else ""
    if ends:
        return health, f"ended with {ended or 'an unknown status'}, {_format_times(ends)}{said}"
    return health, f"not ready yet{said}" if health is Health.STARTING else f"does not answer {READY}{said}"


def _format_times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
