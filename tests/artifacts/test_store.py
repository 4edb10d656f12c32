"""The store: digests of trees, folders and files that are there whole or not at all."""

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from slipway.artifacts import store
from slipway.errors import ArtifactBroken


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with three files, one of them deeper."""
    folder = tmp_path / "tree"
    (folder / "deep").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "model.skops").write_bytes(bytes(range(256)))
    (folder / "deep" / "note.txt").write_text("a")
    return folder


def test_a_tree_has_the_same_digest_wherever_it_lies(tree: Path, tmp_path: Path) -> None:
    """The digest depends on names and contents, not on place, times or modes."""
    moved = tmp_path / "elsewhere"
    before = store.compute_tree_digest(tree)

    tree.rename(moved)
    (moved / "MLmodel").chmod(0o600)
    os.utime(moved / "MLmodel", (1, 1))

    assert store.compute_tree_digest(moved) == before
    assert before.startswith("sha256:")
    assert len(before) == len("sha256:") + 64


@pytest.mark.parametrize("change", ["content", "name", "more", "less", "moved"])
def test_every_change_of_a_tree_changes_its_digest(tree: Path, change: str) -> None:
    """One byte, one name, one file more, less or elsewhere: another digest."""
    before = store.compute_tree_digest(tree)
    changes = {
        "content": lambda: (tree / "MLmodel").write_text("flavors: {}\r\n"),
        "name": lambda: (tree / "MLmodel").rename(tree / "mlmodel"),
        "more": lambda: (tree / "empty").write_bytes(b""),
        "less": (tree / "MLmodel").unlink,
        "moved": lambda: (tree / "deep" / "note.txt").rename(tree / "note.txt"),
    }

    changes[change]()

    assert store.compute_tree_digest(tree) != before


def test_files_left_out_do_not_count(tree: Path) -> None:
    """A generated file may come and go."""
    before = store.compute_tree_digest(tree)

    (tree / "registered_model_meta").write_text("model_name: digits\n")

    assert store.compute_tree_digest(tree, leave_out=frozenset({"registered_model_meta"})) == before
    assert store.compute_tree_digest(tree) != before


@pytest.mark.parametrize("target", ["../outside", "MLmodel", "nowhere", "deep"])
def test_a_link_in_a_tree_is_refused(tree: Path, target: str) -> None:
    """A link can point out of the tree: its content would not be the tree's."""
    (tree.parent / "outside").write_text("secret")
    (tree / "link").symlink_to(target)

    with pytest.raises(ArtifactBroken, match=r"file 'link': a link; expected plain files"):
        store.compute_tree_digest(tree)


def test_a_pipe_in_a_tree_is_refused(tree: Path) -> None:
    """Reading a pipe would never end."""
    os.mkfifo(tree / "pipe")

    with pytest.raises(ArtifactBroken, match="neither a file nor a folder"):
        store.compute_tree_digest(tree)


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    """Nothing is under the final name until the block is through."""
    final = tmp_path / "store" / "abc"

    with store.make_new_folder(final) as part:
        (part / "sub").mkdir()
        (part / "sub" / "file").write_text("content")
        seen_early = final.exists()

    assert not seen_early
    assert (final / "sub" / "file").read_text() == "content"
    assert list(final.parent.iterdir()) == [final]


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    """A full disk in the middle: no final folder, no temporary one, and the error as it was."""
    final = tmp_path / "store" / "abc"

    def fill() -> None:
        with store.make_new_folder(final) as part:
            (part / "half").write_text("written")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        fill()

    assert caught.value.errno == errno.ENOSPC
    assert list(final.parent.iterdir()) == []


def test_the_folder_that_came_first_stays(tmp_path: Path) -> None:
    """Two makers of the same content: the second one's is dropped."""
    final = tmp_path / "abc"

    with store.make_new_folder(final) as part:
        (part / "file").write_text("second")
        with store.make_new_folder(final) as other:
            (other / "file").write_text("first")

    assert (final / "file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [final]


def test_what_a_killed_process_left_is_swept_a_day_later(tmp_path: Path) -> None:
    """Old unfinished folders go; young ones may still be at work and stay."""
    old, young = tmp_path / ".part-old", tmp_path / ".part-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half").write_text("written")
    long_ago = time.time() - store.STALE_SECONDS - 60
    os.utime(old, (long_ago, long_ago))

    with store.make_new_folder(tmp_path / "abc"):
        pass

    assert {path.name for path in tmp_path.iterdir()} == {".part-young", "abc"}


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_a_file_is_written_whole_with_its_mode(tmp_path: Path, mode: int) -> None:
    """The old content is replaced, the mode is the one asked for, nothing else lies there."""
    path = tmp_path / "made" / "secret"
    store.write_atomic(path, b"old")

    store.write_atomic(path, b"new", mode)

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_can_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """Where the last step fails, what was there stays and no part is left."""
    place = tmp_path / "place"
    (place / "inside").mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        store.write_atomic(place, b"data")

    assert (place / "inside").is_dir()
    assert list(tmp_path.iterdir()) == [place]


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    """The well-known digest of `abc` (FIPS 180-2, appendix B.1)."""
    (tmp_path / "abc").write_bytes(b"abc")

    digest = store.compute_file_digest(tmp_path / "abc")

    assert digest == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_folders_nested_deeper_than_the_stack_are_walked(tmp_path: Path) -> None:
    """A model's author chooses how deep they are."""
    deepest = tmp_path
    for _ in range(1500):
        deepest /= "d"
        deepest.mkdir()
    (deepest / "file").touch()

    names = [name for name, _ in store.walk_files(tmp_path)]

    (deepest / "file").unlink()
    while deepest != tmp_path:  # pytest's own clean-up is recursive
        deepest.rmdir()
        deepest = deepest.parent
    assert names == ["d/" * 1500 + "file"]
