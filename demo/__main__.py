"""`make demo`: run the story and report its result. Exit code 0: as expected; 1: not; 130: interrupted."""

import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from rich.console import Console

from demo import home
from slipway.errors import SlipwayError

NOT_AS_TOLD, INTERRUPTED = 1, 130


def main() -> int:
    """Run the story from a fresh folder and leave nothing running, unless KEEP=1 is set."""
    home.point_environment_here()
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    try:
        return _play(console, keep=os.environ.get("KEEP", "") not in {"", "0"})
    except SlipwayError as no:
        Console(stderr=True).print(str(no), style="bold red", highlight=False, markup=False, soft_wrap=True)
        return NOT_AS_TOLD
    except KeyboardInterrupt:
        console.print("interrupted; everything has ended")
        return INTERRUPTED


def _play(console: Console, *, keep: bool) -> int:
    from demo import epilogue, picture
    from demo.screen import screen_for
    from demo.stages import Releases
    from demo.story import Cast, play
    from demo.traffic import Traffic
    from demo.watch import Watch
    from slipway import stack
    from slipway.settings import settings

    here = settings()
    if home.is_left_over(here.home):
        stack.stop_stack(here)
    home.make_fresh(here.home)
    traffic = Traffic(here.home / "client", f"{here.front_door}/digits/v2/models/digits/infer")
    releases, screen = Releases(here.prefect), screen_for(console)
    watch = Watch(releases, traffic.counts, screen.show)
    up = False
    try:
        with screen:
            ending = play(Cast(here=here, watch=watch, traffic=traffic))
            watch.end()
        (here.home / "demo-summary.json").write_text(json.dumps(ending.summary(), indent=2), encoding="utf-8")
        picture.write(watch.seen, ending, here.home / "demo.svg")
        epilogue.tell(console, ending)
        if keep:
            epilogue.kept(console, here)
        up = keep
    finally:
        watch.end()
        traffic.end()
        releases.close()
        if not up:
            stack.stop_stack(here)
    return NOT_AS_TOLD if ending.problems else 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
