"""Which model each spec file is about, kept in a file: not every process parses a folder of many specs."""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slipway.artifacts.store import write_atomic
from slipway.errors import NotFound

FORMAT = 1
Mark = list[int]
"""What changes when a file does: its inode, its size in bytes, and when it was modified, in nanoseconds."""


def names_of(files: Sequence[Path], index: Path, read_name: Callable[[Path], str]) -> dict[Path, str]:
    """Return the name of each file, from the index where the file is as it was then, else by `read_name`.

    The index is written when something changed; one that can't be read or written costs time and nothing else.
    """
    known, found = _load(index), {}
    entries: dict[str, dict[str, Any]] = {}
    for path in files:
        key, mark = str(path.absolute()), _mark(path)
        entry = known.get(key)
        if mark is None or not isinstance(entry, dict) or entry.get("mark") != mark:
            entry = {"mark": mark, "name": _read(path, read_name)}
        entries[key], found[path] = entry, str(entry["name"])
    changed = {key: known[key] for key in entries if key in known} != entries
    if changed:
        with contextlib.suppress(OSError):
            elsewhere = {key: entry for key, entry in known.items() if key not in entries and Path(key).exists()}
            write_atomic(index, json.dumps({"format": FORMAT, "files": elsewhere | entries}).encode())
    return found


def _read(path: Path, read_name: Callable[[Path], str]) -> str:
    try:
        return read_name(path)
    except NotFound:  # it went away meanwhile: whoever reads the whole spec gets the error
        return path.stem


def _mark(path: Path) -> Mark | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return [seen.st_ino, seen.st_size, seen.st_mtime_ns]


def _load(index: Path) -> dict[str, Any]:
    try:
        document = json.loads(index.read_bytes())
    except (OSError, ValueError):
        return {}
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or not isinstance(document.get("files"), dict)
    ):
        return {}  # another version's, or damaged: it is made again
    return dict(document["files"])
