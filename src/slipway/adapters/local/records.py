"""What the local target remembers of its revisions: one file each, so that everything can be rebuilt after a crash."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from slipway.adapters.local.clusters import Ports
from slipway.artifacts.store import write_atomic
from slipway.domain.rollout.revision import Revision
from slipway.domain.stored.format import Format
from slipway.errors import TargetUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A revision of this target."""

    revision: Revision
    port: int
    """TCP port it listens on, for HTTP."""
    grpc_port: int | None = None
    """For gRPC; None: it was started by a Slipway that did not share gRPC out, and does not listen."""
    was_ready: bool = False
    """Whether it ever answered its readiness probe."""

    @property
    def ports(self) -> Ports:
        """Return where it listens."""
        return Ports(self.port, self.grpc_port)


_RECORD = Format("revision record", 1, TypeAdapter(Record))


class Records:
    """Files `HOME/models/MODEL/REVISION.json`."""

    def __init__(self, home: Path) -> None:
        """Look at nothing yet."""
        self._models = home / "models"

    def all(self) -> dict[str, Record]:
        """Return every record, by revision name."""
        return {record.revision.name: record for path in self._files("*") for record in [self._read(path)]}

    def of(self, model: str) -> dict[str, Record]:
        """Return a model's records, by revision name."""
        return {record.revision.name: record for path in self._files(model) for record in [self._read(path)]}

    def write(self, record: Record) -> None:
        """Write a record, whole or not at all."""
        content = json.dumps(_RECORD.dump(record), indent=1).encode()
        write_atomic(self._path(record.revision.model, record.revision.name), content)

    def delete(self, model: str, name: str) -> None:
        """Forget a revision; one that is not there is no error."""
        self._path(model, name).unlink(missing_ok=True)

    def _path(self, model: str, name: str) -> Path:
        return self._models / model / f"{name}.json"

    def _files(self, model: str) -> Iterator[Path]:
        yield from sorted(self._models.glob(f"{model}/[!.]*.json"))

    def _read(self, path: Path) -> Record:
        try:
            return _RECORD.load(json.loads(path.read_bytes()), f"revision file {path}")
        except (OSError, ValueError) as error:
            raise TargetUnavailable(
                f"revision file {path}",
                seen=f"it can't be read ({type(error).__name__})",
                expected="what Slipway wrote",
                do="delete the file and release the version again",
            ) from error
