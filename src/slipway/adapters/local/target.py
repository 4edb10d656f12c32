"""The local target: Envoy in front of supervised processes on this machine.

The desired state is on disk (a record per revision, Envoy's route file), so any process can continue where another one
stopped. One lock serializes writers; readers need none, because files are replaced atomically.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.adapters.local.clusters import Ports
from slipway.adapters.local.envoy import Envoy
from slipway.adapters.local.health import assess_revision
from slipway.adapters.local.locks import hold_lock
from slipway.adapters.local.ports import find_free_ports, is_free, is_taken_by_another
from slipway.adapters.local.program import Program, ProgramState
from slipway.adapters.local.records import Record, Records
from slipway.adapters.local.supervisor import ProcessSupervisor
from slipway.adapters.local.waiting import wait_until
from slipway.artifacts.model_environment import SERVICE_NAMES
from slipway.domain.rollout.revision import Health, Revision, RevisionState, Traffic
from slipway.domain.spec.serving import ServingSpec
from slipway.errors import ArtifactBroken, ArtifactChanged, NotFound, PermanentError
from slipway.ports.router import Abilities

ServeCommand = Callable[[Path, str, int, int | None], tuple[list[str], dict[str, str]]]
"""Package folder, host, port, port for gRPC -> argument list, additions to the environment."""

START_SECONDS = 10
"""A service that ends before this has failed to start: it takes 5 to 10 s to boot."""
GRACE_SECONDS = 15
DRAIN_SECONDS = 30.0
QUIET_LOOKS = 3
"""A revision is drained when this many checks in a row find it idle: a request may be between Envoy's threads."""


class LocalTarget:
    """Implements the ports Revisions and Router for one machine; `home` holds everything it writes."""

    def __init__(self, home: Path, host: str, front_door_port: int, admin_port: int, serve: ServeCommand) -> None:
        """Access nothing yet. The supervisor and Envoy are started by the embedded stack (or `start_all`)."""
        self._host, self._serve = host, serve
        self._lock = home / "lock"
        self._records = Records(home)
        self.supervisor = ProcessSupervisor(home / "supervisor")
        self.envoy = Envoy(home / "envoy", host=host, front_door_port=front_door_port, admin_port=admin_port)

    def start_all(self) -> None:
        """Start the supervisor, Envoy, and every revision on record; return without waiting for them."""
        self.supervisor.start()
        self.resume_revisions()
        self.envoy.write_bootstrap()
        self.supervisor.add(self.envoy.build_program(self.supervisor.logs))

    def resume_revisions(self) -> None:
        """Start every revision on record that does not run; the supervisor must run."""
        with hold_lock(self._lock):
            states = self.supervisor.read_states()
            for record in self._records.read_all().values():
                self._run_record(record, states.get(record.revision.name))
            self.envoy.note_revisions(self._list_ports())

    def start(self, revision: Revision) -> None:
        """Begin to start a revision; see the port. Raises ArtifactBroken without its package."""
        if not revision.package.path.is_dir():
            raise ArtifactBroken(
                f"revision {revision.name}",
                seen=f"no package at {revision.package.path}",
                expected="the folder that the packager wrote",
                do="release the version again",
            )
        with hold_lock(self._lock):
            self.envoy.require_ready()
            states = self.supervisor.read_states()
            record = self._make_record(revision)
            self._records.write(record)
            self._run_record(record, states.get(revision.name))
            self._tell_envoy()

    def stop(self, model: str, name: str) -> None:
        """Drain a revision and stop it; see the port."""
        with hold_lock(self._lock):
            self._leave_route(model, name)
        self._drain_revision(name)
        with hold_lock(self._lock):
            self._leave_route(model, name)  # again: the lock was free meanwhile
            self.envoy.set_revisions({other: ports for other, ports in self._list_ports().items() if other != name})
            self.supervisor.remove(name)
            self._records.delete(model, name)

    def observe(self, model: str) -> dict[str, RevisionState]:
        """Return the observed state of a model; see the port."""
        states = self.supervisor.read_states()
        return {
            name: self._observe_revision(record, states.get(name))
            for name, record in self._records.read_model(model).items()
        }

    def set_traffic(self, model: str, traffic: Traffic) -> None:
        """Split live requests in this way; see the port. Raises NotFound for a revision that was not started."""
        with hold_lock(self._lock):
            known = self._records.read_model(model)
            for name in {*traffic.weights, *([traffic.shadow] if traffic.shadow else [])}:
                if name not in known:
                    raise NotFound(
                        f"revision {name}",
                        seen="it was not started here",
                        expected=f"one of {', '.join(known) or 'none'}",
                        do="start it before it gets traffic",
                    )
            self.envoy.set_traffic({**self.envoy.read_traffic(), model: traffic}, self._list_ports())

    def read_traffic(self, model: str) -> Traffic | None:
        """Return how live requests are split now; None: the model has no route."""
        return self.envoy.read_traffic().get(model)

    def get_abilities(self, model: str, serving: ServingSpec) -> Abilities:  # noqa: ARG002 - every model has the same Envoy
        """Return Envoy's abilities: all of them."""
        return Abilities(rescues=True, why="Envoy on this machine")

    def remove(self, model: str) -> None:
        """Remove the model's route and all its revisions."""
        with hold_lock(self._lock):
            shared = self.envoy.read_traffic()
            if shared.pop(model, None):
                self.envoy.set_traffic(shared, self._list_ports())
        for name in self._records.read_model(model):
            self.stop(model, name)

    def _make_record(self, revision: Revision) -> Record:
        known = self._records.read_model(revision.model).get(revision.name)
        if known is None:
            return self._assign_ports(revision)
        if known.revision.package == revision.package:
            return replace(known, revision=revision)
        if self._describe_share(revision.model, revision.name):
            raise ArtifactChanged(
                f"revision {revision.name}",
                seen=f"another package ({revision.package.digest}) for a revision that serves",
                expected=f"the one that it serves from ({known.revision.package.digest})",
                do="register the changed model as a new version",
            )
        return Record(revision=revision, port=known.port, grpc_port=known.grpc_port)

    def _assign_ports(self, revision: Revision) -> Record:
        port, grpc_port = find_free_ports(self._host, 2)
        return Record(revision=revision, port=port, grpc_port=grpc_port)

    def _run_record(self, record: Record, seen: ProgramState | None) -> None:
        if not (seen and seen.alive) and not self._can_listen(record):
            record = replace(self._assign_ports(record.revision), was_ready=record.was_ready)
            self._records.write(record)
        self.supervisor.add(self._build_program(record))

    def _can_listen(self, record: Record) -> bool:
        """Whether both ports are free; a record of a Slipway without gRPC routing has one."""
        both = record.grpc_port is not None and is_free(self._host, record.grpc_port)
        return both and is_free(self._host, record.port)

    def _build_program(self, record: Record) -> Program:
        revision = record.revision
        argv, env = self._serve(revision.package.path, self._host, record.port, record.grpc_port)
        return Program(
            name=revision.name,
            argv=tuple(argv),
            env=env | revision.serving.environment,
            inherited=SERVICE_NAMES,
            cwd=revision.package.path,
            log=self.supervisor.logs / f"{revision.name}.log",
            start_seconds=START_SECONDS,
            grace_seconds=GRACE_SECONDS,
        )

    def _tell_envoy(self) -> None:
        self.envoy.set_revisions(self._list_ports())

    def _list_ports(self) -> dict[str, Ports]:
        return {name: record.ports for name, record in self._records.read_all().items()}

    def _observe_revision(self, record: Record, seen: ProgramState | None) -> RevisionState:
        state = assess_revision(record, seen, self._host, self.supervisor)
        if seen and state.health not in {Health.READY, Health.ABSENT} and _lost_port(record, seen):
            return self._move_ports(record)
        if state.health is Health.READY and not record.was_ready:
            self._note_ready(record)
        return state

    def _note_ready(self, record: Record) -> None:
        with hold_lock(self._lock):
            if self._records.read_model(record.revision.model).get(record.revision.name) == record:
                self._records.write(replace(record, was_ready=True))

    def _move_ports(self, record: Record) -> RevisionState:
        """Run it on other ports, because another process took one of its own before it listened."""
        name = record.revision.name
        with hold_lock(self._lock):
            known = self._records.read_model(record.revision.model).get(name)
            if known == record:
                moved = replace(self._assign_ports(record.revision), was_ready=record.was_ready)
                self._records.write(moved)
                self.supervisor.add(self._build_program(moved))
                self._tell_envoy()
        ports = " or ".join(str(port) for port in (record.port, record.grpc_port) if port is not None)
        detail = f"port {ports} was taken by another process; started again on another one"
        return RevisionState(name=name, health=Health.UNREADY if record.was_ready else Health.STARTING, detail=detail)

    def _describe_share(self, model: str, name: str) -> str:
        """Describe what the route sends to a revision; empty: nothing."""
        traffic = self.read_traffic(model)
        return traffic.share_of(name) if traffic else ""

    def _leave_route(self, model: str, name: str) -> None:
        share = self._describe_share(model, name)
        if share:
            raise PermanentError(
                f"revision {name}",
                seen=f"the route sends it {share}",
                expected="no traffic before it is stopped",
                do="route the model to another revision first",
            )
        traffic = self.read_traffic(model)
        if traffic and traffic.canary == name:  # a warm canary, at 0 %
            shared = {**self.envoy.read_traffic(), model: replace(traffic, canary=None, rescue=None)}
            self.envoy.set_traffic(shared, self._list_ports())

    def _drain_revision(self, name: str) -> None:
        """Wait until it has no request in flight; after the bound only its own grace period remains."""
        quiet = _Quiet(looks=0)
        wait_until(lambda: quiet.count_look(self.envoy.count_active_requests(name)) >= QUIET_LOOKS, DRAIN_SECONDS)


def _lost_port(record: Record, seen: ProgramState) -> bool:
    """Whether another process listens on one of a revision's ports."""
    ports = (port for port in (record.port, record.grpc_port) if port is not None)
    return any(is_taken_by_another(port, seen.pid) for port in ports)


@dataclass(slots=True, kw_only=True)
class _Quiet:
    """Counts consecutive checks that found no request in flight."""

    looks: int

    def count_look(self, active: int) -> int:
        """Add one more check, and return the count."""
        self.looks = 0 if active else self.looks + 1
        return self.looks
