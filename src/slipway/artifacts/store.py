"""Files that are there whole or not at all, and their digests: what the content-addressed store is made of.

Everything is written beside its place first, flushed to the disk, and renamed. A full disk or a crash leaves nothing
under a final name; what a killed process left under a temporary one is swept a day later.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway.errors import ArtifactBroken

PART_PREFIX = ".part-"
"""Begins the name of everything that is not finished."""
STALE_SECONDS = 24 * 3600.0
"""Older unfinished folders are left over: no download or build takes a day."""


def compute_tree_digest(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> str:
    """Return `sha256:<hex>` over a folder's files: relative posix names, sorted, each with its content.

    Empty folders, modes and times do not count. `leave_out` are relative posix names that do not count either.
    Raises ArtifactBroken for links and for anything but files and folders: they point out of the tree, or never end.
    Raises OSError when a file can't be read.
    """
    whole = hashlib.sha256()
    for name, path in sorted(walk_files(folder)):
        if name not in leave_out:
            # a name holds no zero byte and a digest no newline: two different trees never give the same bytes
            whole.update(os.fsencode(name) + b"\0" + compute_file_digest(path).encode() + b"\n")
    return f"sha256:{whole.hexdigest()}"


def walk_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file below a folder with its relative posix name, in no order.

    Raises ArtifactBroken for links and for anything but files and folders: they point out of the tree, or never end.
    Raises OSError for a folder that is missing or can't be read.
    """
    pending = [folder]
    while pending:  # a list in place of recursion: folders may be nested deeper than Python's stack
        for path in pending.pop().iterdir():
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise _make_no_plain_file_error(name, is_link=path.is_symlink())
            if path.is_dir():
                pending.append(path)
            else:
                yield name, path


def _make_no_plain_file_error(name: str, *, is_link: bool) -> ArtifactBroken:
    return ArtifactBroken(
        f"file {name!r}",
        seen="a link" if is_link else "neither a file nor a folder",
        expected="plain files and folders only",
        do="replace it by a copy of the file, and register the model again",
    )


def compute_file_digest(path: Path) -> str:
    """Return `sha256:<hex>` over a file's content. Raises OSError when it can't be read."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


@contextmanager
def make_new_folder(final: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it is renamed to `final` at the end of a block that went well.

    If `final` is there by then, another process made it: ours is dropped. After any exception nothing is left. Raises
    OSError where the disk is full or may not be written.
    """
    with make_part_folder(final.parent) as part:
        yield part
        settle_folder(part, final)


@contextmanager
def make_part_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder inside `parent` (made if missing), for content whose final name is not known yet.

    `settle_folder` gives it its name; otherwise it is gone at the end, whatever happened.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep_parts(parent)
    part = parent / f"{PART_PREFIX}{secrets.token_hex(8)}"
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def settle_folder(part: Path, final: Path) -> None:
    """Flush a folder to the disk and rename it to `final`, on the same filesystem; leave it if `final` is there."""
    for folder, _, names in os.walk(part):
        for name in names:
            _flush_path(Path(folder) / name)
        _flush_path(Path(folder))
    try:
        part.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        return
    _flush_path(final.parent)


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all, with this mode; readers see the old content or the new.

    Its folder is made if missing. Raises OSError where the disk is full or may not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f"{PART_PREFIX}{secrets.token_hex(8)}"
    try:
        # opened with its final mode: a secret is never readable by others, not even for a moment
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - a descriptor
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _flush_path(path.parent)


def _flush_path(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _sweep_parts(parent: Path) -> None:
    """Remove what killed processes left."""
    oldest = time.time() - STALE_SECONDS
    for part in parent.glob(f"{PART_PREFIX}*"):
        try:
            stale = part.stat().st_mtime < oldest
        except FileNotFoundError:  # finished meanwhile
            continue
        if stale and part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        elif stale:
            part.unlink(missing_ok=True)
