"""A folder as an image's layer: equal files give equal bytes."""

import contextlib
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.artifacts.store import compute_file_digest

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

COMPRESSION = 1
"""Weights hardly get smaller; a higher level only delays releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A compressed layer in a file."""

    path: Path
    digest: str
    """Of the compressed bytes: its name in a registry."""
    diff_id: str
    """Of the bytes before compression: its name in an image's configuration."""
    size: int


class _Hashing(io.RawIOBase):
    """A writable file that hashes what is written."""

    def __init__(self, file: gzip.GzipFile) -> None:
        super().__init__()
        self._file, self._hash = file, hashlib.sha256()

    def write(self, data: "ReadableBuffer") -> int:
        self._hash.update(data)
        return self._file.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def write_layer(folder: Path, place: str, out: Path) -> Layer:
    """Write a folder's files, at `place` in the image, as a layer into `out`.

    Files belong to root and can be read by all; times are zero. Raises OSError.
    """
    with out.open("wb") as file, gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as squeezed:
        plain = _Hashing(squeezed)
        with tarfile.open("", "w|", plain, format=tarfile.PAX_FORMAT) as tar:
            for entry, path in _list_entries(folder, place):
                with contextlib.ExitStack() as opened:
                    tar.addfile(entry, opened.enter_context(path.open("rb")) if path else None)
    return Layer(path=out, digest=compute_file_digest(out), diff_id=plain.digest, size=out.stat().st_size)


def _list_entries(folder: Path, place: str) -> Iterator[tuple[tarfile.TarInfo, Path | None]]:
    """Yield folders and files in the order of their names; with a path if there is content."""
    root = tarfile.TarInfo(place.strip("/"))
    root.type, root.mode = tarfile.DIRTYPE, 0o755
    yield root, None
    for path in sorted(folder.rglob("*")):
        entry = tarfile.TarInfo(f"{place.strip('/')}/{path.relative_to(folder).as_posix()}")
        if path.is_dir():
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            yield entry, None
        else:
            entry.size, entry.mode = path.stat().st_size, 0o755 if path.suffix == ".sh" else 0o644
            yield entry, path
