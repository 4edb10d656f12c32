"""Names of models by spec file: a file is read again only when it changed."""

import json
import os
from pathlib import Path

import pytest

from slipway.errors import NotFound
from slipway.specs.name_index import find_names


class Reader:
    """Reads the first word of a file, and remembers which files it read."""

    def __init__(self) -> None:
        """Begin with none."""
        self.read: list[str] = []

    def __call__(self, path: Path) -> str:
        """Read one."""
        self.read.append(path.stem)
        return path.read_text().split()[0]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return three files."""
    paths = [tmp_path / f"{name}.yaml" for name in ("one", "two", "three")]
    for path in paths:
        path.write_text(f"model-{path.stem} and more")
    return paths


def test_a_file_is_read_once_by_however_many_processes(files: list[Path], tmp_path: Path) -> None:
    """The second look, as another process would have it, reads nothing; a changed file alone is read again."""
    index, first, second, third = tmp_path / "cache" / "names.json", Reader(), Reader(), Reader()
    before = find_names(files, index, first)
    again = find_names(files, index, second)
    files[1].write_text("another-model now")

    changed = find_names(files, index, third)

    assert (first.read, second.read, third.read) == (["one", "two", "three"], [], ["two"])
    assert list(before.values()) == list(again.values()) == ["model-one", "model-two", "model-three"]
    assert changed[files[1]] == "another-model"


def test_a_file_that_was_replaced_by_one_of_the_same_age_and_size_is_read_again(
    files: list[Path], tmp_path: Path
) -> None:
    """As `rsync` or a mounted volume leave it: another file has another inode."""
    index, seen = tmp_path / "names.json", files[0].stat()
    find_names(files, index, Reader())
    (tmp_path / "new").write_text("model-six and more")
    os.utime(tmp_path / "new", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    (tmp_path / "new").replace(files[0])

    assert files[0].stat().st_size == seen.st_size
    assert find_names(files, index, Reader())[files[0]] == "model-six"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 2, "files": {}}', b'{"format": 1, "files": {"x": 1}}']
)
def test_a_damaged_index_is_made_again(files: list[Path], tmp_path: Path, content: bytes) -> None:
    """It costs time and nothing else; what it says of files that are gone is dropped."""
    index, reader = tmp_path / "names.json", Reader()
    index.write_bytes(content)

    find_names(files, index, reader)

    assert reader.read == ["one", "two", "three"]
    assert set(json.loads(index.read_bytes())["files"]) == {str(path) for path in files}


def test_where_no_index_can_be_written_every_file_is_read(files: list[Path], tmp_path: Path) -> None:
    """A home that is read-only stops nothing."""
    (tmp_path / "file").write_text("")
    reader = Reader()

    for _ in range(2):
        find_names(files, tmp_path / "file" / "names.json", reader)

    assert len(reader.read) == 6


def test_a_file_that_goes_away_meanwhile_has_its_own_name(tmp_path: Path) -> None:
    """Whoever reads the whole spec gets the error."""

    def gone(path: Path) -> str:
        raise NotFound(f"{path}", seen="gone", expected="a file", do="nothing")

    assert find_names([tmp_path / "gone.yaml"], tmp_path / "names.json", gone) == {tmp_path / "gone.yaml": "gone"}
