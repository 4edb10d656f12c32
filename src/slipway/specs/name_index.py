"""The model of each spec file, stored in a file, so that not every process parses a folder of many specs."""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slipway.artifacts.store import write_atomic
from slipway.errors import NotFound

FORMAT = 1
Mark = list[int]
"""The identity of a file's state: its inode, its size in bytes, and when it was modified, in nanoseconds."""


def find_names(files: Sequence[Path], index: Path, read_name: Callable[[Path], str]) -> dict[Path, str]:
    """Return the name of each file, from the index if the file is unchanged, else by `read_name`.

    The index is written after changes; if it can't be read or written only time is lost.
    """
    known, found = _load_index(index), {}
    entries: dict[str, dict[str, Any]] = {}
    for path in files:
        key, mark = str(path.absolute()), _read_mark(path)
        entry = known.get(key)
        if mark is None or not isinstance(entry, dict) or entry.get("mark") != mark:
            entry = {"mark": mark, "name": _read_name(path, read_name)}
        entries[key], found[path] = entry, str(entry["name"])
    changed = {key: known[key] for key in entries if key in known} != entries
    if changed:
        with contextlib.suppress(OSError):
            elsewhere = {key: entry for key, entry in known.items() if key not in entries and Path(key).exists()}
            write_atomic(index, json.dumps({"format": FORMAT, "files": elsewhere | entries}).encode())
    return found


def _read_name(path: Path, read_name: Callable[[Path], str]) -> str:
    try:
        return read_name(path)
    except NotFound:  # it was deleted meanwhile: reading the whole spec raises the error
        return path.stem


def _read_mark(path: Path) -> Mark | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return [seen.st_ino, seen.st_size, seen.st_mtime_ns]


def _load_index(index: Path) -> dict[str, Any]:
    try:
        document = json.loads(index.read_bytes())
    except (OSError, ValueError):
        return {}
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or not isinstance(document.get("files"), dict)
    ):
        return {}  # another version's, or damaged: it is created again
    return dict(document["files"])
