"""The local target's records of its revisions: one file each, so that everything can be rebuilt after a crash."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from slipway.adapters.local.clusters import Ports
from slipway.artifacts.store import write_atomic
from slipway.domain.rollout.revision import Revision
from slipway.domain.stored.format import Format, Json
from slipway.domain.stored.formats import tag_serving
from slipway.errors import TargetUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A revision of this target."""

    revision: Revision
    port: int
    """TCP port it listens on, for HTTP."""
    grpc_port: int | None = None
    """For gRPC; None: it was started by a Slipway without gRPC routing, and does not listen."""
    was_ready: bool = False
    """Whether it ever answered its readiness probe."""

    @property
    def ports(self) -> Ports:
        """Return its ports."""
        return Ports(self.port, self.grpc_port)


def _migrate_record_1(document: Json) -> Json:
    """Name the platform of the revision's serving."""
    return {**document, "revision": tag_serving(document["revision"])} if "revision" in document else document


_RECORD = Format("revision record", 2, TypeAdapter(Record), (_migrate_record_1,))


class Records:
    """Files `HOME/models/MODEL/REVISION.json`."""

    def __init__(self, home: Path) -> None:
        """Access nothing yet."""
        self._models = home / "models"

    def read_all(self) -> dict[str, Record]:
        """Return every record, by revision name."""
        return {record.revision.name: record for path in self._list_files("*") for record in [self._read_file(path)]}

    def read_model(self, model: str) -> dict[str, Record]:
        """Return a model's records, by revision name."""
        return {record.revision.name: record for path in self._list_files(model) for record in [self._read_file(path)]}

    def write(self, record: Record) -> None:
        """Write a record atomically."""
        content = json.dumps(_RECORD.dump(record), indent=1).encode()
        write_atomic(self._find_path(record.revision.model, record.revision.name), content)

    def delete(self, model: str, name: str) -> None:
        """Delete a revision's record; a missing one is no error."""
        self._find_path(model, name).unlink(missing_ok=True)

    def _find_path(self, model: str, name: str) -> Path:
        return self._models / model / f"{name}.json"

    def _list_files(self, model: str) -> Iterator[Path]:
        yield from sorted(self._models.glob(f"{model}/[!.]*.json"))

    def _read_file(self, path: Path) -> Record:
        try:
            return _RECORD.load(json.loads(path.read_bytes()), f"revision file {path}")
        except (OSError, ValueError) as error:
            raise TargetUnavailable(
                f"revision file {path}",
                seen=f"it can't be read ({type(error).__name__})",
                expected="what Slipway wrote",
                do="delete the file and release the version again",
            ) from error
