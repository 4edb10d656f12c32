"""The demo's folder: emptied when an earlier demo left it, never when anybody else did."""

from pathlib import Path

import pytest

from demo.home import is_left_over, make_fresh
from slipway.errors import SettingsError


def test_what_an_earlier_demo_left_is_emptied(tmp_path: Path) -> None:
    """Every story begins with a fresh folder."""
    make_fresh(tmp_path / "home")
    (tmp_path / "home" / "old").write_text("old")

    assert is_left_over(tmp_path / "home")
    make_fresh(tmp_path / "home")
    assert not (tmp_path / "home" / "old").exists()


def test_a_folder_with_other_contents_is_refused_and_left_alone(tmp_path: Path) -> None:
    """SLIPWAY_HOME may point anywhere: what the demo did not make it does not delete."""
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(SettingsError, match="contents that the demo did not make"):
        is_left_over(tmp_path)

    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_no_folder_and_an_empty_one_are_fine(tmp_path: Path) -> None:
    """There is nothing to clear up."""
    assert not is_left_over(tmp_path / "none")
    assert not is_left_over(tmp_path)
