"""Reading what others wrote: what is taken, and what is over a bound."""

import os
from pathlib import Path

import pytest
import yaml

from slipway.artifacts.bounded import DEEPEST, LONGEST_NUMBER, parse_yaml, read_bounded

GOOD = {
    "aliases": "a: &x [1, {b: 2}]\nc: *x\nd: [*x, *x]",
    "merged keys": "a: &x {b: 1}\nc: {<<: *x, d: 2}",
    "numbers": "a: -1.5e3\nb: 0x1f\nc: 1_000\nd: .nan\ne: 190:20:30",
    "a date": "a: 2026-01-02",
    "a long text": f"a: '[{'9, ' * 10_000}9]'\nb: {'word ' * 10_000}",
    "a long number in quotes": f"a: '{'9' * 5000}'",
    "the longest number": f"a: {'9' * LONGEST_NUMBER}",
    "the deepest": f"a: {'[' * (DEEPEST - 1)}{']' * (DEEPEST - 1)}",
    "the same key in two mappings": "a: {k: 1}\nb: {k: 1, l: {k: 1}}",
    "tags": "a: !!str 1\nb: !!set {x: null}\nc: !!binary aGk=",
    "nothing": "",
}


@pytest.mark.parametrize("text", GOOD)
def test_what_mlflow_may_write_is_read_as_yaml_does(text: str) -> None:
    """Bounds change no value."""
    assert str(parse_yaml(GOOD[text].encode())) == str(yaml.safe_load(GOOD[text]))


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    """One byte more is refused."""
    (tmp_path / "file").write_bytes(b"12345")

    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match="5 bytes, over the 4 allowed"):
        read_bounded(tmp_path / "file", 4)


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    """A link leads elsewhere, and a pipe would wait for a writer."""
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="link"):
        read_bounded(tmp_path / "link", 1000)
    with pytest.raises(ValueError, match="no regular file"):
        read_bounded(tmp_path / "pipe", 1000)
