"""Delayed labels in one SQLite file. Totals are stored next to the labels: a look reads them without counting."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from slipway.domain.judge.counters import ZERO, Counters
from slipway.domain.judge.labels import Label
from slipway.domain.stored.format import require_known
from slipway.errors import DataBroken, MetricsUnavailable, PermanentError
from slipway.ports.labels import Recorded

BUSY_SECONDS = 30.0
"""A million labels are written in a few seconds."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS labels (
        model TEXT, request_id TEXT, revision TEXT NOT NULL, wrong INTEGER NOT NULL, PRIMARY KEY (model, request_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS totals (
        model TEXT, revision TEXT, requests INTEGER NOT NULL, errors INTEGER NOT NULL, PRIMARY KEY (model, revision)
    ) WITHOUT ROWID""",
)
FORMAT = 1
"""Format number of the tables, stored as the file's `user_version`; files from before format numbers have 0."""
_ADD = "INSERT INTO labels VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_ADD_TOTAL = (
    "INSERT INTO totals VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
    " SET requests = requests + excluded.requests, errors = errors + excluded.errors"
)
_TOTALS = "SELECT revision, requests, errors FROM totals WHERE model = ?"


class LocalLabels:
    """Implements the port LabelStore in the file `HOME/labels.sqlite`, for processes of one machine."""

    def __init__(self, home: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open nothing yet; `busy_seconds` is how long to wait for another writer."""
        self._path, self._busy_seconds = home / "labels.sqlite", busy_seconds

    def record(self, model: str, labels: Iterable[Label]) -> Recorded:
        """Record a batch, whole or not at all; see the port."""
        with self._open_for_writing() as database:
            requests, errors, duplicates = Counter[str](), Counter[str](), 0
            for label in labels:
                _require_model(label, model)
                row = (model, label.request_id, label.revision, label.wrong)
                added = database.execute(_ADD, row).rowcount
                requests[label.revision] += added
                errors[label.revision] += added * label.wrong
                duplicates += 1 - added
            totals = ((model, revision, requests[revision], errors[revision]) for revision in requests)
            database.executemany(_ADD_TOTAL, totals)
        return Recorded(added=requests.total(), duplicates=duplicates)

    def count_labels(self, model: str, revisions: Sequence[str]) -> dict[str, Counters]:
        """Return how many answers have a label, and how many were wrong; see the port."""
        try:
            seen = self._read_totals(model)
        except (sqlite3.Error, OSError) as error:
            raise MetricsUnavailable(
                f"labels of {model}",
                seen=f"{self._path} can't be read ({error})",
                expected="the file that `slipway labels` writes",
                do="try again; a file that stays unreadable has to be put back from a copy",
            ) from error
        return {revision: seen.get(revision, ZERO) for revision in revisions}

    def _read_totals(self, model: str) -> dict[str, Counters]:
        if not self._path.exists():
            return {}
        # not read-only: the first access after a crash rolls back the unfinished transaction
        with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'totals'").fetchone():
                return {}  # the first batch is being written, or its writer was killed
            self._require_known(database)
            rows = database.execute(_TOTALS, (model,)).fetchall()
        return {revision: Counters(requests=requests, errors=errors) for revision, requests, errors in rows}

    @contextmanager
    def _open_for_writing(self) -> Iterator[sqlite3.Connection]:
        """Yield the database in a transaction: committed if the block succeeds, else rolled back."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._make_not_written_error(error) from error
        try:
            with closing(sqlite3.connect(self._path, timeout=self._busy_seconds, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                with database:
                    self._require_known(database)
                    database.execute(f"PRAGMA user_version = {FORMAT}")
                    for table in _TABLES:
                        database.execute(table)
                    yield database
        except sqlite3.Error as error:
            raise self._make_not_written_error(error) from error

    def _require_known(self, database: sqlite3.Connection) -> None:
        (number,) = database.execute("PRAGMA user_version").fetchone()
        require_known("file of labels", number, FORMAT, f"labels file {self._path}")

    def _make_not_written_error(self, error: Exception) -> MetricsUnavailable | PermanentError:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            return MetricsUnavailable(
                f"labels file {self._path}",
                seen=f"another process was writing for {self._busy_seconds:g} s",
                expected="the file, free",
                do="try again; nothing was recorded",
            )
        return PermanentError(
            f"labels file {self._path}",
            seen=f"it can't be written ({error})",
            expected="a file of labels, or none yet, on a disk with room",
            do="fix that and run the command again; nothing was recorded",
        )


def _require_model(label: Label, model: str) -> None:
    if label.model != model:
        raise DataBroken(
            f"label of request {label.request_id}",
            seen=f"revision {label.revision}",
            expected=f"a revision of {model}",
            do="record each model's labels separately; nothing was recorded",
        )
