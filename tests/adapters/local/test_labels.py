"""Labels in SQLite: several processes at once, killed writers, broken files."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from slipway.adapters.local.labels import LocalLabels
from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.labels import Label
from slipway.errors import FormatTooNew, MetricsUnavailable, PermanentError
from slipway.ports.labels import Recorded
from tests.contract.labels import batch

WRITER = """
import sys
from pathlib import Path
from slipway.adapters.local.labels import LocalLabels
from slipway.domain.judge.labels import Label

store = LocalLabels(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for start in range(0, 400, 20):
    names = range(start, start + 20)
    store.record("digits", [Label(request_id=f"r-{n}", revision="digits-v1", wrong=n % 4 == 0) for n in names])
"""
HALF = """
import os, sys
from pathlib import Path
from slipway.adapters.local.labels import LocalLabels
from slipway.domain.judge.labels import Label

def labels():
    for n in range(20000):
        yield Label(request_id=f"half-{n}", revision="digits-v1", wrong=True)
    os._exit(9)

LocalLabels(Path(sys.argv[1])).record("digits", labels())
"""


def test_two_processes_record_the_same_labels_once(tmp_path: Path) -> None:
    """Both write all of them at once; each label is counted once."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()

    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()

    assert [writer.communicate(timeout=60)[1] for writer in writers] == ["", ""]
    counted = LocalLabels(tmp_path).count_labels("digits", ["digits-v1"])
    assert counted == {"digits-v1": Counters(requests=400, errors=100)}


@pytest.mark.parametrize("before", [0, 5])
def test_a_writer_that_is_killed_leaves_nothing_of_its_batch(tmp_path: Path, before: int) -> None:
    """What was there before stays, the next writer goes on."""
    store = LocalLabels(tmp_path)
    if before:
        store.record("digits", batch("digits-v1", 1, before))

    ended = subprocess.run([sys.executable, "-c", HALF, str(tmp_path)], check=False)

    assert ended.returncode == 9
    assert store.count_labels("digits", ["digits-v1"]) == {"digits-v1": Counters(requests=before, errors=0)}
    assert store.record("digits", batch("digits-v1", 101, 102)) == Recorded(added=2, duplicates=0)


def test_counts_can_be_read_while_a_batch_is_written(tmp_path: Path) -> None:
    """As they were before it."""
    store, reader = LocalLabels(tmp_path), LocalLabels(tmp_path)
    store.record("digits", batch("digits-v1", 1, 3))
    seen = []

    def looking() -> Iterator[Label]:
        yield from batch("digits-v1", 4, 6)
        seen.append(reader.count_labels("digits", ["digits-v1"])["digits-v1"].requests)

    store.record("digits", looking())

    assert seen == [3]


def test_an_empty_file_has_no_labels(tmp_path: Path) -> None:
    """A first writer that was killed at once leaves one."""
    (tmp_path / "labels.sqlite").touch()

    assert LocalLabels(tmp_path).count_labels("digits", ["digits-v1"]) == {"digits-v1": ZERO}


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """No evidence for who reads, a permanent error for who writes; the file stays as it is."""
    path = tmp_path / "labels.sqlite"
    path.write_bytes(b"something else" * 100)
    store = LocalLabels(tmp_path)

    with pytest.raises(MetricsUnavailable, match=r"labels of digits: .* can't be read"):
        store.count_labels("digits", ["digits-v1"])
    with pytest.raises(PermanentError, match="can't be written"):
        store.record("digits", batch("digits-v1", 1, 1))

    assert path.read_bytes() == b"something else" * 100


def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    """A file lies in its place."""
    (tmp_path / "target").touch()

    with pytest.raises(PermanentError, match="can't be written"):
        LocalLabels(tmp_path / "target").record("digits", batch("digits-v1", 1, 1))


def test_a_writer_that_waits_too_long_may_try_again(tmp_path: Path) -> None:
    """Another process holds the file: nothing is recorded, and the error is transient."""
    store = LocalLabels(tmp_path, busy_seconds=0.05)
    store.record("digits", batch("digits-v1", 1, 1))

    with closing(sqlite3.connect(tmp_path / "labels.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MetricsUnavailable, match="another process"):
            store.record("digits", batch("digits-v1", 2, 2))
        other.execute("ROLLBACK")

    assert store.count_labels("digits", ["digits-v1"]) == {"digits-v1": Counters(requests=1, errors=0)}


def test_labels_from_before_there_were_numbers_are_counted_and_a_newer_file_is_refused(tmp_path: Path) -> None:
    """Neither read nor written: its tables may mean something else."""
    store = LocalLabels(tmp_path)
    store.record("digits", batch("digits-v1", 1, 3))
    with closing(sqlite3.connect(tmp_path / "labels.sqlite")) as database:
        database.execute("PRAGMA user_version = 0")
    assert store.count_labels("digits", ["digits-v1"])["digits-v1"].requests == 3
    with closing(sqlite3.connect(tmp_path / "labels.sqlite")) as database:
        database.execute("PRAGMA user_version = 2")

    with pytest.raises(FormatTooNew, match="a file of labels of format 2"):
        store.count_labels("digits", ["digits-v1"])
    with pytest.raises(FormatTooNew, match="a file of labels of format 2"):
        store.record("digits", batch("digits-v1", 4, 4))
