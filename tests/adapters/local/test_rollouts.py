"""Status and leases as files: under many writers, under kill -9, and when a file is broken."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from slipway.adapters.local.records import Records
from slipway.adapters.local.rollouts import LocalRollouts
from slipway.adapters.local.waiting import wait_until
from slipway.errors import FormatTooNew, LeaseHeld, LeaseLost, PermanentError
from slipway.ports.rollouts import Lease
from tests.contract.rollouts import a_status

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
HOLDERS = st.sampled_from(["one", "two", "three"])


class LeaseMachine(RuleBasedStateMachine):
    """Any order of calls by three holders, against a model that fits in three variables."""

    def __init__(self) -> None:
        """Begin with an empty folder."""
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.rollouts = LocalRollouts(Path(self.folder.name))
        self.given: list[Lease] = []
        self.holder: str | None = None
        self.saved = 0

    @rule(holder=HOLDERS)
    def acquire(self, holder: str) -> None:
        """Have it exactly when it is free or one's own; its token is the largest so far."""
        try:
            lease = self.rollouts.acquire("m", holder, 600)
        except LeaseHeld:
            assert self.holder not in {None, holder}
            return
        assert self.holder in {None, holder}
        assert all(lease.token > other.token for other in self.given)
        self.given.append(lease)
        self.holder = holder

    @rule(holder=HOLDERS)
    def acquire_when_expired(self, holder: str) -> None:
        """Take a lease whose time is over: it is anybody's."""
        if self.holder is not None:
            self.rollouts.renew(self.given[-1], -1)
            self.holder = None
        self.acquire(holder)

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Only the last lease given out, while it was not given back, can be renewed."""
        if self.given:
            lease = data.draw(st.sampled_from(self.given))
            try:
                self.rollouts.renew(lease, 600)
                assert lease is self.given[-1]
                assert self.holder == lease.holder
            except LeaseLost:
                assert lease is not self.given[-1] or self.holder is None

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give a lease back; one that was lost changes nothing."""
        if self.given:
            lease = data.draw(st.sampled_from(self.given))
            self.rollouts.release(lease)
            if lease is self.given[-1]:
                self.holder = None

    @rule(data=st.data(), version=st.integers(1, 99))
    def save(self, data: st.DataObject, version: int) -> None:
        """Only the newest token writes."""
        if self.given:
            lease = data.draw(st.sampled_from(self.given))
            try:
                self.rollouts.save(a_status("m", version), lease)
                assert lease is self.given[-1]
                self.saved = version
            except LeaseLost:
                assert lease is not self.given[-1]

    @invariant()
    def one_holder(self) -> None:
        """Check that what the store says is what the calls amount to."""
        current = self.rollouts.find_lease("m")
        status = self.rollouts.load("m")
        assert (current.holder if current else None) == self.holder
        assert (status.version if status else 0) == self.saved

    def teardown(self) -> None:
        """Leave nothing."""
        self.folder.cleanup()


LeaseMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=12)
TestLeaseMachine = LeaseMachine.TestCase


def test_many_processes_want_one_lease_and_one_gets_it(tmp_path: Path) -> None:
    """Ten processes at once: exactly one holder."""
    code = """
        import sys
        from pathlib import Path
        from slipway.adapters.local.rollouts import LocalRollouts
        from slipway.errors import LeaseHeld
        sys.stdin.readline()
        try:
            LocalRollouts(Path(sys.argv[1])).acquire("m", sys.argv[2], 60)
            print("mine")
        except LeaseHeld:
            print("held")
    """
    command = [sys.executable, "-c", dedent(code), str(tmp_path)]
    processes = [
        subprocess.Popen([*command, f"holder-{i}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(6)
    ]

    said = [process.communicate("go\n", timeout=60)[0].strip() for process in processes]

    assert sorted(said) == ["held"] * 5 + ["mine"]


def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    """`kill -9` in the middle of writing, again and again: the status can always be read, and the lock is free."""
    code = """
        import sys
        from dataclasses import replace
        from pathlib import Path
        from slipway.adapters.local.rollouts import LocalRollouts
        from tests.contract.rollouts import a_status
        rollouts = LocalRollouts(Path(sys.argv[1]))
        status = a_status("m")
        status = replace(status, timeline=status.timeline * 500)
        lease = rollouts.acquire("m", "writer", 60)
        while True:
            rollouts.save(status, lease)
            print("saved", flush=True)
    """
    rollouts = LocalRollouts(tmp_path)
    for round_ in range(6):
        with subprocess.Popen([sys.executable, "-c", dedent(code), str(tmp_path)], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            later = time.monotonic() + 0.007 * round_
            wait_until(lambda later=later: time.monotonic() > later, 1)
            os.kill(writer.pid, signal.SIGKILL)

        assert len(rollouts.load("m").timeline) == 500
        rollouts.save(a_status("m"), rollouts.acquire("m", "writer", 60))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": "m"}', b"\xff\xfe"])
def test_a_broken_status_file_is_named(tmp_path: Path, content: bytes) -> None:
    """Never taken for `no rollout`: the error names the file and says what to do."""
    path = tmp_path / "rollouts" / "m.json"
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(PermanentError, match=r"rollouts/m\.json: it is no status that Slipway wrote"):
        LocalRollouts(tmp_path).load("m")


def test_a_broken_lease_file_gives_nobody_the_lease(tmp_path: Path) -> None:
    """Two rollouts at once are worse than none."""
    rollouts = LocalRollouts(tmp_path)
    rollouts.acquire("m", "one", 60)
    (tmp_path / "leases" / "m.json").write_text("{}")

    with pytest.raises(PermanentError, match=r"leases/m\.json"):
        rollouts.acquire("m", "two", 60)


def test_a_lease_of_every_version_is_read_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    """The file of the first version had no number; the one of a version to come is left as it is."""
    path = tmp_path / "leases" / "m.json"
    path.parent.mkdir()
    [written] = sorted((FIXTURES / "lease-format-1").glob("*.json"))
    path.write_bytes(written.read_bytes())
    rollouts = LocalRollouts(tmp_path)

    assert rollouts.acquire("m", "new", 30).token == 3

    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    for work in (rollouts.find_lease, lambda model: rollouts.acquire(model, "new", 30)):
        with pytest.raises(FormatTooNew, match=r"m\.json: a lease of format 2"):
            work("m")
    assert json.loads(path.read_text())["lease"]["token"] == 3


@pytest.mark.parametrize("written", sorted((FIXTURES / "revision-format-1").glob("*.json")), ids=lambda path: path.stem)
def test_a_revision_of_every_version_is_read(tmp_path: Path, written: Path) -> None:
    """What serves when Slipway is updated goes on serving."""
    place = tmp_path / "models" / "m" / "m-v2.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(written.read_bytes())

    [record] = Records(tmp_path).read_model("m").values()
    Records(tmp_path).write(record)

    assert (record.revision.name, record.revision.package.runtime) == ("m-v2", "onnx")
    assert list(Records(tmp_path).read_model("m").values()) == [record]
    assert json.loads(place.read_text())["format"] == 2
    assert record.revision.serving.platform == "kubernetes"
