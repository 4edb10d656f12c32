"""What is left after something died: nothing running, nothing half done, everything rebuilt from disk."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from slipway.adapters.local.processes import find_marked
from slipway.adapters.local.program import Program
from slipway.adapters.local.supervisor import ProcessSupervisor
from slipway.adapters.local.waiting import wait_until
from slipway.domain.rollout.revision import Health, Traffic
from slipway.errors import TargetUnavailable
from tests.adapters.local.place import Place


def test_envoy_that_died_comes_back_as_it_was(new_place: Callable[[str], Place]) -> None:
    """Meanwhile calls say TargetUnavailable and change nothing; afterwards the same routes are in force."""
    place = new_place("envoy")
    one, two = place.running("front", 1), place.running("front", 2)
    told = Traffic(stable=one.name, canary=two.name, canary_percent=0)
    place.target.set_traffic("front", told)
    envoy = psutil.Process(place.target.supervisor.read_states()["envoy"].pid)

    envoy.suspend()
    for change in (
        lambda: place.target.set_traffic("front", Traffic(stable=two.name)),
        lambda: place.target.start(place.revision("front", 3)),
        lambda: place.target.stop("front", two.name),
    ):
        with pytest.raises(TargetUnavailable, match="Envoy"):
            change()
    assert place.target.read_traffic("front") == told
    assert set(place.target.observe("front")) == {one.name, two.name}
    envoy.kill()
    assert wait_until(place.target.envoy.is_ready, 20)

    assert httpx.post(f"{place.url}/front/x", content=b"row").json()["revision"] == one.name
    place.target.set_traffic("front", Traffic(stable=two.name))
    assert httpx.post(f"{place.url}/front/x", content=b"row").json()["revision"] == two.name


def test_after_the_supervisor_was_killed_everything_comes_up_again(new_place: Callable[[str], Place]) -> None:
    """`kill -9` of supervisord: its orphans are found and ended, and routes and revisions are as they were."""
    place = new_place("orphans")
    revision = place.running("orphan", 1)
    place.target.set_traffic("orphan", Traffic(stable=revision.name))
    home = place.home / "supervisor"
    daemon = psutil.Process(int((home / "supervisord.pid").read_text()))
    daemon.kill()
    psutil.wait_procs([daemon], timeout=5)
    with pytest.raises(TargetUnavailable, match="process supervisor"):
        place.target.observe("orphan")
    assert len(find_marked(str(home))) == 2

    place.another().start_all()
    place.expect(revision, Health.READY)

    assert wait_until(place.target.envoy.is_ready, 20)
    assert len(find_marked(str(home))) == 2
    assert httpx.post(f"{place.url}/orphan/x", content=b"row").json()["revision"] == revision.name


def test_stopping_ends_what_left_its_process_group(tmp_path: Path) -> None:
    """A program's child in a session of its own is ended too."""
    supervisor = ProcessSupervisor(tmp_path)
    supervisor.start()
    script = "setsid sleep 300 & echo started; wait"
    supervisor.add(Program(name="parent", argv=("sh", "-c", script), cwd=tmp_path, log=supervisor.logs / "parent.log"))
    assert wait_until(lambda: len(find_marked(str(tmp_path))) >= 2, 10)

    supervisor.stop()

    assert find_marked(str(tmp_path)) == []
    assert not supervisor.is_running()


def test_a_port_that_was_taken_while_nothing_ran_is_left_for_another(new_place: Callable[[str], Place]) -> None:
    """After a stop someone listens on a revision's port: everything comes up, and requests find the new port."""
    place = new_place("squatted")
    revision = place.running("moved", 1)
    place.target.set_traffic("moved", Traffic(stable=revision.name))
    place.target.supervisor.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((place.host, place.records.read_model("moved")[revision.name].port))
        squatter.listen()

        place.target.start_all()
        place.expect(revision, Health.READY)

        assert wait_until(place.target.envoy.is_ready, 20)
        assert httpx.post(f"{place.url}/moved/x", content=b"row").json()["revision"] == revision.name


@pytest.mark.parametrize("name", ["plain", "with blank ; and # and %d", "l" * 120])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """Names that supervisord's format breaks at, and paths too long for a socket; arguments and variables arrive."""
    home = tmp_path / name
    supervisor = ProcessSupervisor(home)
    supervisor.start()
    said = supervisor.logs / "echo.log"
    value = "a \"b\" 'c' ;d #e %(f)s"
    program = Program(
        name="echo",
        argv=("sh", "-c", 'echo "$1 $VALUE"; exec sleep 300', "sh", value),
        env={"VALUE": value},
        cwd=tmp_path,
        log=said,
    )
    try:
        supervisor.add(program)

        assert wait_until(lambda: supervisor.read_states()["echo"].read_last_line() == f"{value} {value}", 10)
    finally:
        supervisor.stop()
    assert not supervisor.socket.exists()
    assert supervisor.socket.parent == home or not supervisor.socket.parent.exists()


def test_a_stopped_supervisor_is_said_to_be_so(tmp_path: Path) -> None:
    """Not running, and what to do; stopping it again is no error."""
    supervisor = ProcessSupervisor(tmp_path)

    supervisor.stop()

    assert not supervisor.is_running()
    with pytest.raises(TargetUnavailable, match="slipway up"):
        supervisor.read_states()


def test_a_program_is_replaced_only_when_it_differs(tmp_path: Path) -> None:
    """Adding the same again leaves its process alone; another description restarts it."""
    supervisor = ProcessSupervisor(tmp_path)
    supervisor.start()

    def pid_with(seconds: str) -> int | None:
        log = supervisor.logs / "sleeper.log"
        supervisor.add(Program(name="sleeper", argv=("sleep", seconds), cwd=tmp_path, log=log))
        return supervisor.read_states()["sleeper"].pid

    try:
        first, second, third = pid_with("300"), pid_with("300"), pid_with("301")
    finally:
        supervisor.stop()

    assert first == second != third


def test_a_stopped_target_can_be_killed_by_anyone(new_place: Callable[[str], Place]) -> None:
    """Whoever stops the supervisor, all its programs end: a second view of the same place does."""
    place = new_place("stopped")
    revision = place.running("halt", 1)
    pid = place.target.supervisor.read_states()[revision.name].pid

    place.another().supervisor.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)
