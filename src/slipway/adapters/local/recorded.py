"""Live requests that revisions recorded: the end of their logs, which the supervisor stores."""

from contextlib import suppress
from pathlib import Path

from slipway.adapters.local.records import Records
from slipway.adapters.local.supervisor import ProcessSupervisor
from slipway.domain.gates.contract.recorded import RecordedSample, read_samples

READ_BYTES = 8 * 2**20
"""Bytes from the end of each file: the log, and the one before it (they are rotated at 10 MB)."""


class LoggedRequests:
    """Implements the port RecordedRequests for one machine; `home` is the local target's."""

    def __init__(self, home: Path) -> None:
        """Access nothing yet."""
        self._records, self._logs = Records(home), ProcessSupervisor(home / "supervisor").logs

    def read_newest(self, model: str, revision: str) -> RecordedSample:
        """Return the newest requests of a revision; see the port."""
        record = self._records.read_model(model).get(revision)
        if record is None or not record.revision.serving.capture_share:
            return RecordedSample()
        files = (self._logs / f"{revision}.log.1", self._logs / f"{revision}.log")
        return read_samples(line for file in files for line in _read_end(file).splitlines())


def _read_end(file: Path) -> bytes:
    """Return the end of a file; empty if it is missing or was just rotated."""
    with suppress(FileNotFoundError), file.open("rb") as log:
        log.seek(max(0, log.seek(0, 2) - READ_BYTES))
        return log.read(READ_BYTES)
    return b""
