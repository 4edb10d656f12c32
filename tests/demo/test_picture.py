"""The picture that README shows."""

from pathlib import Path

from demo import picture
from demo.ending import Ending
from demo.tally import Counts
from demo.watch import Line, Seen
from slipway.domain.release.version import ReleaseState


def test_the_last_screen_is_a_picture_that_asks_nobody_for_anything(tmp_path: Path) -> None:
    """An SVG with the versions and the verdict in it, and no address of a font server."""
    line = Line(version=1, title="logistic regression", accuracy=0.93, state=ReleaseState.PROMOTED)
    seen = Seen(lines=(line,), addresses={"front door": "http://127.0.0.1:8780/digits/"})
    ending = Ending(releases=(), history=(), counts=Counts(), began_at=0.0, stack_seconds=20.0, seconds=200.0)

    picture.write(seen, ending, tmp_path / "demo.svg")

    text = (tmp_path / "demo.svg").read_text()
    assert text.startswith("<svg")
    assert "logistic" in text
    assert "font-face" not in text
    assert "cdn" not in text
